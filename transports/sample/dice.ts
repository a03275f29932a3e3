/**
 * The boundary of: chance in the sample. The same seed makes the same day on every machine, and
 * each part of the day throws its own dice, so that one part does not move another.
 */

export interface Dice {
  /** Uniform in [0, 1). */
  next(): number;
  /** A whole number in [low, high]. */
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
}

/** `part` names what the dice are for; equal seeds and parts throw equal numbers. */
export function createDice(seed: number, part: string): Dice {
  let state = seedOf(seed, part);
  // Mulberry32: small, quick, and good enough to lay out a day. Nothing secret is made of it.
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (items) => {
      const item = items[Math.floor(next() * items.length)];
      if (item === undefined) throw new RangeError("nothing to pick from");
      return item;
    },
  };
}

function seedOf(seed: number, part: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${seed}/${part}`)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}
