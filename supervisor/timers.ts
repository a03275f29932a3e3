/**
 * The boundary of: due times. One heap a runner, one armed clock; a due time is absolute, so it
 * survives a restart and fires at once when it passed meanwhile.
 */
import type { ActorAddress } from "../machines/protocol.ts";
import type { Clock } from "../transports/ports.ts";
import { LIMITS } from "./limits.ts";
import type { ArmedTimer } from "./record.ts";

interface Due {
  readonly dueAt: number;
  readonly actor: ActorAddress;
  readonly timer: ArmedTimer;
}

export class Timers {
  readonly #clock: Clock;
  readonly #fire: (actor: ActorAddress, timer: ArmedTimer) => void;
  readonly #current = new Map<ActorAddress, readonly ArmedTimer[]>();
  #heap: Due[] = [];
  #stale = 0;
  #cancelClock: (() => void) | null = null;
  #armedFor = Infinity;

  constructor(clock: Clock, fire: (actor: ActorAddress, timer: ArmedTimer) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  /** Replaces all timers of an actor. Entries that no longer hold are skipped when they come due. */
  set(actor: ActorAddress, timers: readonly ArmedTimer[]): void {
    const before = this.#current.get(actor) ?? [];
    if (before.length === 0 && timers.length === 0) return;
    const fresh = timers.filter((timer) => !before.some((known) => sameTimer(known, timer)));
    this.#stale += before.length - (timers.length - fresh.length);
    if (timers.length === 0) this.#current.delete(actor);
    else this.#current.set(actor, timers);
    for (const timer of fresh) this.#push({ dueAt: timer.dueAt, actor, timer });
    if (this.#stale > 1_000 && this.#stale > this.#heap.length / 2) this.#sweep();
    this.#arm();
  }

  get size(): number {
    return this.#heap.length - this.#stale;
  }

  stop(): void {
    this.#cancelClock?.();
    this.#cancelClock = null;
    this.#heap = [];
    this.#current.clear();
  }

  #holds(due: Due): boolean {
    return (this.#current.get(due.actor) ?? []).some((timer) => sameTimer(timer, due.timer));
  }

  #arm(): void {
    const next = this.#heap[0]?.dueAt ?? Infinity;
    if (next === this.#armedFor) return;
    this.#cancelClock?.();
    this.#cancelClock = null;
    this.#armedFor = next;
    if (next === Infinity) return;
    // Looked at again now and then: a clock that was wrong and is set right must not make it late.
    const delayMs = Math.min(Math.max(0, next - this.#clock.now()), LIMITS.timerLookMs);
    this.#cancelClock = this.#clock.after(delayMs, () => this.#ring());
  }

  #ring(): void {
    this.#armedFor = Infinity;
    const now = this.#clock.now();
    while (this.#heap[0] !== undefined && this.#heap[0].dueAt <= now) {
      const due = this.#pop();
      if (this.#holds(due)) this.#fire(due.actor, due.timer);
      else this.#stale = Math.max(0, this.#stale - 1);
    }
    this.#arm();
  }

  #sweep(): void {
    const kept = this.#heap.filter((due) => this.#holds(due));
    this.#heap = kept.toSorted((a, b) => a.dueAt - b.dueAt);
    this.#stale = 0;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    heap.push(due);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.dueAt <= due.dueAt) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = due;
  }

  #pop(): Due {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    return top;
  }

  #sink(due: Due): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.dueAt < heap[child]!.dueAt) child++;
      if (heap[child]!.dueAt >= due.dueAt) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = due;
  }
}

function sameTimer(a: ArmedTimer, b: ArmedTimer): boolean {
  return a.name === b.name && a.armedInTurn === b.armedInTurn;
}
