/**
 * The boundary of: real time and real chance. The one file that reads either; everything else is
 * given a Clock and a Random.
 */
import { randomFillSync } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Clock, Random } from "./ports.ts";

/** The longest delay one timer of Node takes; a longer one would fire at once. */
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

/**
 * A timer this long waits for a person, not for work: it must not keep a process alive that has
 * nothing else to do, and it is due again after the next start.
 */
const HOLDING_DELAY_MS_MAX = 60 * 60 * 1000;

function after(delayMs: number, fire: () => void): () => void {
  // A delay that is not a number must not become a tight loop nor an endless wait: it is due now.
  let leftMs = delayMs > 0 ? delayMs : 0;
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const legMs = Math.min(leftMs, TIMER_DELAY_MS_MAX);
    leftMs -= legMs;
    timer = setTimeout(leftMs > 0 ? arm : fire, legMs);
    if (leftMs + legMs > HOLDING_DELAY_MS_MAX) timer.unref();
  };
  arm();
  return () => clearTimeout(timer);
}

export const systemClock: Clock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  after,
};

const POOL_WORDS = 1024;
const pool = new Uint32Array(POOL_WORDS);
let cursor = POOL_WORDS;

/** 53 bits of the operating system's randomness, drawn in pools: one system call for 512 numbers. */
export const systemRandom: Random = () => {
  if (cursor >= POOL_WORDS) {
    randomFillSync(pool);
    cursor = 0;
  }
  const high = (pool[cursor] ?? 0) >>> 5;
  const low = (pool[cursor + 1] ?? 0) >>> 6;
  cursor += 2;
  return (high * 2 ** 26 + low) / 2 ** 53;
};
