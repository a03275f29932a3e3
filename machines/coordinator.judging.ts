/**
 * The boundary of: what a case comes to. Reviews become orders, orders become results, and both
 * become one verdict: the strictest. Pure functions of the case.
 */
import {
  actionDigest,
  escalatedReview,
  isAllowed,
  isContainment,
  isRecordOnly,
  NO_POLICY,
} from "./actions.ts";
import type { HumanUndo } from "./calls.ts";
import { reviewQuestion, undoDigest } from "./coordinator.asks.ts";
import {
  hasRoundsLeft,
  PROPOSALS_MAX,
  SECOND_REVIEWS_MAX,
  withCodes,
  type ActionRecord,
  type Change,
  type CoordinatorContext,
} from "./coordinator.context.ts";
import {
  targetName,
  type Action,
  type Approval,
  type Remediation,
  type Review,
  type Verdict,
} from "./vocabulary.ts";

/** Actions kept of all rounds; the bounds of rounds and proposals stay below it. */
const ACTIONS_MAX = 32;
const DIFF_LINES_MAX = 20;
const UNDO_LINES_MAX = 32;

// ---- Reviewing -----------------------------------------------------------------------------------

/** Each proposal once, and no more than can be reviewed: what is beyond that is a person's. */
export function withProposals(context: CoordinatorContext, proposals: readonly Action[]): Change {
  const unique = [...new Map(proposals.map((action) => [actionDigest(action), action])).values()];
  const tooMany = unique.length > PROPOSALS_MAX;
  return {
    proposals: unique.slice(0, PROPOSALS_MAX),
    index: 0,
    reviews: [],
    causes: tooMany ? withCodes(context.causes, ["too_many_proposals"]) : context.causes,
  };
}

/** A review takes the place of an earlier one of the same action. */
export function withReview(context: CoordinatorContext, review: Review, at: number): Change {
  const others = context.reviews.filter((known) => known.actionDigest !== review.actionDigest);
  return {
    updatedAt: at,
    index: context.index + 1,
    reviews: [...others, review],
    policyRevision: context.policyRevision ?? revisionOf(review),
    actions: withRecord(context.actions, review),
  };
}

function revisionOf({ decision }: Review): string | null {
  return decision.policyRevision === NO_POLICY ? null : decision.policyRevision;
}

/** A reviewer that did not answer: its action is a person's to decide. */
export function withoutReview(
  context: CoordinatorContext,
  action: Action,
  code: string,
  at: number,
): Change {
  const { confidence } = reviewQuestion(context, action, context.approval);
  return {
    ...withReview(context, escalatedReview(action, confidence, code), at),
    failures: withCodes(context.failures, [code]),
  };
}

function withRecord(actions: readonly ActionRecord[], review: Review): readonly ActionRecord[] {
  const { action, actionDigest: digest, decision, target } = review;
  const known = actions.find((record) => record.digest === digest);
  const record: ActionRecord = {
    action,
    digest,
    verdict: decision.verdict,
    state: known?.state === "done" ? "done" : "proposed",
    diff: (target?.diff ?? []).slice(0, DIFF_LINES_MAX),
    receipt: known?.receipt ?? null,
  };
  return [...actions.filter((other) => other.digest !== digest), record].slice(-ACTIONS_MAX);
}

/** What the reviews let be done now; what they only let be recorded, or reject, is skipped. */
export function sorted(context: CoordinatorContext): Change {
  const isDone = (digest: string): boolean =>
    context.actions.some((record) => record.digest === digest && record.state === "done");
  const orders = context.reviews.filter(
    (review) => isAllowed(review.decision) && !isDone(review.actionDigest),
  );
  const skipped = context.reviews.filter(
    ({ decision }) =>
      decision.verdict === "auto_reject" ||
      (decision.verdict === "auto_execute" && isRecordOnly(decision)),
  );
  return { orders, index: 0, actions: withStates(context.actions, skipped, "skipped") };
}

function withStates(
  actions: readonly ActionRecord[],
  reviews: readonly Review[],
  state: ActionRecord["state"],
): readonly ActionRecord[] {
  const digests = new Set(reviews.map((review) => review.actionDigest));
  return actions.map((record) =>
    digests.has(record.digest) && record.state !== "done" ? { ...record, state } : record,
  );
}

// ---- Acting --------------------------------------------------------------------------------------

export function withRemediation(
  context: CoordinatorContext,
  remediation: Remediation,
  at: number,
): Change {
  const failed = remediation.state !== "done";
  const order = context.orders[context.index] as Review;
  return {
    updatedAt: at,
    index: context.index + 1,
    actions: settled(context.actions, { ...remediation, actionDigest: order.actionDigest }),
    failures: withCodes(
      context.failures,
      remediation.failure === null ? [] : [remediation.failure.code],
    ),
    causes: failed ? withCodes(context.causes, ["remediation_failed"]) : context.causes,
  };
}

/** A remediator that did not answer: nobody knows what it did, so a person looks. */
export function withoutRemediation(context: CoordinatorContext, code: string, at: number): Change {
  const review = context.orders[context.index] as Review;
  return {
    updatedAt: at,
    index: context.index + 1,
    actions: withStates(context.actions, [review], "failed"),
    failures: withCodes(context.failures, [code]),
    causes: withCodes(context.causes, ["remediation_failed"]),
  };
}

/** The action after its remediator spoke. An undo's own receipt never replaces the effect's. */
export function settled(
  actions: readonly ActionRecord[],
  { actionDigest: digest, state, receipt }: Remediation,
): readonly ActionRecord[] {
  return actions.map((record) => {
    if (record.digest !== digest) return record;
    return { ...record, state, receipt: state === "undone" ? null : (receipt ?? record.receipt) };
  });
}

