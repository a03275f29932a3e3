/**
 * The boundary of: a coordinator's questions. To whom, under which id, and with what; an id is made
 * of the round and what is counted in it, so that none is ever used twice.
 */
import { actionDigest, shortDigest } from "./actions.ts";
import type {
  AnalyseQuestion,
  ApprovalQuestion,
  GatherInput,
  HumanAnswer,
  Label,
  RemediationOrder,
  ReviewFlags,
  ReviewQuestion,
  UndoOrder,
} from "./calls.ts";
import { confidenceOf, disagree, type Evidence } from "./confidence.ts";
import { modelBudgetSpent, tokensUsed, type CoordinatorContext } from "./coordinator.context.ts";
import type { ActorAddress, AskInput, Outgoing } from "./protocol.ts";
import { asJson } from "./step.ts";
import type { Action, Approval, Decision, Dismissal, Mode, Review } from "./vocabulary.ts";

/** Each is longer than all attempts of the agent that is asked, with their waits. */
const TIMEOUT_MS = {
  detector: 3 * 60_000,
  analyst: 30 * 60_000,
  reviewer: 10 * 60_000,
  remediator: 30 * 60_000,
};

export function askDetector(context: CoordinatorContext): AskInput {
  const { case: caseId, round, entity, facts, counts } = context;
  const question: GatherInput = { case: caseId, entity, facts, counts };
  return ask(`detector/${caseId}.${round}`, "gather", question, TIMEOUT_MS.detector);
}

export function askAnalyst(context: CoordinatorContext): AskInput {
  const { case: caseId, round, entity, facts, detector, settings, usage } = context;
  const question: AnalyseQuestion = {
    case: caseId,
    entity,
    facts,
    detector,
    engine: modelBudgetSpent(context) ? "rules" : settings.engine,
    tokensMax: Math.max(0, settings.tokensMax - tokensUsed(usage)),
  };
  return ask(`analyst/${caseId}.${round}`, "analyse", question, TIMEOUT_MS.analyst);
}

export function askReviewer(context: CoordinatorContext): AskInput {
  const { case: caseId, round, proposals, index } = context;
  const question = reviewQuestion(context, proposals[index] as Action, null);
  return ask(`reviewer/${caseId}.${round}.${index}`, "review", question, TIMEOUT_MS.reviewer);
}

/** The same action, with a person's answer. */
export function askReviewerAgain(context: CoordinatorContext): AskInput {
  const { case: caseId, questions, asked, index, approval } = context;
  const question = reviewQuestion(context, (asked[index] as Review).action, approval);
  return ask(`reviewer/${caseId}.a${questions}.${index}`, "review", question, TIMEOUT_MS.reviewer);
}

export function askRemediator(context: CoordinatorContext): AskInput {
  const review = context.orders[context.index] as Review;
  const question = reviewQuestion(context, review.action, context.approval);
  const order: RemediationOrder = { question, review };
  return ask(remediator(context, review.actionDigest), "perform", order, TIMEOUT_MS.remediator);
}

export function askUndoReview(context: CoordinatorContext): AskInput {
  const { case: caseId, undos } = context;
  const index = context.undo?.index ?? 0;
  const { action, approval } = undoOf(context);
  const question = reviewQuestion(context, action, approval);
  return ask(`reviewer/${caseId}.u${undos}.${index}`, "review", question, TIMEOUT_MS.reviewer);
}

export function askUndo(context: CoordinatorContext): AskInput {
  const order: UndoOrder = { decision: context.undo?.decision as Decision };
  return ask(remediator(context, undoDigest(context)), "undo", order, TIMEOUT_MS.remediator);
}

export function askApproval(context: CoordinatorContext): AskInput {
  const { case: caseId, entity, asked, settings } = context;
  const question: ApprovalQuestion = {
    case: caseId,
    entity,
    reviews: asked,
    mode: modeOf(context.reviews),
    expiresInMs: settings.approvalExpiryMs,
  };
  return ask(approvalAddress(context), "decide", question, null);
}

export function tellAnswer(context: CoordinatorContext, answer: HumanAnswer): Outgoing {
  return { to: approvalAddress(context), type: "answer", data: asJson(answer) };
}

