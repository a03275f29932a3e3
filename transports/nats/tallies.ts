/**
 * The boundary of: a mailbox's depth and whoever asks for it with every event. What lies there is
 * counted once; from then on what this process publishes, and what others ring for, is added.
 */
import type { ShardId } from "../ports.ts";
import type { Message } from "./server.ts";

interface Pack {
  readonly seq: number;
  readonly count: number;
}

/** Above this it is worth a look which of them were trimmed by another process. */
const UNSURE_OVER = 10_000;

type Next = (from: number) => Promise<Message | null>;

export class Tallies {
  /** Messages by sequence, oldest first. */
  readonly #packs = new Map<ShardId, Pack[]>();
  readonly #opened = new Map<ShardId, Promise<void>>();

  /** Counts what is there, the first time only. `listen` begins to tell what is added. */
  open(
    shard: ShardId,
    next: Next,
    listen: (heard: (seq: number, count: number) => void) => void,
  ): Promise<void> {
    const opened = this.#opened.get(shard) ?? this.#count(shard, next, listen);
    this.#opened.set(shard, opened);
    opened.catch(() => this.#opened.delete(shard));
    return opened;
  }

  /** A message was stored; nothing for a shard whose depth nobody asked for. */
  heard(shard: ShardId, seq: number, count: number): void {
    const packs = this.#packs.get(shard);
    if (!packs) return;
    const at = packs.findLastIndex((pack) => pack.seq <= seq);
    if (packs[at]?.seq !== seq) packs.splice(at + 1, 0, { seq, count });
  }

  countAt(shard: ShardId, seq: number): number | null {
    return this.#packs.get(shard)?.find((pack) => pack.seq === seq)?.count ?? null;
  }

  /** Envelopes after the one at `place` of message `seq`. */
  async after(shard: ShardId, seq: number, place: number, next: Next): Promise<number> {
    const depth = this.#sum(shard, seq, place);
    if (depth <= UNSURE_OVER) return depth;
    const first = await next(1);
    this.forget(shard, first?.seq ?? Infinity);
    return this.#sum(shard, seq, place);
  }

  forget(shard: ShardId, below: number): void {
    const packs = this.#packs.get(shard);
    if (!packs) return;
    const kept = packs.findIndex((pack) => pack.seq >= below);
    packs.splice(0, kept < 0 ? packs.length : kept);
  }

  #sum(shard: ShardId, seq: number, place: number): number {
    let depth = 0;
    for (const pack of this.#packs.get(shard) ?? []) {
      if (pack.seq > seq) depth += pack.count;
      else if (pack.seq === seq) depth += Math.max(0, pack.count - place - 1);
    }
    return depth;
  }

  async #count(
    shard: ShardId,
    next: Next,
    listen: (heard: (seq: number, count: number) => void) => void,
  ): Promise<void> {
    this.#packs.set(shard, []);
    listen((seq, count) => this.heard(shard, seq, count));
    for (let from = 1; ;) {
      const message = await next(from);
      if (message === null) return;
      this.heard(shard, message.seq, Number(message.headers["Watchfloor-Count"] ?? 1));
      from = message.seq + 1;
    }
  }
}
