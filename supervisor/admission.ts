/**
 * The boundary of: envelopes that arrive by two ways and the one order their sender gave them. A
 * shard takes a sender's numbers one after the other. What is ahead of its turn waits here; it came
 * by the mailbox, and what lies before it is on its way there too.
 */
import type { Item } from "./item.ts";
import type { Source } from "./record.ts";

interface Numbered {
  readonly shard: string;
  readonly seq: number;
}

export interface Received {
  applied(sender: string, seq: number): boolean;
  mark(sender: string): number;
}

export class Admission {
  readonly #received: Received;
  /** Highest number of each sender up to which everything was admitted. */
  readonly #admitted = new Map<string, number>();
  readonly #waiting = new Map<string, Map<number, Item>>();

  constructor(received: Received) {
    this.#received = received;
  }

  /** Items that wait for one before them. */
  get waiting(): number {
    let waiting = 0;
    for (const items of this.#waiting.values()) waiting += items.size;
    return waiting;
  }

  /** A sender of which something is missing. */
  missing(): string | null {
    return this.#waiting.keys().next().value ?? null;
  }

  /** Would an envelope of this number be taken at once? */
  expects(sender: string, seq: number): boolean {
    return seq <= this.#next(sender);
  }

  /** The items that may go on, in order: none, this one, or this one and what waited for it. */
  admit(item: Item): Item[] {
    const numbered = numberOf(item.source);
    if (numbered === null) return [item];
    const { shard, seq } = numbered;
    const waiting = this.#waiting.get(shard);
    if (!this.expects(shard, seq)) {
      if (waiting?.has(seq)) return [item];
      if (waiting) waiting.set(seq, item);
      else this.#waiting.set(shard, new Map([[seq, item]]));
      return [];
    }
    this.#admitted.set(shard, Math.max(seq, this.#admitted.get(shard) ?? 0));
    return waiting ? [item, ...this.#follow(shard, waiting)] : [item];
  }

  /** What lies before them does not come: they go on without it, in order. */
  giveUp(): Item[] {
    const items = [...this.#waiting.values()].flatMap((waiting) =>
      [...waiting].toSorted(([a], [b]) => a - b).map(([, item]) => item),
    );
    for (const [shard, waiting] of this.#waiting)
      this.#admitted.set(shard, Math.max(...waiting.keys()));
    this.#waiting.clear();
    return items;
  }

  #follow(shard: string, waiting: Map<number, Item>): Item[] {
    const items: Item[] = [];
    for (let seq = this.#next(shard); ; seq = this.#next(shard)) {
      const item = waiting.get(seq);
      if (item === undefined) break;
      waiting.delete(seq);
      this.#admitted.set(shard, seq);
      items.push(item);
    }
    if (waiting.size === 0) this.#waiting.delete(shard);
    return items;
  }

  /** The lowest number that is neither admitted nor applied. */
  #next(sender: string): number {
    let next = Math.max(this.#admitted.get(sender) ?? 0, this.#received.mark(sender)) + 1;
    while (this.#received.applied(sender, next)) next++;
    return next;
  }
}

function numberOf(source: Source): Numbered | null {
  if (source.from === "shard") return source;
  return source.from === "mailbox" ? (source.also ?? null) : null;
}
