/**
 * The boundary of: chance in tests. The same seed gives the same numbers, on every machine.
 */
import type { Random } from "../../transports/ports.ts";

/** Uniform in [0, 1): a 32-bit Weyl sequence, each step mixed by multiply and shift. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** Uniform among the whole numbers from `min` to `max`, both included. */
export function wholeBetween(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}
