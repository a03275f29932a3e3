/**
 * The boundary of: which case an event belongs to. Windows are of event time, one an entity, and
 * bounded in number; everything here is a pure fold over the items of a batch.
 */
import type { CaseEvent } from "./calls.ts";
import { sha256 } from "./digest.ts";
import type { ScreenedItem } from "./ingest.types.ts";
import type { ActorAddress, Outgoing } from "./protocol.ts";
import { asJson } from "./step.ts";
import type { EventFacts, EventOutcome, Gate } from "./vocabulary.ts";

/** An entity that was quiet for this long opens a new case. */
export const WINDOW_IDLE_MS = 30 * 60_000;
/** No case collects for longer, however busy its entity is. */
export const WINDOW_SPAN_MS = 2 * 3_600_000;
/** Windows of one slice; the one that was quiet longest makes room. Bounds the record of a turn. */
export const WINDOWS_MAX = 600;
/** Events a case gets one by one; then one message stands for a hundred. */
export const SINGLY_MAX = 500;
export const STORM_STEP = 100;
/** Rules of a window that are told apart: the first event of each is always sent. */
const RULES_MAX = 12;
/** Contributions a case needs of one event. */
const FEATURES_MAX = 5;
/** Window keys are names from events: longer ones are known by their hash. */
const KEY_CHARS_MAX = 200;

interface Window {
  readonly case: string;
  readonly openedAt: number;
  readonly lastAt: number;
  /** Events of the window so far. */
  readonly events: number;
  /** Short hashes of the rules seen in it. */
  readonly rules: readonly string[];
}

export interface IngestContext {
  readonly address: ActorAddress;
  readonly windows: Readonly<Record<string, Window>>;
  readonly counters: Readonly<Record<Gate, number>>;
  /** What the last batch came to; read by the actions of that same turn. */
  readonly outcomes: readonly EventOutcome[];
  readonly messages: readonly Outgoing[];
}

export function ingestContext(address: ActorAddress): IngestContext {
  const counters = {
    screened: 0,
    forwarded: 0,
    grouped: 0,
    duplicate: 0,
    internal: 0,
    rejected: 0,
  };
  return { address, windows: {}, counters, outcomes: [], messages: [] };
}

interface Fold {
  readonly windows: Map<string, Window>;
  readonly counters: Record<Gate, number>;
  readonly outcomes: EventOutcome[];
  readonly messages: Outgoing[];
}

/** The context after a batch: grouped, counted, with what is to be recorded and told. */
export function screened(
  context: IngestContext,
  items: readonly ScreenedItem[],
): Partial<IngestContext> {
  const fold: Fold = {
    windows: new Map(Object.entries(context.windows)),
    counters: { ...context.counters },
    outcomes: [],
    messages: [],
  };
  for (const item of items) screen(fold, item);
  return { ...fold, windows: Object.fromEntries(bounded(fold.windows)) };
}

function screen(fold: Fold, item: ScreenedItem): void {
  const { facts } = item;
  if (item.learning !== null) fold.messages.push(learningNotice(item.learning, item.at));
  // The first of a digest has its fate already.
  if (item.gate === "duplicate") fold.counters.duplicate += 1;
  else if (item.gate === "internal") settle(fold, item, "internal", null);
  else if (facts === null || !item.forward) settle(fold, item, "screened", null);
  else forward(fold, item, facts);
}

function settle(fold: Fold, item: ScreenedItem, gate: Gate, caseId: string | null): void {
  const { digest, rule, at, traceId, facts } = item;
  const { score, pValue } = facts ?? { score: null, pValue: null };
  fold.counters[gate] += 1;
  fold.outcomes.push({ digest, rule, gate, score, pValue, case: caseId, traceId, at });
}

function forward(fold: Fold, item: ScreenedItem, facts: EventFacts): void {
  const key = windowKey(facts.entity.key);
  const known = fold.windows.get(key);
  const open = known !== undefined && isOpenFor(known, item.at) ? known : null;
  const window = open === null ? opened(item) : extended(open, item);
  fold.windows.set(key, window);
  settle(fold, item, open === null ? "forwarded" : "grouped", window.case);
  const events = standsFor(window, open?.rules.length !== window.rules.length);
  if (events > 0) fold.messages.push(caseEvent(window.case, item, facts, events));
}

function opened(item: ScreenedItem): Window {
  const rules = [ruleKey(item)];
  return { case: caseIdOf(item.digest), openedAt: item.at, lastAt: item.at, events: 1, rules };
}

function extended(window: Window, item: ScreenedItem): Window {
  const rule = ruleKey(item);
  const known = window.rules.includes(rule) || window.rules.length >= RULES_MAX;
  return {
    ...window,
    openedAt: Math.min(window.openedAt, item.at),
    lastAt: Math.max(window.lastAt, item.at),
    events: window.events + 1,
    rules: known ? window.rules : [...window.rules, rule],
  };
}

/** Events of one entity may come late: a window also takes what is up to its idle time older. */
function isOpenFor(window: Window, at: number): boolean {
  const near = at >= window.openedAt - WINDOW_IDLE_MS && at <= window.lastAt + WINDOW_IDLE_MS;
  const span = Math.max(window.lastAt, at) - Math.min(window.openedAt, at);
  return near && span <= WINDOW_SPAN_MS;
}

/** How many events the message for this one stands for; 0 sends none. A new rule is never held back. */
function standsFor(window: Window, newRule: boolean): number {
  if (window.events <= SINGLY_MAX || newRule) return 1;
  return (window.events - SINGLY_MAX) % STORM_STEP === 0 ? STORM_STEP : 0;
}

/** At most WINDOWS_MAX, those of the latest events. */
function bounded(windows: ReadonlyMap<string, Window>): readonly (readonly [string, Window])[] {
  if (windows.size <= WINDOWS_MAX) return [...windows];
  return [...windows].toSorted(([, a], [, b]) => b.lastAt - a.lastAt).slice(0, WINDOWS_MAX);
}

export function caseIdOf(digest: string): string {
  return `c-${digest.slice(0, 12)}`;
}

function windowKey(entity: string): string {
  return entity.length <= KEY_CHARS_MAX ? entity : `#${sha256(entity).slice(0, 32)}`;
}

function ruleKey(item: ScreenedItem): string {
  return sha256(`${item.facts?.source ?? ""}|${item.rule}`).slice(0, 8);
}

function caseEvent(
  caseId: string,
  item: ScreenedItem,
  facts: EventFacts,
  events: number,
): Outgoing {
  const data: CaseEvent = { facts: withTopFeatures(facts), events };
  return {
    to: `coordinator/${caseId}`,
    type: "case.event",
    data: asJson(data),
    case: caseId,
    traceparent: `00-${item.traceId}-${item.digest.slice(0, 16)}-01`,
  };
}

function withTopFeatures(facts: EventFacts): EventFacts {
  if (facts.features.length <= FEATURES_MAX) return facts;
  const features = facts.features
    .toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
    .slice(0, FEATURES_MAX);
  return { ...facts, features };
}

function learningNotice(learning: { workload: string; untilMs: number }, at: number): Outgoing {
  const { workload, untilMs } = learning;
  const line = `learning what is ordinary for ${workload}, for ${hoursOf(untilMs - at)} h of its events`;
  const id = `learning:${workload}:${untilMs}`;
  return {
    to: "notifier/learning",
    type: "notice",
    data: { id, case: null, kind: "learning", lines: [line] },
  };
}

function hoursOf(ms: number): string {
  return String(Math.round((Math.max(0, ms) / 3_600_000) * 10) / 10);
}
