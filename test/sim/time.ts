/**
 * The boundary of: time in a simulation. One clock for the world, and one view of it for each
 * process: that may run a little faster or slower, be set to another hour, or stand still while the
 * process is stopped and have everything come at once when it goes on.
 */
import type { Clock, Random } from "../../transports/ports.ts";

interface Event {
  readonly at: number;
  readonly order: number;
  /** Null once cancelled. */
  fire: (() => void) | null;
}

/** 2026-01-05T00:00:00Z. */
const START_MS = 1_767_571_200_000;

export class WorldTime {
  now = 0;
  readonly #random: Random;
  readonly #heap: Event[] = [];
  #orders = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Wall clock of everything that is no process of ours. */
  get wall(): number {
    return START_MS + this.now;
  }

  after(delayMs: number, fire: () => void): () => void {
    const event: Event = {
      at: this.now + Math.max(0, Math.ceil(delayMs)),
      order: ++this.#orders,
      fire,
    };
    this.#push(event);
    return () => {
      event.fire = null;
    };
  }

  /** Moves to the next moment at which something happens, and lets all of it happen, in any order. */
  async step(): Promise<boolean> {
    const first = this.#heap[0];
    if (first === undefined) return false;
    this.now = Math.max(this.now, first.at);
    const due: Event[] = [];
    while (this.#heap[0] !== undefined && this.#heap[0].at <= this.now) due.push(this.#pop());
    const alive = due.filter(({ fire }) => fire !== null);
    if (alive.length === 0) return true;
    for (let left = alive.length; left > 0; left--) {
      const pick = Math.floor(this.#random() * left);
      alive[pick]!.fire?.();
      alive[pick] = alive[left - 1]!;
    }
    await settled();
    return true;
  }

  async run(ms: number, until: () => boolean = () => false): Promise<void> {
    const end = this.now + ms;
    while (this.#heap[0] !== undefined && this.#heap[0].at <= end && !until()) await this.step();
    if (!until()) this.now = end;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when every promise that waits for nothing outside has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Time as one process sees it, and whether the process runs at all. */
export class ProcessTime implements Clock {
  readonly #world: WorldTime;
  /** Of the steady clock against the world's. */
  readonly #rate: number;
  readonly #base: number;
  readonly #random: Random;
  offsetMs = 0;
  dead = false;
  #resumesAt = 0;
  #missed: (() => void)[] = [];

  constructor(world: WorldTime, random: Random) {
    this.#world = world;
    this.#random = random;
    this.#rate = 0.99 + 0.02 * random();
    this.#base = Math.floor(random() * 1e6);
  }

  get paused(): boolean {
    return this.#world.now < this.#resumesAt;
  }

  now(): number {
    return Math.round(this.#world.wall + this.offsetMs);
  }

  steady(): number {
    return this.#base + this.#world.now * this.#rate;
  }

  after(delayMs: number, fire: () => void): () => void {
    let cancelled = false;
    const cancel = this.#world.after(Math.max(0, delayMs) / this.#rate, () =>
      this.deliver(() => {
        if (!cancelled) fire();
      }),
    );
    return () => {
      cancelled = true;
      cancel();
    };
  }

  /** Something reaches the process: at once, when it goes on, or never. */
  deliver(fire: () => void): void {
    if (this.dead) return;
    if (this.paused) this.#missed.push(fire);
    else fire();
  }

  pause(ms: number): void {
    if (this.dead || this.paused) return;
    this.#resumesAt = this.#world.now + ms;
    this.#world.after(ms, () => {
      const missed = this.#missed;
      this.#missed = [];
      for (let left = missed.length; left > 0; left--) {
        const pick = Math.floor(this.#random() * left);
        this.deliver(missed[pick]!);
        missed[pick] = missed[left - 1]!;
      }
    });
  }
}
