/**
 * The boundary of: chance. A small seeded generator, so that equal seeds give equal models on every
 * machine; never for secrets.
 */

export interface SeededRandom {
  /** Uniform in [0, 1), 32 bits. */
  next(): number;
  /** Uniform integer in [0, n); n at most 2^32. */
  below(n: number): number;
}

/** Counter-based state of 128 bits, mixed by shifts and additions; any integer is a seed. */
export function seededRandom(seed: number): SeededRandom {
  let a = seed | 0;
  let b = Math.floor(seed / 0x1_0000_0000) | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const word = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  // A seed of few bits needs some rounds before every output bit depends on it.
  for (let round = 0; round < 16; round += 1) word();
  const next = (): number => word() / 0x1_0000_0000;
  return { next, below: (n) => Math.floor(next() * n) };
}
