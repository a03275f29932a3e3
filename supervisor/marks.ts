/**
 * The boundary of: once. A receiving shard keeps, for each sender, the mark up to which everything
 * was applied, and the few numbers applied beyond it while an actor in between was held back.
 */
import type { Mark } from "./record.ts";

export class Marks {
  readonly #marks = new Map<string, { mark: number; ahead: Set<number> }>();

  static from(stored: Readonly<Record<string, Mark>>): Marks {
    const marks = new Marks();
    for (const [sender, { mark, ahead }] of Object.entries(stored)) {
      marks.#marks.set(sender, { mark, ahead: new Set(ahead) });
    }
    return marks;
  }

  applied(sender: string, seq: number): boolean {
    const entry = this.#marks.get(sender);
    return entry !== undefined && (seq <= entry.mark || entry.ahead.has(seq));
  }

  apply(sender: string, first: number, last = first): void {
    const entry = this.#marks.get(sender) ?? { mark: 0, ahead: new Set<number>() };
    this.#marks.set(sender, entry);
    for (let seq = first; seq <= last; seq++) {
      if (seq > entry.mark) entry.ahead.add(seq);
    }
    while (entry.ahead.delete(entry.mark + 1)) entry.mark++;
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
