/**
 * The boundary of: effects and how many there were lately. Counts what this runner was allowed to
 * perform, by class, over an hour that slides.
 */
import type { ActionClass } from "../machines/vocabulary.ts";

const HOUR_MS = 3_600_000;
/** More than any limit needs: what is beyond it counts as reached. */
const KEPT_MAX = 100_000;

export class RateWindow {
  readonly #at = new Map<ActionClass, number[]>();

  /** @param at wall clock, ms */
  add(actionClass: ActionClass, at: number): void {
    const times = this.#at.get(actionClass) ?? [];
    times.push(at);
    if (times.length > KEPT_MAX) times.shift();
    this.#at.set(actionClass, times);
  }

  /** Effects after an hour before `at`; one from the future counts, too. */
  count(actionClass: ActionClass, at: number): number {
    const times = (this.#at.get(actionClass) ?? []).filter((time) => time > at - HOUR_MS);
    this.#at.set(actionClass, times);
    return times.length;
  }
}
