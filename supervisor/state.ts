/**
 * The boundary of: what a shard's owner holds in memory. Everything here is rebuilt from the journal
 * and the store; nothing here is true before it was appended.
 */
import type { AnyMachineSnapshot } from "xstate";
import type { ActorAddress, Envelope } from "../machines/protocol.ts";
import type { Put } from "../transports/ports.ts";
import { Marks } from "./marks.ts";
import { project } from "./projection.ts";
import type { ActorRecord, CheckpointRecord, JournalRecord, Source } from "./record.ts";

export interface Resident {
  record: ActorRecord;
  /** Restored on first use. */
  snapshot: AnyMachineSnapshot | null;
}

/** Sender of everything that came by the mailbox. */
const MAILBOX = "mailbox";

export class ShardState {
  readonly shard: string;
  readonly residents = new Map<ActorAddress, Resident>();
  readonly unsettled = new Map<string, Envelope>();
  marks = new Marks();
  sent: Record<string, number> = {};
  /** Entries the store does not hold yet, newest for each key. */
  #behind = new Map<string, Put>();
  /** Entries on their way into the store. */
  #writing = new Map<string, Put>();
  /** Actor records as the store (with `#behind`) indexes them. */
  readonly #indexed = new Map<ActorAddress, ActorRecord | null>();

  constructor(shard: string) {
    this.shard = shard;
  }

  get behind(): number {
    return this.#behind.size;
  }

  takeBehind(): Put[] {
    this.#writing = this.#behind;
    this.#behind = new Map();
    return [...this.#writing.values()];
  }

  written(): void {
    this.#writing = new Map();
  }

  /** The outcome of this event is appended and not yet in the store. */
  pendingOutcome(digest: string): boolean {
    const key = `outcomes\n${digest}`;
    return this.#behind.has(key) || this.#writing.has(key);
  }

  /** What an actor's cold record said when it was loaded: its index entries. */
  loaded(actor: ActorAddress, record: ActorRecord | null): void {
    this.#indexed.set(actor, record);
  }

  forget(actor: ActorAddress): void {
    this.residents.delete(actor);
    this.#indexed.delete(actor);
  }

  /** Takes over what an appended record says, in the order of the journal. */
  absorb(record: JournalRecord): void {
    if ("actor" in record) {
      const before = this.#indexed.get(record.actor) ?? null;
      for (const put of project(this.shard, record, before))
        this.#behind.set(`${put.table}\n${put.key}`, put);
      if ("record" in record && record.record) this.#indexed.set(record.actor, record.record);
    }
    if ("source" in record) this.markApplied(record.source);
    if ("outbox" in record) for (const envelope of record.outbox) this.#absorbSent(envelope);
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
