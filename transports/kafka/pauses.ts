/**
 * The boundary of: waiting and being told to stop waiting. Nothing is left behind by a wait that is
 * over, neither a timer nor a promise that others still hold.
 */
import type { Clock } from "../ports.ts";

export class Pauses {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #ended = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves after `ms`, or at once when all is over. */
  wait(ms: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#waiting.delete(wake);
        resolve();
      };
      const cancel = this.#clock.after(ms, wake);
      this.#waiting.add(wake);
    });
  }

  /** Ends every wait, and all to come. */
  end(): void {
    this.#ended = true;
    for (const wake of this.#waiting) wake();
  }
}
