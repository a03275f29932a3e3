/**
 * The boundary of: what really happened, seen from outside the runtime: what the journals took and
 * from whom, what mailboxes and leases took, and what was done to the world. It never forgets, while
 * journals are trimmed. The checkers judge by it alone.
 */
import type { Envelope, Kind } from "../../machines/protocol.ts";
import type { CaseSummary } from "../../machines/vocabulary.ts";
import type { ActorRecord, JournalRecord } from "../../supervisor/record.ts";
import type { Position, Transport } from "../../transports/ports.ts";

export interface Entry {
  readonly shard: string;
  readonly position: Position;
  readonly record: JournalRecord;
  /** The process that sent it. */
  readonly by: string;
  /** World time, ms. */
  readonly at: number;
}

export interface Effect {
  readonly key: string;
  readonly callId: string;
  readonly kind: "act" | "revert";
  /** What was decided, in the decision's own id. */
  readonly decisionId: string | null;
  readonly target: string;
  readonly at: number;
}

/** A finished run, for the checkers. */
export interface Run {
  readonly ledger: Ledger;
  readonly transport: Transport;
  readonly shardCount: number;
  readonly kinds: readonly Kind[];
}

export class Ledger {
  readonly entries: Entry[] = [];
  readonly byShard = new Map<string, Entry[]>();
  /** Latest record of each actor. */
  readonly actors = new Map<string, ActorRecord>();
  readonly summaries = new Map<string, CaseSummary>();
  /** Sent, and not applied by their receiver. */
  readonly pending = new Map<string, Envelope>();
  /** Calls that are in a journal, since when. */
  readonly calls = new Map<string, number>();
  readonly effects: Effect[] = [];
  /** Verdicts that a policy gave, by decision id. */
  readonly verdicts = new Map<string, string>();
  /** Digests of accepted events. */
  readonly accepted = new Set<string>();
  /** Codes of the runners' alarms. */
  readonly alarms: string[] = [];
  /** Ids of envelopes that no machine can take. */
  readonly poisons = new Set<string>();
  /** Digest -> case it belongs to; null where none was opened. */
  readonly outcomes = new Map<string, string | null>();
  /** Violations that are seen when they happen. */
  readonly violations: string[] = [];
  readonly timeline: string[] = [];
  readonly #log: boolean;

  constructor(log: boolean) {
    this.#log = log;
  }

  violate(rule: string, what: string): void {
    if (this.violations.length < 20) this.violations.push(`${rule}: ${what}`);
  }

  note(at: number, who: string, what: () => string): void {
    if (this.#log) this.timeline.push(`${String(at).padStart(6)} ${who.padEnd(5)} ${what()}`);
  }

  append(at: number, by: string, shard: string, first: Position, texts: readonly string[]): void {
    const entries = this.byShard.get(shard) ?? [];
    this.byShard.set(shard, entries);
    for (const [index, text] of texts.entries()) {
      const record = JSON.parse(text) as JournalRecord;
      const entry = { shard, position: first + index, record, by, at };
      this.entries.push(entry);
      entries.push(entry);
      this.#absorb(entry);
      this.note(at, by, () => `${shard}#${entry.position} ${sketch(record)}`);
    }
  }

  #absorb({ shard, record, at }: Entry): void {
    if ("source" in record) {
      const { source } = record;
      const numbered = source.from === "mailbox" ? source.also : source;
      if (numbered && "seq" in numbered)
        this.pending.delete(`${numbered.shard}>${shard}#${numbered.seq}`);
    }
    if ("outbox" in record)
      for (const envelope of record.outbox) this.pending.set(envelope.id, envelope);
    if ("record" in record && record.record) this.actors.set(record.actor, record.record);
    if (record.r !== "turn") return;
    if (record.summary) this.summaries.set(record.summary.case, record.summary);
    for (const { id } of record.record.calls) if (!this.calls.has(id)) this.calls.set(id, at);
    for (const outcome of record.outcomes)
      if (outcome.gate !== "duplicate") this.outcomes.set(outcome.digest, outcome.case);
  }
}

function sketch(record: JournalRecord): string {
  if (record.r === "claim") return `claim by ${record.runner}`;
  if (record.r === "checkpoint")
    return `checkpoint to ${record.upTo}, ${record.unsettled.length} unsettled`;
  const sent = "outbox" in record ? record.outbox.map(({ id, type }) => `${type} ${id}`) : [];
  const head = `${record.r} ${record.actor}`;
  const event = "event" in record ? ` ${record.event}` : "";
  const state = record.r === "turn" ? ` ${record.was}->${record.is} t${record.record.turns}` : "";
  return `${head}${event}${sourceOf(record)}${state}${sent.length > 0 ? ` => ${sent.join(", ")}` : ""}`;
}

function sourceOf(record: JournalRecord): string {
  if (!("source" in record)) return "";
  const { source } = record;
  if (source.from === "shard") return ` (${source.shard}#${source.seq})`;
  if (source.from !== "mailbox") return "";
  const { first, last, also } = source;
  return ` (mail ${first}-${last}${also ? ` ${also.shard}#${also.seq}` : ""})`;
}
