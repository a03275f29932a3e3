/**
 * The boundary of: what a coordinator knows of its case. Facts, budget, and where each action
 * stands; plain JSON, and every part of it bounded. Pure functions of it, one an occurrence.
 */
import { addUsage } from "./analyst.context.ts";
import type {
  ApprovalAccepted,
  CaseEvent,
  CaseFault,
  CaseNotice,
  HumanUndo,
  RuleCount,
  HumanAnswer,
  ApprovalRefused,
  Findings,
} from "./calls.ts";
import type { ActorInput, MachineEvent } from "./protocol.ts";
import {
  NO_USAGE,
  PRIORITIES,
  type Action,
  type AnalystReport,
  type Approval,
  type CaseAction,
  type Decision,
  type DetectorReport,
  type Entity,
  type EventFacts,
  type LastCommand,
  type ModelUsage,
  type Priority,
  type Receipt,
  type Remediation,
  type Review,
  type Verdict,
} from "./vocabulary.ts";

export type CoordinatorMessage =
  | MachineEvent<"case.event", CaseEvent>
  | MachineEvent<"case.fault", CaseFault>
  | MachineEvent<"human.answer", HumanAnswer>
  | MachineEvent<"human.undo", HumanUndo>
  | MachineEvent<"approval.accepted", ApprovalAccepted>
  | MachineEvent<"approval.refused", ApprovalRefused>
  | MachineEvent<"approval.findings", Findings>
  | MachineEvent<"remediation.changed", Remediation>;

export interface CoordinatorSettings {
  /** `model` only where one is configured. */
  readonly engine: "model" | "rules";
  /** Rounds of detecting, analysing and reviewing. */
  readonly roundsMax: number;
  /** Questions to other agents in all. */
  readonly asksMax: number;
  readonly tokensMax: number;
  readonly modelCallsMax: number;
  readonly approvalExpiryMs: number;
}

export const COORDINATOR_SETTINGS: CoordinatorSettings = {
  engine: "rules",
  roundsMax: 3,
  asksMax: 120,
  tokensMax: 120_000,
  modelCallsMax: 12,
  approvalExpiryMs: 72 * 3_600_000,
};

export const FACTS_MAX = 32;
export const COUNTS_MAX = 64;
export const PROPOSALS_MAX = 8;
/** Second reviews, each after a person's answer. */
export const SECOND_REVIEWS_MAX = 3;
/** Dead letters that bring a settled case back to a person. */
export const FAULTS_MAX = 8;
const CODES_MAX = 64;

/** Where one action stands, over all rounds. */
export interface ActionRecord {
  readonly action: Action;
  readonly digest: string;
  readonly verdict: Verdict | null;
  readonly state: CaseAction["state"];
  readonly diff: readonly string[];
  readonly receipt: Receipt | null;
}

interface UndoWork {
  readonly command: HumanUndo;
  readonly at: number;
  /** Digests of the actions to undo, the last performed first. */
  readonly queue: readonly string[];
  readonly index: number;
  readonly decision: Decision | null;
  readonly lines: readonly string[];
}

/** Where a case is when nobody works on it. */
export type Rest = "working" | "awaitingHuman" | "closed" | "escalated" | "failedToHuman";

export interface CoordinatorContext {
  readonly case: string;
  readonly traceId: string;
  readonly settings: CoordinatorSettings;
  readonly entity: Entity;
  readonly origin: EventFacts["origin"];
  readonly openedAt: number;
  readonly updatedAt: number;
  /** The highest, and the smallest, of the case. */
  readonly priority: Priority;
  readonly pValue: number;
  readonly learning: boolean;
  readonly injectionSuspected: boolean;
  readonly modelChanged: boolean;
  /** Of the case's first review; null before it. */
  readonly policyRevision: string | null;
  readonly facts: readonly EventFacts[];
  readonly counts: readonly RuleCount[];
  readonly events: number;
  /** A rule came that the round under way did not see. */
  readonly newRule: boolean;
  readonly faults: number;

