/**
 * The boundary of: timers on the disk and timers in memory. A case may wait for days: its timer is an
 * entry of the state store's index until it is due soon, and only then in its shard's heap.
 */
import type { Clock } from "../transports/ports.ts";
import { LIMITS } from "./limits.ts";
import type { DueActor } from "./projection.ts";
import type { Timers } from "./timers.ts";

export interface LookAheadHost {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Timers due after `after` and up to `until`, those not written yet included. */
  between(after: number, until: number): Promise<readonly DueActor[]>;
  failed(error: unknown): void;
}

export class LookAhead {
  readonly #host: LookAheadHost;
  #broughtTo = Number.NEGATIVE_INFINITY;
  #cancelClock: (() => void) | null = null;
  #stopped = false;

  constructor(host: LookAheadHost) {
    this.#host = host;
  }

  /** From now on timers fire; those that passed while nobody looked, at once. */
  start(): void {
    this.#look().then(
      () => this.#arm(),
      (error: unknown) => this.#host.failed(error),
    );
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelClock?.();
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#cancelClock = this.#host.clock.after(LIMITS.timersAheadMs / 2, () => this.start());
  }

  async #look(): Promise<void> {
    const { clock, timers } = this.#host;
    const until = clock.now() + LIMITS.timersAheadMs;
    if (until <= this.#broughtTo) return;
    // First: what is armed from here on comes in by itself.
    timers.advance(until);
    for (const due of await this.#host.between(this.#broughtTo, until)) timers.add(due);
    this.#broughtTo = until;
  }
}
