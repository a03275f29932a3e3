/**
 * The boundary of: a shard and its mailbox. Reads ahead of the turns from a cursor, a bounded amount;
 * for an actor with a companion it makes one event of what it read, one batch at a time, so that the
 * companion is never further than one commit ahead of the journal.
 */
import type { ActorDefinition, Companion } from "../actors/define.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress, Envelope } from "../machines/protocol.ts";
import type { Clock, MailboxEntry, Position, Transport } from "../transports/ports.ts";
import { DROP_TYPE, RETRY_TYPE } from "./apply.ts";
import type { Item } from "./item.ts";
import { LIMITS } from "./limits.ts";
import type { Source } from "./record.ts";
import type { ShardState } from "./state.ts";

export interface InletHost {
  readonly transport: Transport;
  readonly clock: Clock;
  congested(): boolean;
  alarm(error: WatchfloorError): void;
  /** The mailbox or the store cannot be read. */
  failed(error: unknown): void;
}

const POSITION_BYTES = 8;

/** A person's word about a dead letter is for the actor, not for its companion. */
function isResolution(entry: MailboxEntry): boolean {
  const type = entry.envelope?.type;
  return type === RETRY_TYPE || type === DROP_TYPE;
}

/** The first entries that go one way together: events, or resolutions. */
function alike(entries: readonly MailboxEntry[]): readonly MailboxEntry[] {
  const end = entries.findIndex((entry) => isResolution(entry) !== isResolution(entries[0]!));
  return end < 0 ? entries : entries.slice(0, end);
}

interface ReadableEntry {
  readonly position: Position;
  /** Of what this entry stands for in the marks: itself, and nothing before it. */
  readonly first: Position;
  readonly envelope: Envelope;
}

export class Inlet {
  readonly #state: ShardState;
  readonly #definition: ActorDefinition;
  readonly #host: InletHost;
  readonly #take: (items: readonly Item[]) => void;
  readonly #companion: Companion | null;
  #cursor: Position = 0;
  /** Items handed on whose turn is not committed. */
  #outstanding = 0;
  /** The companion knows events whose turn is not committed: it must not be kept as it is. */
  #ahead = false;
  #reading = false;
  #again = false;
  #open = false;
  #unsubscribe: () => void = () => {};
  #checkpointed: { position: Position; at: number } = { position: 0, at: 0 };
  /** Events the companion took since its checkpoint. */
  #grown = 0;

  constructor(
    state: ShardState,
    definition: ActorDefinition,
    host: InletHost,
    take: (items: readonly Item[]) => void,
  ) {
    this.#state = state;
    this.#definition = definition;
    this.#host = host;
    this.#take = take;
    this.#companion = definition.companion?.(state.shard) ?? null;
  }

  get busy(): boolean {
    return this.#reading || this.#outstanding > 0;
  }

