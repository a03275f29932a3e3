/**
 * The boundary of: what a shard's owner holds in memory. Everything here is rebuilt from the journal
 * and the store; nothing here is true before it was appended.
 */
import type { AnyMachineSnapshot } from "xstate";
import type { ActorAddress, Envelope } from "../machines/protocol.ts";
import type { Put } from "../transports/ports.ts";
import { LIMITS } from "./limits.ts";
import { Marks } from "./marks.ts";
import { actorPuts, factPuts, type DueActor } from "./projection.ts";
import type { ActorRecord, CheckpointRecord, JournalRecord, Source } from "./record.ts";

export interface Resident {
  record: ActorRecord;
  /** JSON of the record, from its turn until the store has it. */
  text: string | null;
  /** Restored on first use. */
  snapshot: AnyMachineSnapshot | null;
  /** As the store has it, and as its index entries say; null where the store has none. */
  stored: ActorRecord | null;
  /** Time of its last turn; 0 since it was loaded. */
  touchedAt: number;
}

/** What a turn leaves in memory, so that it need not be made again from the record. */
interface Live {
  readonly snapshot: AnyMachineSnapshot;
  readonly text: string;
}

/** Sender of everything that came by the mailbox. */
const MAILBOX = "mailbox";

export class ShardState {
  readonly shard: string;
  /** Least recently used first. */
  readonly residents = new Map<ActorAddress, Resident>();
  readonly unsettled = new Map<string, Envelope>();
  marks = new Marks();
  sent: Record<string, number> = {};
  /** Residents whose record the store does not hold yet. */
  #changed = new Set<ActorAddress>();
  /** Other entries that the store does not hold yet, newest for each key. */
  #facts = new Map<string, Put>();
  /** Both, on their way into the store. */
  #writing: { readonly changed: ReadonlySet<ActorAddress>; readonly facts: Map<string, Put> } = {
    changed: new Set(),
    facts: new Map(),
  };
  /** They take no turn any more, and leave memory as soon as the store has them. */
  readonly #ended = new Set<ActorAddress>();

  constructor(shard: string) {
    this.shard = shard;
  }

  get behind(): number {
    return this.#facts.size + this.#changed.size;
  }

  takeBehind(): Put[] {
    const [changed, facts] = [this.#changed, this.#facts];
    this.#writing = { changed, facts };
    this.#changed = new Set();
    this.#facts = new Map();
    const puts = [...facts.values()];
    for (const actor of changed) {
      const resident = this.residents.get(actor)!;
      puts.push(...actorPuts(this.shard, actor, resident.record, resident.stored, resident.text));
      resident.stored = resident.record;
      resident.text = null;
    }
    return puts;
  }

  written(): void {
    this.#writing = { changed: new Set(), facts: new Map() };
  }

  /** The outcome of this event is appended and not yet in the store. */
  pendingOutcome(digest: string): boolean {
    const key = `outcomes\n${digest}`;
    return this.#facts.has(key) || this.#writing.facts.has(key);
  }

  /** Timers due after `after` and up to `until` that the store's index may not show yet. */
  pendingTimers(after: number, until: number): DueActor[] {
    const pending = [...this.#changed, ...this.#writing.changed];
    return pending.flatMap((actor) =>
      (this.residents.get(actor)?.record.timers ?? [])
        .filter(({ dueAt }) => dueAt > after && dueAt <= until)
        .map(({ dueAt }) => ({ actor, dueAt })),
    );
  }

  /** A cold actor as the store has it. */
  loaded(actor: ActorAddress, stored: ActorRecord, record = stored): void {
    this.residents.set(actor, { record, text: null, snapshot: null, stored, touchedAt: 0 });
  }

  /** Takes over what an appended record says, in the order of the journal. */
  absorb(record: JournalRecord, live: Live | null = null): void {
    for (const put of factPuts(record)) this.#facts.set(`${put.table}\n${put.key}`, put);
    if ("record" in record && record.record)
      this.#hold(record.actor, record.record, record.at, live);
    if ("source" in record) this.markApplied(record.source);
    if ("outbox" in record) for (const envelope of record.outbox) this.#absorbSent(envelope);
  }

  #hold(actor: ActorAddress, record: ActorRecord, at: number, live: Live | null): void {
    const stored = this.residents.get(actor)?.stored ?? null;
    const { snapshot = null, text = null } = live ?? {};
    // Taken out first: what is put in is the most recently used.
    this.residents.delete(actor);
    this.residents.set(actor, { record, text, snapshot, stored, touchedAt: at });
    this.#changed.add(actor);
    if (record.snapshot?.status === "done") this.#ended.add(actor);
  }

  /** Ended actors leave memory, then those idle for long, then the surplus: the store has them. */
  passivate(now: number, awaited: ReadonlySet<ActorAddress>): void {
    for (const actor of this.#ended) if (this.#leave(actor, awaited)) this.#ended.delete(actor);
    for (const [actor, { touchedAt }] of this.residents) {
      const surplus = this.residents.size > LIMITS.residentsMax;
      if (!surplus && now - touchedAt < LIMITS.passivateAfterMs) return;
      this.#leave(actor, awaited);
    }
  }

  #leave(actor: ActorAddress, awaited: ReadonlySet<ActorAddress>): boolean {
    const stored = !this.#changed.has(actor) && !this.#writing.changed.has(actor);
    if (!stored || awaited.has(actor)) return false;
    this.residents.delete(actor);
    return true;
  }

  #absorbSent(envelope: Envelope): void {
    this.unsettled.set(envelope.id, envelope);
    const receiver = receiverOf(envelope);
    this.sent[receiver] = Math.max(this.sent[receiver] ?? 0, envelope.seq ?? 0);
  }

  restoreCheckpoint(checkpoint: CheckpointRecord): void {
    this.marks = Marks.from(checkpoint.marks);
    this.sent = { ...checkpoint.sent };
    for (const envelope of checkpoint.unsettled) this.unsettled.set(envelope.id, envelope);
  }

  checkpoint(at: number, upTo: number): CheckpointRecord {
    return {
      r: "checkpoint",
      at,
      upTo,
      marks: this.marks.toJSON(),
      sent: { ...this.sent },
      unsettled: [...this.unsettled.values()],
    };
  }

  wasApplied(source: Source): boolean {
    if (source.from === "shard") return this.marks.applied(source.shard, source.seq);
    if (source.from !== "mailbox") return false;
    return source.also ? this.marks.applied(source.also.shard, source.also.seq) : false;
  }

  markApplied(source: Source): void {
    if (source.from === "shard") this.marks.apply(source.shard, source.seq);
    if (source.from !== "mailbox") return;
    this.marks.apply(MAILBOX, source.first, source.last);
    if (source.also) this.marks.apply(source.also.shard, source.also.seq);
  }

  get mailboxMark(): number {
    return this.marks.mark(MAILBOX);
  }

  mailboxApplied(position: number): boolean {
    return this.marks.applied(MAILBOX, position);
  }
}

/** The receiving shard is in the envelope's id: `<sender>><receiver>#<seq>`. */
export function envelopeId(sender: string, receiver: string, seq: number): string {
  return `${sender}>${receiver}#${seq}`;
}

export function receiverOf(envelope: Envelope): string {
  return envelope.id.slice(envelope.id.indexOf(">") + 1, envelope.id.lastIndexOf("#"));
}
