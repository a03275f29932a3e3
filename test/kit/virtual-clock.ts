/**
 * The boundary of: time in tests. A clock that moves only when told, and fires what came due in
 * order; between two timers everything that only waits for promises gets to run.
 */
import type { Clock } from "../../transports/ports.ts";

export interface VirtualClock extends Clock {
  /** Moves on by `ms`, firing on the way what comes due. */
  advance(ms: number): Promise<void>;
  /** Moves to the next timer and fires it; false when there is none. */
  runNext(): Promise<boolean>;
  /** Timers that were set and neither fired nor cancelled. */
  readonly pending: number;
}

interface Timer {
  readonly dueAt: number;
  readonly order: number;
  readonly fire: () => void;
}

/** 2026-01-05T00:00:00Z, a Monday. */
const START_MS = 1_767_571_200_000;

export function virtualClock(startMs: number = START_MS): VirtualClock {
  const timers = new Set<Timer>();
  let elapsedMs = 0;
  let orders = 0;

  function next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of timers) {
      if (first === undefined || isBefore(timer, first)) first = timer;
    }
    return first;
  }

  async function fire(timer: Timer): Promise<void> {
    timers.delete(timer);
    elapsedMs = Math.max(elapsedMs, timer.dueAt);
    timer.fire();
    await settled();
  }

  return {
    now: () => startMs + elapsedMs,
    steady: () => elapsedMs,
    after(delayMs, work) {
      orders += 1;
      const timer = { dueAt: elapsedMs + Math.max(0, delayMs), order: orders, fire: work };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const until = elapsedMs + ms;
      await settled();
      for (let timer = next(); timer !== undefined && timer.dueAt <= until; timer = next()) {
        await fire(timer);
      }
      elapsedMs = until;
    },
    async runNext() {
      await settled();
      const timer = next();
      if (timer !== undefined) await fire(timer);
      return timer !== undefined;
    },
    get pending() {
      return timers.size;
    },
  };
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order);
}

/** Resolves when every promise that waits for nothing outside has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
