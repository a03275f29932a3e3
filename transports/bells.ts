/**
 * The boundary of: the news that a mailbox has something to read. A publish of this process rings
 * at once; that of another is seen by looking at the last positions once a second.
 */
import type { Clock, Position, ShardId } from "./ports.ts";

const LOOK_INTERVAL_MS = 1_000;

interface Bell {
  readonly shard: ShardId;
  readonly ring: () => void;
  seen: Position;
}

export class Bells {
  readonly #clock: Clock;
  readonly #last: (shard: ShardId) => Position;
  readonly #bells = new Set<Bell>();
  #cancelLook: (() => void) | null = null;

  constructor(clock: Clock, last: (shard: ShardId) => Position) {
    this.#clock = clock;
    this.#last = last;
  }

  subscribe(shard: ShardId, ring: () => void): () => void {
    const bell: Bell = { shard, ring, seen: this.#last(shard) };
    this.#bells.add(bell);
    this.#arm();
    return () => {
      this.#bells.delete(bell);
      if (this.#bells.size === 0) this.close();
    };
  }

  /** Rings for a publish of this process. */
  published(shard: ShardId, last: Position): void {
    for (const bell of this.#bells) if (bell.shard === shard) strike(bell, last);
  }

  /** Stops looking; bells that were handed out stay silent from now on. */
  close(): void {
    this.#bells.clear();
    this.#cancelLook?.();
    this.#cancelLook = null;
  }

  #arm(): void {
    this.#cancelLook ??= this.#clock.after(LOOK_INTERVAL_MS, () => {
      this.#cancelLook = null;
      for (const bell of this.#bells) this.#look(bell);
      if (this.#bells.size > 0) this.#arm();
    });
  }

  #look(bell: Bell): void {
    try {
      const last = this.#last(bell.shard);
      if (last > bell.seen) strike(bell, last);
    } catch {
      // A timer has nobody to tell. Whoever is rung reads, and gets the failure with its name.
      bell.ring();
    }
  }
}

function strike(bell: Bell, last: Position): void {
  bell.seen = Math.max(bell.seen, last);
  bell.ring();
}
