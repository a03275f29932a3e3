/**
 * The boundary of: what became of each line that was read. Keeps lines in input order and lets them
 * go once their fate is known: a terminal state at the gate, or a case that is settled or waits for
 * a person.
 */
import type { FailureData } from "../machines/protocol.ts";
import type { CaseSummary, EventOutcome, Gate, Verdict } from "../machines/vocabulary.ts";
import type { JournalRecord } from "./record.ts";

/** One JSON line of `run --json`. */
export interface OutcomeLine {
  readonly type: "outcome";
  readonly line: number;
  readonly event: string | null;
  readonly rule: string | null;
  readonly gate: Gate;
  readonly score: number | null;
  readonly pValue: number | null;
  readonly case: string | null;
  readonly verdict: Verdict | null;
  readonly reasons: readonly string[];
  readonly techniques: readonly string[];
  readonly actions: readonly {
    readonly type: string;
    readonly target: string;
    readonly state: string;
  }[];
  readonly traceId: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export type LineRead =
  | { readonly line: number; readonly digest: string; readonly repeat: boolean }
  | { readonly line: number; readonly error: Pick<FailureData, "code" | "message"> };

/** States of a case in which nothing more happens without a person or a new event. */
const SETTLED = new Set(["closed", "escalated", "failed_to_human", "awaiting_human", "archived"]);

export function isSettled(summary: CaseSummary): boolean {
  return SETTLED.has(summary.state);
}

export class Fates {
  readonly #emit: (line: OutcomeLine) => void;
  #queue: LineRead[] = [];
  /** Only of lines in the queue and their cases: what else the runner commits is not kept here. */
  readonly #outcomes = new Map<string, EventOutcome | null>();
  readonly #cases = new Map<string, CaseSummary | null>();
  /** Events of a case seen at the gate: a summary that counts fewer does not know them all yet. */
  readonly #events = new Map<string, number>();

  constructor(emit: (line: OutcomeLine) => void) {
    this.#emit = emit;
  }

  /** Lines whose fate is not known yet. */
  get pending(): number {
    return this.#queue.length;
  }

  /** What the first line still lacks; asked of the store when the journal does not say it anew. */
  get lacking(): { readonly digest: string; readonly case: string | null } | null {
    const [first] = this.#queue;
    if (first === undefined || "error" in first) return null;
    return { digest: first.digest, case: this.#outcomes.get(first.digest)?.case ?? null };
  }

  read(lines: readonly LineRead[]): void {
    for (const line of lines) {
      this.#queue.push(line);
      if ("digest" in line && !this.#outcomes.has(line.digest))
        this.#outcomes.set(line.digest, null);
    }
    this.#release();
  }

  /** What was recorded before, of events and cases that lines wait for. */
  known(outcomes: readonly EventOutcome[], cases: readonly CaseSummary[]): void {
    for (const outcome of outcomes) this.#outcome(outcome);
    for (const summary of cases) {
      // Asked of the store, so whatever was on its way to the case has arrived, or was folded into a storm.
      this.#events.delete(summary.case);
      this.#case(summary);
    }
    this.#release();
  }

  observe(records: readonly JournalRecord[]): void {
    if (this.#queue.length === 0) return;
    for (const record of records) {
      if (record.r !== "turn") continue;
      for (const outcome of record.outcomes) {
        this.#outcome(outcome);
        if (outcome.case !== null) this.#events.set(outcome.case, this.#eventsOf(outcome.case) + 1);
      }
      if (record.summary) this.#case(record.summary);
    }
    this.#release();
  }

  #eventsOf(id: string): number {
    return this.#events.get(id) ?? 0;
  }

  #outcome(outcome: EventOutcome): void {
    if (!this.#outcomes.has(outcome.digest)) return;
    this.#outcomes.set(outcome.digest, outcome);
    if (outcome.case !== null && !this.#cases.has(outcome.case))
      this.#cases.set(outcome.case, null);
  }

  #case(summary: CaseSummary): void {
    if (this.#cases.has(summary.case)) this.#cases.set(summary.case, summary);
  }

  #release(): void {
    let released = 0;
    for (const read of this.#queue) {
      const line = this.#fateOf(read);
      if (line === null) break;
      released++;
      this.#emit(line);
    }
    if (released === 0) return;
    this.#queue = this.#queue.slice(released);
    if (this.#queue.length > 0) return;
    this.#outcomes.clear();
    this.#cases.clear();
    this.#events.clear();
  }

  #fateOf(read: LineRead): OutcomeLine | null {
    if ("error" in read) return rejected(read.line, read.error);
    const outcome = this.#outcomes.get(read.digest);
    if (!outcome) return null;
    if (read.repeat) return lineOf(read.line, { ...outcome, gate: "duplicate" }, null);
    if (outcome.case === null) return lineOf(read.line, outcome, null);
    const summary = this.#cases.get(outcome.case);
    if (!summary || !isSettled(summary) || summary.events < this.#eventsOf(summary.case))
      return null;
    return lineOf(read.line, outcome, summary);
  }
}

function lineOf(line: number, outcome: EventOutcome, summary: CaseSummary | null): OutcomeLine {
  return {
    type: "outcome",
    line,
    event: outcome.digest,
    rule: outcome.rule,
    gate: outcome.gate,
    score: outcome.score,
    pValue: outcome.pValue,
    case: outcome.case,
    verdict: summary?.verdict ?? null,
    reasons: summary?.reasons ?? [],
    techniques: summary?.techniques ?? [],
    actions: (summary?.actions ?? []).map(({ type, target, state }) => ({ type, target, state })),
    traceId: outcome.traceId,
    error: null,
  };
}

function rejected(
  line: number,
  { code, message }: Pick<FailureData, "code" | "message">,
): OutcomeLine {
  return {
    type: "outcome",
    line,
    event: null,
    rule: null,
    gate: "rejected",
    score: null,
    pValue: null,
    case: null,
    verdict: null,
    reasons: [],
    techniques: [],
    actions: [],
    traceId: null,
    error: { code, message },
  };
}