/** What a dismissal says of the events; a wrong action says nothing of them. */
const TAUGHT: Readonly<Partial<Record<Dismissal, "benign" | "attack">>> = {
  false_positive: "benign",
  expected: "benign",
  true_handled: "attack",
};

/** What a dismissal teaches, if anything. */
export function tellLabel(context: CoordinatorContext, approval: Approval): readonly Outgoing[] {
  const { dismissal, person, at } = approval;
  const taught = dismissal === null ? undefined : TAUGHT[dismissal];
  if (person === null || taught === undefined) return [];
  const digests = context.facts.map((fact) => fact.digest);
  const benign = taught === "benign";
  const label: Label = { case: context.case, digests, benign, dismissal, person, at };
  return [{ to: "trainer/forest", type: "label", data: asJson(label) }];
}

/** The digest of the action that is being undone. */
export function undoDigest({ undo }: CoordinatorContext): string {
  return undo?.queue[undo.index] ?? "";
}

/** Undoing is an action like any other, with the person's command as its approval. */
function undoOf(context: CoordinatorContext): { action: Action; approval: Approval | null } {
  const digest = undoDigest(context);
  const done = context.actions.find((record) => record.digest === digest);
  const requestedBy = context.undo?.command.person.user ?? null;
  const action: Action = {
    type: "undo",
    target: done?.action.target ?? { kind: "case", id: context.case },
    params: { actionDigest: digest, undoes: done?.action.type ?? null, requestedBy },
  };
  return { action, approval: undoApproval(context, action) };
}

/** The command is the person's word for this undo, and for nothing else. */
function undoApproval({ undo }: CoordinatorContext, action: Action): Approval | null {
  if (undo === null) return null;
  const { person, reason } = undo.command;
  return {
    answer: "approve",
    person,
    reason,
    dismissal: null,
    at: undo.at,
    actionDigests: [actionDigest(action)],
  };
}

export function reviewQuestion(
  context: CoordinatorContext,
  action: Action,
  approval: Approval | null,
): ReviewQuestion {
  const { case: caseId, entity, origin, priority, pValue, events, report } = context;
  const flags = flagsOf(context);
  return {
    case: caseId,
    action,
    entity,
    origin,
    priority,
    pValue,
    events,
    techniques: report?.techniques.map((technique) => technique.id) ?? [],
    confidence: confidenceOf(report, evidenceOf(context), flags),
    flags,
    policyRevision: context.policyRevision,
    approval,
  };
}

function flagsOf(context: CoordinatorContext): ReviewFlags {
  const { report, detector, settings } = context;
  const spent = report?.failures.some((failure) => failure.code === "budget_spent") ?? false;
  return {
    injectionSuspected: context.injectionSuspected,
    schemaRepaired: report?.schemaRepaired ?? false,
    agentsDisagree: disagree(report, evidenceOf(context)),
    budgetSpent: spent || (settings.engine === "model" && modelBudgetSpent(context)),
    evidenceMissing: detector === null,
    modelChanged: context.modelChanged,
  };
}

function evidenceOf({ priority, pValue, learning, entity }: CoordinatorContext): Evidence {
  return { priority, pValue, learning, identity: entity.identity };
}

/** The mode the policy decided in: from its own parameters, else from what it obliges to. */
export function modeOf(reviews: readonly Review[]): Mode | null {
  const decision = reviews.at(-1)?.decision;
  const mode = decision?.parametersUsed["mode"];
  if (mode === "observe" || mode === "recommend" || mode === "enforce") return mode;
  return decision?.obligations.includes("record_only") ? "observe" : null;
}

function approvalAddress({ case: caseId, questions }: CoordinatorContext): ActorAddress {
  return `approval/${caseId}.${questions}`;
}

function remediator({ case: caseId }: CoordinatorContext, digest: string): ActorAddress {
  return `remediator/${caseId}.${shortDigest(digest)}`;
}

function ask(to: ActorAddress, type: string, data: object, timeoutMs: number | null): AskInput {
  return { to, type, data: asJson(data), timeoutMs };
}
