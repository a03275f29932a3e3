/**
 * The boundary of: journal and store, in time. Writes behind what was appended, then appends a
 * checkpoint, then trims: in this order, so that a crash between any two loses nothing.
 */
import type { ActorAddress } from "../machines/protocol.ts";
import type { Clock, Owner, Position, Transport } from "../transports/ports.ts";
import type { Inlet } from "./inlet.ts";
import { LIMITS } from "./limits.ts";
import type { CheckpointRecord, JournalRecord } from "./record.ts";
import type { ShardState } from "./state.ts";

export interface FlushHost {
  readonly transport: Transport;
  readonly clock: Clock;
  /** What was to be written cannot be: the shard must be opened anew. */
  failed(error: unknown): void;
}

export interface FlushShard {
  owner(): Owner;
  last(): Position;
  append(record: JournalRecord): Promise<Position>;
  /** Nothing is applied that is not appended. */
  between(): boolean;
  /** Actors with inputs that wait in memory. */
  awaited(): ReadonlySet<ActorAddress>;
}

export class Flusher {
  readonly #state: ShardState;
  readonly #inlet: Inlet;
  readonly #host: FlushHost;
  readonly #shard: FlushShard;
  #records = 0;
  #due = false;
  #flushing: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  #cancelIdle: (() => void) | null = null;
  #mailboxTrimmed: Position = 0;
  /** Who waits for the next moment to capture. */
  readonly #waiting: (() => void)[] = [];
  #ended = false;

  constructor(state: ShardState, inlet: Inlet, host: FlushHost, shard: FlushShard) {
    this.#state = state;
    this.#inlet = inlet;
    this.#host = host;
    this.#shard = shard;
  }

  /** Called straight after an append, when memory and journal say the same: the moment to capture. */
  committed(records: number): void {
    this.#records += records;
    const waiting = this.#waiting.splice(0);
    if (waiting.length > 0) this.#begin(true);
    for (const resume of waiting) resume();
    if (!this.#isBehind) return;
    if (this.#due || this.#records >= LIMITS.flushRecordsMax) this.#begin(false);
    else this.#arm();
  }

  /** Writes everything that is appended by now. */
  async flushAll(): Promise<void> {
    this.#disarm();
    await this.#flushing;
    if (this.#ended) return;
    if (this.#shard.between()) this.#begin(true);
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await this.#flushing;
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** Writes no more: the shard is another's. Who waits for a flush is let go. */
  end(): void {
    this.#ended = true;
    this.#disarm();
    this.#cancelIdle?.();
    for (const resume of this.#waiting.splice(0)) resume();
  }

  #arm(): void {
    this.#cancelTimer ??= this.#host.clock.after(LIMITS.flushAfterMs, () => {
      this.#cancelTimer = null;
      if (this.#shard.between()) this.#begin(false);
      else this.#due = true;
    });
  }

  /** A record may leave nothing but a mark: it is checkpointed as well, or the journal would only grow. */
  get #isBehind(): boolean {
    return this.#state.behind > 0 || this.#records > 0;
  }

  #begin(force: boolean): void {
    if (this.#flushing || this.#ended) return;
    this.#disarm();
    this.#due = false;
    const companion = this.#inlet.takeCheckpoint(force);
    if (!this.#isBehind && !companion) return;
    this.#records = 0;
    const upTo = this.#shard.last();
    const checkpoint = this.#state.checkpoint(this.#host.clock.now(), upTo);
    this.#flushing = this.#flush(checkpoint, companion)
      .catch((error: unknown) => this.#host.failed(error))
      .finally(() => {
        this.#flushing = null;
        if (this.#isBehind && !this.#ended) this.#arm();
      });
  }

  async #flush(
    checkpoint: CheckpointRecord,
    companion: { key: string; bytes: Uint8Array; position: Position } | null,
  ): Promise<void> {
    const { journal, mailbox, store } = this.#host.transport;
    const puts = this.#state.takeBehind();
    const owner = this.#shard.owner();
    if (companion) await store.putBlob(companion.key, companion.bytes, owner);
    await store.write(puts, owner);
    this.#state.written();
    if (companion) this.#inlet.checkpointed(companion.position);
    await this.#shard.append(checkpoint);
    await journal.trim(this.#state.shard, checkpoint.upTo + 1);
    const trimmable = Math.min(this.#inlet.trimmable, checkpoint.marks["mailbox"]?.mark ?? 0);
    if (trimmable > this.#mailboxTrimmed) {
      await mailbox.trim(this.#state.shard, trimmable);
      this.#mailboxTrimmed = trimmable;
    }
    this.#passivate();
  }

  /** Looks again while anybody is in memory: idleness makes no append that would call for it. */
  #passivate(): void {
    const { clock } = this.#host;
    this.#state.passivate(clock.now(), this.#shard.awaited());
    if (this.#state.residents.size === 0 || this.#ended) return;
    this.#cancelIdle ??= clock.after(LIMITS.passivateAfterMs, () => {
      this.#cancelIdle = null;
      this.#passivate();
    });
  }
}
