/**
 * The boundary of: what a coordinator makes of each occurrence: the change of its case and what
 * people are told of it, together. Pure; the chart says when.
 */
import type {
  CaseNotice,
  ApprovalRefused,
  CaseEvent,
  CaseFault,
  Findings,
  HumanUndo,
} from "./calls.ts";
import {
  isNewRule,
  withCodes,
  withDetector,
  withEvent,
  withFailure,
  withFault,
  withReport,
  type Change,
  type CoordinatorContext,
  type Rest,
} from "./coordinator.context.ts";
import {
  answered,
  decided,
  needsNewRound,
  question,
  settled,
  undoAllowed,
  undoRefused,
  undoSettled,
  withoutRemediation,
  withoutReview,
  withProposals,
  withRemediation,
  withReview,
  withUndo,
} from "./coordinator.judging.ts";
import { noticed } from "./coordinator.notices.ts";
import * as say from "./coordinator.notices.ts";
import type { CallFailure, CallResult, MachineEvent } from "./protocol.ts";
import type {
  Action,
  AnalystReport,
  Approval,
  DetectorReport,
  Remediation,
  Review,
  LastCommand,
} from "./vocabulary.ts";

/** The first event of a case opens it; later ones are told only if they say something new. */
export function eventTaken(
  context: CoordinatorContext,
  { data, meta }: MachineEvent<string, CaseEvent>,
): Change {
  const change = withEvent(context, data, meta.at);
  const next = { ...context, ...change };
  if (context.events === 0) {
    return noticed(next, change, "opened", say.openedLines(next, data.facts));
  }
  if (context.rest !== "working" && isNewRule(context, data)) {
    return noticed(next, change, "opened", say.newRuleLines(next, data.facts));
  }
  return change;
}

/** After the last round a new rule in a closed case is a person's to judge. */
export function eventBeyondBudget(
  context: CoordinatorContext,
  event: MachineEvent<string, CaseEvent>,
): Change {
  const change = eventTaken(context, event);
  return { ...change, newRule: false, causes: withCodes(context.causes, ["budget_spent"]) };
}

export function faultTaken(
  context: CoordinatorContext,
  { data, meta }: MachineEvent<string, CaseFault>,
): Change {
  return noticed(
    context,
    withFault(context, data, meta.at),
    "fault",
    say.faultLines(context, data),
  );
}

export function reportTaken(
  context: CoordinatorContext,
  { value, at }: CallResult<AnalystReport>,
): Change {
  const change = withReport(context, value, at);
  return { ...change, ...withProposals({ ...context, ...change }, value.proposals) };
}

export function evidenceTaken(
  context: CoordinatorContext,
  { value, at }: CallResult<DetectorReport>,
): Change {
  return withDetector(context, value, at);
}

/** Without evidence the case goes on, and the policy is told that it is missing. */
export function evidenceMissed(context: CoordinatorContext, { code, at }: CallFailure): Change {
  return withFailure(context, code, null, at);
}

export function nothingProposed(context: CoordinatorContext): Change {
  return { reviews: [], causes: withCodes(context.causes, ["no_proposal"]) };
}

export function analystFailed(context: CoordinatorContext, error: CallFailure): Change {
  return {
    ...withFailure(context, error.code, "analyst_failed", error.at),
    reviews: [],
    proposals: [],
  };
}

export function reviewTaken(
  context: CoordinatorContext,
  { value, at }: CallResult<Review>,
): Change {
  return withReview(context, value, at);
}

export function reviewMissed(context: CoordinatorContext, { code, at }: CallFailure): Change {
  return withoutReview(context, context.proposals[context.index] as Action, code, at);
}

export function secondReviewMissed(context: CoordinatorContext, { code, at }: CallFailure): Change {
  return withoutReview(context, (context.asked[context.index] as Review).action, code, at);
}

export function performed(
  context: CoordinatorContext,
  { value, at }: CallResult<Remediation>,
): Change {
  const kind = value.state === "done" ? "performed" : "fault";
  return noticed(
    context,
    withRemediation(context, value, at),
    kind,
    say.performedLines(context, value),
  );
}

export function notPerformed(context: CoordinatorContext, error: CallFailure): Change {
  const review = context.orders[context.index];
  const { code, at } = error;
  const result: Remediation = {
    actionDigest: review?.actionDigest ?? "",
    state: "failed",
    receipt: null,
    failure: error,
  };
  return noticed(
    context,
    withoutRemediation(context, code, at),
    "fault",
    say.performedLines(context, result),
  );
}

