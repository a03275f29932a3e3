/**
 * The boundary of: text and the tables that count it. Keys are seeded hashes in two lanes of 32
 * bits; without the seed nobody can choose names that collide with a routine one.
 */

/** Longer text is told apart by its head, its length and nothing else. */
const CHARS_MAX = 256;

/** A running hash. One instance is reused for every key: nothing is allocated in the hot path. */
export class Hasher {
  private readonly seed: number;
  /** The two lanes, unsigned, after `end`. */
  a = 0;
  b = 0;

  constructor(seed: number) {
    this.seed = seed | 0;
  }

  /** Begins a key of one kind; keys of different kinds never meet. */
  start(kind: number): this {
    this.a = Math.imul(this.seed ^ kind, 0x85ebca6b) ^ 0x2545f491;
    this.b = Math.imul(this.seed + kind, 0xc2b2ae35) ^ 0x7f4a7c15;
    return this;
  }

  /** Goes on from the lanes of an earlier key. */
  from(a: number, b: number, kind: number): this {
    this.a = a ^ kind;
    this.b = Math.imul(b ^ kind, 0x27d4eb2f);
    return this;
  }

  text(text: string): this {
    const length = Math.min(text.length, CHARS_MAX);
    let { a, b } = this;
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i);
      a = Math.imul(a ^ code, 0x9e3779b1);
      b = Math.imul(b ^ code, 0x5f356495);
    }
    // The length also parts neighbouring texts: "ab" + "c" is not "a" + "bc".
    this.a = Math.imul(a ^ text.length ^ 0x10000, 0x9e3779b1);
    this.b = Math.imul(b ^ text.length ^ 0x20000, 0x5f356495);
    return this;
  }

  end(): this {
    let { a, b } = this;
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
    b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
    this.a = (a ^ (a >>> 16)) >>> 0;
    this.b = (b ^ (b >>> 15)) >>> 0;
    return this;
  }

  /** Both lanes in one number below 2^52, for a table key. */
  key(): number {
    return (this.a & 0xfffff) * 0x1_0000_0000 + this.b;
  }
}