  readonly round: number;
  readonly asks: number;
  readonly usage: ModelUsage;
  readonly failures: readonly string[];

  readonly detector: DetectorReport | null;
  readonly report: AnalystReport | null;
  /** Actions under review, and how far. */
  readonly proposals: readonly Action[];
  readonly index: number;
  readonly reviews: readonly Review[];
  /** Reviews whose action is performed now. */
  readonly orders: readonly Review[];
  readonly actions: readonly ActionRecord[];
  /** Reasons to escalate that code found, beside those of the policy. */
  readonly causes: readonly string[];
  readonly verdict: Verdict | null;
  readonly reasons: readonly string[];

  /** Questions put to people; numbers the approvals. */
  readonly questions: number;
  readonly asked: readonly Review[];
  readonly expiresAt: number | null;
  readonly approval: Approval | null;
  readonly secondReviews: number;
  readonly lastCommand: LastCommand | null;
  readonly undo: UndoWork | null;
  readonly undos: number;
  /** Where the case last came to rest. */
  readonly rest: Rest;
  readonly notices: number;
  /** Notices of this turn, until they are told. */
  readonly outbox: readonly CaseNotice[];
}

const UNKNOWN_ENTITY: Entity = {
  key: "unknown",
  namespace: null,
  workload: null,
  pod: null,
  container: null,
  host: null,
  identity: "missing",
};

export function coordinatorContext(input: ActorInput): CoordinatorContext {
  return {
    case: input.address.slice("coordinator/".length),
    traceId: input.traceparent.split("-")[1] ?? "",
    settings: COORDINATOR_SETTINGS,
    entity: UNKNOWN_ENTITY,
    origin: "live",
    openedAt: input.at,
    updatedAt: input.at,
    priority: "debug",
    pValue: 1,
    learning: false,
    injectionSuspected: false,
    modelChanged: false,
    policyRevision: null,
    facts: [],
    counts: [],
    events: 0,
    newRule: false,
    faults: 0,
    round: 0,
    asks: 0,
    usage: NO_USAGE,
    failures: [],
    detector: null,
    report: null,
    proposals: [],
    index: 0,
    reviews: [],
    orders: [],
    actions: [],
    causes: [],
    verdict: null,
    reasons: [],
    questions: 0,
    asked: [],
    expiresAt: null,
    approval: null,
    secondReviews: 0,
    lastCommand: null,
    undo: null,
    undos: 0,
    rest: "working",
    notices: 0,
    outbox: [],
  };
}

export type Change = Partial<CoordinatorContext>;

// ---- Events of the case --------------------------------------------------------------------------

export function isNewRule(context: CoordinatorContext, { facts }: CaseEvent): boolean {
  const known = context.counts.some((c) => c.rule === facts.rule && c.source === facts.source);
  return !known && context.counts.length < COUNTS_MAX;
}

export function withEvent(context: CoordinatorContext, event: CaseEvent, at: number): Change {
  const { facts } = event;
  const events = event.events ?? 1;
  const first = context.events === 0;
  const newRule = isNewRule(context, event);
  return {
    ...(first
      ? { entity: facts.entity, origin: facts.origin, openedAt: at, traceId: facts.traceId }
      : {}),
    updatedAt: at,
    priority: higher(context.priority, facts.priority),
    pValue: Math.min(context.pValue, facts.pValue),
    learning: first ? facts.learning : context.learning && facts.learning,
    injectionSuspected: context.injectionSuspected || facts.injectionSuspected,
    // One live event makes the whole case live: the stricter of the two.
    ...(facts.origin === "live" ? { origin: "live" as const } : {}),
    facts: withFacts(context.facts, facts, newRule),
    counts: counted(context.counts, facts, events),
    events: context.events + events,
    newRule: context.newRule || newRule,
  };
}

