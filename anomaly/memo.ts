/**
 * The boundary of: a pure function of text and the few texts that come over and over. What was seen
 * lately is remembered, a bounded number of short ones; the answer is the same with and without.
 */

const ENTRIES_MAX = 2_048;
const KEY_CHARS_MAX = 512;

export class Memo<T> {
  /** Two generations: when the young one is full, the old one is forgotten as a whole. */
  private young = new Map<string, T>();
  private old = new Map<string, T>();

  /** `key` says all that `compute` depends on. */
  of(key: string, compute: () => T): T {
    const known = this.young.get(key);
    if (known !== undefined) return known;
    if (key.length > KEY_CHARS_MAX) return compute();
    const value = this.old.get(key) ?? compute();
    if (this.young.size >= ENTRIES_MAX) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
    return value;
  }
}
