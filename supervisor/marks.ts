/**
 * The boundary of: once. A receiving shard keeps, for each sender, the mark up to which everything
 * was applied, and the few ranges applied beyond it while an actor in between was held back.
 *
 * Numbers need not be dense: whoever applies one names the range up to it that holds nothing else.
 */
import type { Mark } from "./record.ts";

interface Entry {
  mark: number;
  /** Last of each range by its first. */
  readonly ahead: Map<number, number>;
  /** Some range held more than one number. */
  wide: boolean;
}

export class Marks {
  readonly #marks = new Map<string, Entry>();

  static from(stored: Readonly<Record<string, Mark>>): Marks {
    const marks = new Marks();
    for (const [sender, { mark, ahead }] of Object.entries(stored)) {
      const ranges = ahead.map((range) =>
        typeof range === "number" ? ([range, range] as const) : range,
      );
      const wide = ranges.some(([first, last]) => last > first);
      marks.#marks.set(sender, { mark, ahead: new Map(ranges), wide });
    }
    return marks;
  }

  applied(sender: string, seq: number): boolean {
    const entry = this.#marks.get(sender);
    if (entry === undefined) return false;
    if (seq <= entry.mark || entry.ahead.has(seq)) return true;
    if (!entry.wide) return false;
    for (const [first, last] of entry.ahead) if (first <= seq && seq <= last) return true;
    return false;
  }

  /** Ranges of one sender lie end to end: one that joins the mark begins right after it. */
  apply(sender: string, first: number, last = first): void {
    const entry = this.#marks.get(sender) ?? { mark: 0, ahead: new Map(), wide: false };
    this.#marks.set(sender, entry);
    if (last <= entry.mark) return;
    if (first > entry.mark + 1) {
      entry.ahead.set(first, last);
      entry.wide ||= last > first;
      return;
    }
    entry.mark = last;
    for (;;) {
      const next = entry.ahead.get(entry.mark + 1);
      if (next === undefined) return;
      entry.ahead.delete(entry.mark + 1);
      entry.mark = next;
    }
  }

  mark(sender: string): number {
    return this.#marks.get(sender)?.mark ?? 0;
  }

  toJSON(): Record<string, Mark> {
    return Object.fromEntries(
      [...this.#marks].map(([sender, { mark, ahead }]) => [sender, { mark, ahead: [...ahead] }]),
    );
  }
}