/** The first FACTS_MAX; a rule not seen before takes the place of a repeat. */
function withFacts(
  known: readonly EventFacts[],
  facts: EventFacts,
  newRule: boolean,
): readonly EventFacts[] {
  if (known.length < FACTS_MAX) return [...known, facts];
  if (!newRule) return known;
  const repeat = known.findLastIndex(
    (one, at) => known.findIndex((other) => other.rule === one.rule) < at,
  );
  return repeat < 0 ? known : [...known.slice(0, repeat), ...known.slice(repeat + 1), facts];
}

function counted(
  counts: readonly RuleCount[],
  { rule, source }: EventFacts,
  events: number,
): readonly RuleCount[] {
  const at = counts.findIndex((count) => count.rule === rule && count.source === source);
  if (at >= 0) {
    return counts.map((count, n) => (n === at ? { ...count, count: count.count + events } : count));
  }
  return counts.length < COUNTS_MAX ? [...counts, { rule, source, count: events }] : counts;
}

function higher(a: Priority, b: Priority): Priority {
  return PRIORITIES.indexOf(b) < PRIORITIES.indexOf(a) ? b : a;
}

/** A dead letter: whatever else the case comes to, a person is asked. */
export function withFault(context: CoordinatorContext, fault: CaseFault, at: number): Change {
  return {
    updatedAt: at,
    faults: context.faults + 1,
    failures: withCodes(context.failures, [fault.code]),
    causes: withCodes(context.causes, ["dead_letter"]),
  };
}

// ---- Rounds and their budget ---------------------------------------------------------------------

export function hasRoundsLeft({ round, asks, settings }: CoordinatorContext): boolean {
  return round < settings.roundsMax && asks < settings.asksMax;
}

export function modelBudgetSpent({ usage, settings }: CoordinatorContext): boolean {
  return usage.calls >= settings.modelCallsMax || tokensUsed(usage) >= settings.tokensMax;
}

export function tokensUsed(usage: ModelUsage): number {
  return usage.inputTokens + usage.outputTokens;
}

/** A round sees the case as it is now, with fresh eyes; what was performed stays known. */
export function newRound(context: CoordinatorContext): Change {
  return {
    rest: "working",
    round: context.round + 1,
    newRule: false,
    detector: null,
    report: null,
    proposals: [],
    reviews: [],
    orders: [],
    asked: [],
    approval: null,
    expiresAt: null,
    causes: context.causes.filter((cause) => cause === "dead_letter"),
  };
}

export function withDetector(
  context: CoordinatorContext,
  detector: DetectorReport,
  at: number,
): Change {
  return { detector, pValue: Math.min(context.pValue, detector.pValue), updatedAt: at };
}

export function withReport(context: CoordinatorContext, report: AnalystReport, at: number): Change {
  const codes = report.failures.map((failure) => failure.code);
  const usage = addUsage(context.usage, report.usage);
  return {
    report,
    updatedAt: at,
    usage: { ...usage, engine: usage.model === null ? report.usage.engine : "model" },
    modelChanged: context.modelChanged || isAnotherModel(context.usage, report.usage),
    failures: withCodes(context.failures, codes),
    injectionSuspected: context.injectionSuspected || report.injectionSuspected,
  };
}

function isAnotherModel(before: ModelUsage, now: ModelUsage): boolean {
  return before.model !== null && now.model !== null && before.model !== now.model;
}

export function withFailure(
  context: CoordinatorContext,
  code: string,
  cause: string | null,
  at: number,
): Change {
  return {
    updatedAt: at,
    failures: withCodes(context.failures, [code]),
    causes: cause === null ? context.causes : withCodes(context.causes, [cause]),
  };
}

/** Codes without repeats, the first ones kept. */
export function withCodes(codes: readonly string[], more: readonly string[]): readonly string[] {
  return [...new Set([...codes, ...more])].slice(0, CODES_MAX);
}