// ---- Deciding ------------------------------------------------------------------------------------

/** The case's verdict, as of now. */
export function decided(context: CoordinatorContext): Change {
  const outOfRounds = context.newRule && !hasRoundsLeft(context);
  const causes = withCodes(context.causes, [
    ...(outOfRounds ? ["budget_spent"] : []),
    ...(rejectedContainments(context).length > 0 ? ["rejected_containment"] : []),
  ]);
  const verdict = causes.length > 0 ? "escalate" : strictest(context.reviews);
  const ofPolicy = context.reviews
    .filter(({ decision }) => decision.verdict === verdict)
    .flatMap(({ decision }) => decision.reasons);
  return {
    causes,
    verdict,
    reasons: withCodes(causes, ofPolicy),
    newRule: context.newRule && !outOfRounds,
  };
}

/** Escalate over execute over reject; with nothing reviewed, escalate. */
function strictest(reviews: readonly Review[]): Verdict {
  const verdicts = reviews.map((review) => review.decision.verdict);
  if (verdicts.length === 0 || verdicts.includes("escalate")) return "escalate";
  return verdicts.includes("auto_execute") ? "auto_execute" : "auto_reject";
}

/** Once a person answered, the policy's rejection is the last word. */
function rejectedContainments({ reviews, approval }: CoordinatorContext): readonly Review[] {
  if (approval !== null) return [];
  return reviews.filter(
    ({ action, decision }) => decision.verdict === "auto_reject" && isContainment(action),
  );
}

/** A round is due: something new came, and the budget lets it be looked at. */
export function needsNewRound(context: CoordinatorContext): boolean {
  return context.newRule && hasRoundsLeft(context);
}

export function wasAskedEnough({ secondReviews }: CoordinatorContext): boolean {
  return secondReviews >= SECOND_REVIEWS_MAX;
}

// ---- Asking a person -----------------------------------------------------------------------------

/** What a person is asked about: what is escalated, rejected though it contains, or did not work. */
export function question(context: CoordinatorContext): Change {
  const failed = new Set(
    context.actions.filter((record) => record.state === "failed").map((record) => record.digest),
  );
  const rejected = rejectedContainments(context);
  const asked = context.reviews.filter(
    (review) =>
      review.decision.verdict === "escalate" ||
      rejected.includes(review) ||
      failed.has(review.actionDigest),
  );
  return {
    questions: context.questions + 1,
    asked,
    approval: null,
    verdict: "escalate",
    reasons: withCodes(context.causes, context.reasons),
    expiresAt: context.updatedAt + context.settings.approvalExpiryMs,
    actions: withStates(
      context.actions,
      asked.filter((review) => !failed.has(review.actionDigest)),
      "waiting",
    ),
  };
}

export function answered(context: CoordinatorContext, approval: Approval, at: number): Change {
  const approved = approval.answer === "approve";
  return {
    updatedAt: at,
    approval,
    expiresAt: null,
    index: 0,
    causes: approved ? [] : context.causes,
    secondReviews: context.secondReviews + (approved ? 1 : 0),
    // Nobody acts on what was not approved.
    actions: approved
      ? context.actions
      : context.actions.map((record) =>
          record.state === "waiting" ? { ...record, state: "skipped" } : record,
        ),
  };
}

// ---- Undoing -------------------------------------------------------------------------------------

/** The actions that were performed and have an inverse, the last first. */
export function undoable({ actions }: CoordinatorContext): readonly ActionRecord[] {
  return actions
    .filter(({ state, receipt }) => (state === "done" || state === "failed") && receipt?.inverse)
    .toReversed();
}

export function withUndo(context: CoordinatorContext, command: HumanUndo, at: number): Change {
  const queue = undoable(context).map((record) => record.digest);
  return {
    updatedAt: at,
    undos: context.undos + 1,
    undo: { command, at, queue, index: 0, decision: null, lines: [] },
    lastCommand: { id: command.id, accepted: true, code: null },
  };
}

export function hasMoreToUndo({ undo }: CoordinatorContext): boolean {
  return undo !== null && undo.index + 1 < undo.queue.length;
}

/** The policy let it be undone. */
export function undoAllowed(context: CoordinatorContext, review: Review, at: number): Change {
  if (context.undo === null) return {};
  return { updatedAt: at, undo: { ...context.undo, decision: review.decision } };
}

export function undoRefused(
  context: CoordinatorContext,
  reasons: readonly string[],
  at: number,
): Change {
  return { updatedAt: at, undo: nextUndo(context, `not undone: ${reasons.join(", ")}`) };
}

export function undoSettled(
  context: CoordinatorContext,
  remediation: Remediation,
  at: number,
): Change {
  const undone = remediation.state === "undone";
  const line = undone ? "undone" : `not undone: ${remediation.failure?.code ?? remediation.state}`;
  return {
    updatedAt: at,
    undo: nextUndo(context, line),
    // What could not be undone is still done.
    actions: undone
      ? settled(context.actions, { ...remediation, actionDigest: undoDigest(context) })
      : context.actions,
    failures: withCodes(
      context.failures,
      remediation.failure === null ? [] : [remediation.failure.code],
    ),
  };
}

function nextUndo(context: CoordinatorContext, result: string): CoordinatorContext["undo"] {
  const { undo } = context;
  if (undo === null) return null;
  const record = context.actions.find(({ digest }) => digest === undoDigest(context));
  const what =
    record === undefined ? "?" : `${record.action.type} ${targetName(record.action.target)}`;
  const lines = [...undo.lines, `${what}: ${result}`].slice(-UNDO_LINES_MAX);
  return { ...undo, index: undo.index + 1, decision: null, lines };
}