export function caseDecided(context: CoordinatorContext): Change {
  const change = decided(context);
  const next = { ...context, ...change };
  if (needsNewRound(next)) return change;
  const told = noticed(next, change, "verdict", say.verdictLines(next));
  return { ...told, outbox: verdictFirst(told.outbox ?? []) };
}

/** People read the verdict before what was done on it; the ids keep their order. */
function verdictFirst(outbox: readonly CaseNotice[]): readonly CaseNotice[] {
  const read = [...outbox.slice(-1), ...outbox.slice(0, -1)];
  return read.map((notice, n) => ({ ...notice, id: outbox[n]!.id }));
}

export function personAsked(context: CoordinatorContext): Change {
  const change: Change = { ...question(context), rest: "awaitingHuman" };
  const next = { ...context, ...change };
  return noticed(next, change, "waiting", say.waitingLines(next));
}

export function personAnswered(
  context: CoordinatorContext,
  { value, at }: CallResult<Approval>,
): Change {
  return noticed(
    context,
    answered(context, value, at),
    "answered",
    say.answeredLines(context, value),
  );
}

export function personMissed(context: CoordinatorContext, { code, at }: CallFailure): Change {
  return withFailure(context, code, "not_asked", at);
}

export function answerRefused(
  context: CoordinatorContext,
  { data, meta }: MachineEvent<string, ApprovalRefused>,
): Change {
  const lastCommand: LastCommand = { id: data.id, accepted: false, code: data.why };
  const lines = [`case ${context.case}: an answer did not count: ${data.why}`];
  return noticed(context, { lastCommand, updatedAt: meta.at }, "fault", lines);
}

export function findingsTaken(
  context: CoordinatorContext,
  { data, meta }: MachineEvent<string, Findings>,
): Change {
  return noticed(
    context,
    { updatedAt: meta.at },
    "answered",
    say.findingsLines(context, data.lines),
  );
}

/** An effect ended by its own expiry, or could not. */
export function remediationChanged(
  context: CoordinatorContext,
  { data, meta }: MachineEvent<string, Remediation>,
): Change {
  const change: Change = { updatedAt: meta.at, actions: settled(context.actions, data) };
  const kind = data.state === "undone" ? "undone" : "fault";
  return noticed(context, change, kind, say.changedLines(context, data));
}

/** What the command line reads to know whether its command counted. */
export function accepted({ data }: MachineEvent<string, { readonly id: string }>): LastCommand {
  return { id: data.id, accepted: true, code: null };
}

export function refused(
  { data }: MachineEvent<string, { readonly id: string }>,
  code: "not_waiting" | "case_working" | "nothing_to_undo",
): LastCommand {
  return { id: data.id, accepted: false, code };
}

export function undoStarted(
  context: CoordinatorContext,
  { data, meta }: MachineEvent<string, HumanUndo>,
): Change {
  return withUndo(context, data, meta.at);
}

export function undoReviewed(
  context: CoordinatorContext,
  { value, at }: CallResult<Review>,
): Change {
  return undoAllowed(context, value, at);
}

export function undoDenied(context: CoordinatorContext, { value, at }: CallResult<Review>): Change {
  return undoRefused(context, [value.decision.verdict, ...value.decision.reasons], at);
}

export function undoMissed(context: CoordinatorContext, { code, at }: CallFailure): Change {
  return undoRefused(context, [code], at);
}

export function undoPerformed(
  context: CoordinatorContext,
  { value, at }: CallResult<Remediation>,
): Change {
  return undoSettled(context, value, at);
}

export function undoEnded(context: CoordinatorContext): Change {
  return noticed(context, { undo: null }, "undone", say.undoneLines(context));
}

/** The case came to rest; told only when it was not at rest there before. */
export function rested(
  context: CoordinatorContext,
  rest: Exclude<Rest, "working" | "awaitingHuman">,
): Change {
  if (context.rest === rest) return { rest };
  const kind = rest === "failedToHuman" ? "fault" : "closed";
  return noticed(context, { rest, expiresAt: null }, kind, say.restLines(context, HOW[rest]));
}

const HOW = {
  closed: "is closed",
  escalated: "stays escalated, without an answer",
  failedToHuman: "could not be put to a person: look at it",
};
