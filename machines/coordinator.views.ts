/**
 * The boundary of: a case as others see it. The summary people and commands read, and what each
 * turn adds to the history chain. Safe data only, derived and never stored in the machine.
 */
import { modeOf } from "./coordinator.asks.ts";
import { tokensUsed, type CoordinatorContext } from "./coordinator.context.ts";
import type { EventMeta, Json } from "./protocol.ts";
import { asJson } from "./step.ts";
import { targetName, type CaseSummary, type EventFacts, type Review } from "./vocabulary.ts";

const STATE_NAMES: Readonly<Record<string, string>> = {
  opening: "opening",
  detecting: "detecting",
  analysing: "analysing",
  reviewing: "reviewing",
  acting: "acting",
  awaitingHuman: "awaiting_human",
  secondReviewing: "reviewing",
  undoReviewing: "undoing",
  undoing: "undoing",
  closed: "closed",
  escalated: "escalated",
  failedToHuman: "failed_to_human",
};

/** `state` as the host names it: `acting`, `settled.closed`. An archived case keeps where it rested. */
export function coordinatorSummary(state: string, context: unknown): CaseSummary {
  const known = context as CoordinatorContext;
  const leaf = state.match(/\w+/g)?.at(-1) ?? "";
  const name = STATE_NAMES[leaf === "archived" ? known.rest : leaf] ?? leaf;
  return {
    case: known.case,
    entity: known.entity.key,
    openedAt: known.openedAt,
    updatedAt: known.updatedAt,
    state: name,
    verdict: known.verdict,
    reasons: known.reasons,
    rules: [...new Set(known.counts.map((count) => count.rule))],
    events: known.events,
    pValue: known.pValue,
    techniques: known.report?.techniques.map((technique) => technique.id) ?? [],
    actions: known.actions.map((record) => ({
      type: record.action.type,
      target: targetName(record.action.target),
      digest: record.digest,
      verdict: record.verdict,
      state: record.state,
      diff: record.diff,
    })),
    waitingFor: leaf === "awaitingHuman" ? "approval" : null,
    expiresAt: leaf === "awaitingHuman" ? known.expiresAt : null,
    mode: modeOf(known.reviews) ?? (known.origin === "sample" ? "enforce" : "observe"),
    usage: known.usage,
    failures: known.failures,
    traceId: known.traceId,
    lastCommand: known.lastCommand,
  };
}

interface TurnEvent {
  readonly type: string;
  readonly data: Json;
  readonly meta: EventMeta | null;
}

/** What the turn learnt. A call's event carries its value, or its failure, as `data`. */
export function coordinatorHistory(event: TurnEvent, context: unknown): Json {
  const known = context as CoordinatorContext;
  const learnt = learntFrom(event);
  return asJson({
    ...learnt,
    round: known.round,
    events: known.events,
    verdict: known.verdict,
    reasons: known.reasons,
    spent: {
      asks: known.asks,
      modelCalls: known.usage.calls,
      tokens: tokensUsed(known.usage),
      costMicroUsd: known.usage.costMicroUsd,
    },
    command: known.lastCommand,
  });
}

function learntFrom({ type, data }: TurnEvent): object {
  if (type === "case.event") return { facts: factsDigest(data) };
  const [, how, source] = /^xstate\.(done|error)\.actor\.(\w+)$/.exec(type) ?? [];
  if (how === undefined || source === undefined) return namedIn(type, data);
  const name = RESULTS[source] ?? source;
  return how === "error" ? { failure: data, of: name } : { [name]: shortened(source, data) };
}

/** What the answers are called in the history. */
const RESULTS: Readonly<Record<string, string>> = {
  askDetector: "detector",
  askAnalyst: "analyst",
  askReviewer: "review",
  askReviewerAgain: "secondReview",
  askRemediator: "remediation",
  askApproval: "approval",
  askUndoReview: "undoReview",
  askUndo: "undo",
};

/** The target's labels are the cluster's, not the case's: a review is kept without them. */
function shortened(source: string, data: Json): unknown {
  if (source === "askReviewer" || source === "askReviewerAgain" || source === "askUndoReview") {
    const { target, ...review } = data as unknown as Review;
    const { version, exists, blast, diff } = target ?? {};
    return { ...review, target: target === null ? null : { version, exists, blast, diff } };
  }
  return data;
}

/** Messages and commands whose data is safe, whole. Anything else is known by its type alone. */
function namedIn(type: string, data: Json): object {
  const kept = [
    "human.answer",
    "human.undo",
    "approval.accepted",
    "approval.refused",
    "approval.findings",
    "case.fault",
    "remediation.changed",
  ];
  return kept.includes(type) ? { message: data } : {};
}

function factsDigest(data: Json): object | null {
  const facts = (data as { facts?: EventFacts } | null)?.facts;
  if (facts === undefined) return null;
  const { digest, rule, priority, source, at, score, pValue, traceId } = facts;
  return { digest, rule, priority, source, at, score, pValue, traceId };
}