  /** Brings the companion to where the journal is. */
  async open(): Promise<void> {
    this.#cursor = this.#state.mailboxMark;
    if (!this.#companion) return;
    const blob = await this.#host.transport.store.getBlob(this.#blobKey());
    const position = blob ? Number(Buffer.from(blob).readBigUInt64BE(0)) : 0;
    this.#companion.restore(blob ? blob.subarray(POSITION_BYTES) : null);
    this.#checkpointed = { position, at: this.#host.clock.steady() };
    let from = position;
    while (from < this.#cursor) {
      const limit = Math.min(LIMITS.mailboxReadMax, this.#cursor - from);
      const found = await this.#host.transport.mailbox.read(this.#state.shard, from, limit);
      const entries = found.filter(({ position }) => position <= this.#cursor);
      if (entries.length === 0) break;
      const events = entries.flatMap((entry) =>
        isResolution(entry) ? [] : (entry.envelope ?? []),
      );
      this.#companion.apply(
        events,
        events.map(() => false),
      );
      this.#grown += events.length;
      from = entries.at(-1)!.position;
    }
  }

  begin(): void {
    this.#open = true;
    this.#unsubscribe = this.#host.transport.mailbox.subscribe(this.#state.shard, () =>
      this.ring(),
    );
    this.ring();
  }

  stop(): void {
    this.#open = false;
    this.#unsubscribe();
  }

  ring(): void {
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    void this.#read()
      .catch((error: unknown) => this.#host.failed(error))
      .finally(() => {
        this.#reading = false;
        if (!this.#again) return;
        this.#again = false;
        this.ring();
      });
  }

  /** A turn on something of this mailbox is committed. */
  committed(): void {
    this.#outstanding--;
    if (this.#outstanding > 0) return;
    this.#ahead = false;
    this.ring();
  }

  async #read(): Promise<void> {
    while (this.#open && this.#mayRead()) {
      const limit = this.#definition.batchMax ?? LIMITS.mailboxReadMax;
      const entries = await this.#host.transport.mailbox.read(
        this.#state.shard,
        this.#cursor,
        limit,
      );
      if (entries.length === 0 || !this.#open) return;
      const taken = this.#companion ? alike(entries) : entries;
      const events = this.#companion !== null && !isResolution(taken[0]!);
      const items = events
        ? await this.#batch(this.#companion, taken, this.#cursor + 1)
        : this.#singles(taken, this.#cursor + 1);
      this.#cursor = taken.at(-1)!.position;
      this.#outstanding += items.length;
      this.#take(items);
    }
  }

  #mayRead(): boolean {
    if (this.#companion) return this.#outstanding === 0 && !this.#host.congested();
    return this.#outstanding < LIMITS.mailboxReadMax;
  }

  /**
   * Says what is left out. It counts as applied, or everything behind it would wait for it.
   * @param from follows what was read before: positions in between hold nothing.
   */
  #readable(entries: readonly MailboxEntry[], from: Position): ReadableEntry[] {
    const { shard } = this.#state;
    return entries.flatMap(({ position, envelope }, index) => {
      const first = (entries[index - 1]?.position ?? from - 1) + 1;
      if (envelope !== null) return [{ position, first, envelope }];
      this.#host.alarm(new WatchfloorError("mailbox_unreadable", { shard, position }));
      this.#state.markApplied({ from: "mailbox", first, last: position });
      return [];
    });
  }

  #singles(entries: readonly MailboxEntry[], from: Position): Item[] {
    return this.#readable(entries, from)
      .filter((entry) => !this.#state.mailboxApplied(entry.position))
      .map(({ position, first, envelope }) => {
        const also =
          envelope.shard === null
            ? {}
            : { also: { shard: envelope.shard, seq: envelope.seq ?? 0 } };
        const source: Source = { from: "mailbox", first, last: position, ...also };
        return { actor: envelope.to, source, input: { input: "envelope", envelope }, attempts: 0 };
      });
  }

  async #batch(
    companion: Companion,
    entries: readonly MailboxEntry[],
    first: Position,
  ): Promise<Item[]> {
    const events = this.#readable(entries, first).map((entry) => entry.envelope);
    if (events.length === 0) return [];
    const digests = events.map((event) => event.id);
    const stored = await this.#host.transport.store.getMany("outcomes", digests);
    const known = digests.map(
      (digest, index) => stored[index] != null || this.#state.pendingOutcome(digest),
    );
    this.#ahead = true;
    const data = companion.apply(events, known);
    this.#grown += entries.length;
    const kept = companion
      .keep()
      .map(({ key, value }) => ({ table: "evidence" as const, key, value }));
    if (kept.length > 0) await this.#host.transport.store.write(kept);
    const last = entries.at(-1)!.position;
    const actor = `${this.#definition.kind}/${this.#state.shard.split(".")[1]}` as ActorAddress;
    const envelope = {
      id: `${this.#state.shard}@${entries[0]!.position}-${last}`,
      from: "edge/source",
      to: actor,
      type: "batch",
      data,
      traceparent: events[0]!.traceparent,
      case: null,
      cause: null,
      replyTo: null,
      shard: null,
      seq: null,
    } as const;
    return [
      {
        actor,
        source: { from: "mailbox", first, last },
        input: { input: "envelope", envelope },
        attempts: 0,
      },
    ];
  }

  #blobKey(): string {
    return `companion/${this.#state.shard}`;
  }

  /** The companion's state, when it stands exactly where the journal does and is due; else null. */
  takeCheckpoint(force: boolean): { key: string; bytes: Uint8Array; position: Position } | null {
    if (!this.#companion || this.#ahead || this.#outstanding > 0) return null;
    const position = this.#state.mailboxMark;
    const age = this.#host.clock.steady() - this.#checkpointed.at;
    const due =
      this.#grown >= LIMITS.companionEnvelopesMax || age >= LIMITS.companionAfterMs || force;
    if (this.#grown === 0 || !due) return null;
    this.#grown = 0;
    const head = Buffer.alloc(POSITION_BYTES);
    head.writeBigUInt64BE(BigInt(position));
    return {
      key: this.#blobKey(),
      bytes: Buffer.concat([head, this.#companion.checkpoint()]),
      position,
    };
  }

  checkpointed(position: Position): void {
    this.#checkpointed = { position, at: this.#host.clock.steady() };
  }

  /** Up to here the mailbox is needed by nobody. */
  get trimmable(): Position {
    return this.#companion ? this.#checkpointed.position : this.#state.mailboxMark;
  }
}
