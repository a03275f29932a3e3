/**
 * The boundary of: due times. One heap a shard for what is due soon, one armed clock; what is due
 * later is on the disk only and comes in by `add` when the horizon reaches it. A due time is
 * absolute, so it survives a restart and fires at once when it passed meanwhile.
 */
import type { ActorAddress } from "../machines/protocol.ts";
import type { Clock } from "../transports/ports.ts";
import { LIMITS } from "./limits.ts";
import type { DueActor } from "./projection.ts";
import type { ArmedTimer } from "./record.ts";

export class Timers {
  readonly #clock: Clock;
  readonly #fire: (actor: ActorAddress, dueAt: number) => void;
  /** Due times in the heap that count; others of the same actor are stale. */
  readonly #current = new Map<ActorAddress, readonly number[]>();
  /** Timers due up to here are in memory. */
  #horizon = Number.NEGATIVE_INFINITY;
  #stopped = false;
  #heap: DueActor[] = [];
  #stale = 0;
  #cancelClock: (() => void) | null = null;
  #armedFor = Infinity;

  /** @param fire told of an actor whose timers up to this time are due. */
  constructor(clock: Clock, fire: (actor: ActorAddress, dueAt: number) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  /** From now on `set` keeps what is due up to here; what was armed before is brought by `add`. */
  advance(horizon: number): void {
    this.#horizon = Math.max(this.#horizon, horizon);
  }

  /** Replaces all timers of an actor. Entries that no longer hold are skipped when they come due. */
  set(actor: ActorAddress, timers: readonly ArmedTimer[]): void {
    const before = this.#current.get(actor);
    if (before === undefined && timers.length === 0) return;
    const near = timers.map(({ dueAt }) => dueAt).filter((dueAt) => dueAt <= this.#horizon);
    this.#stale += before?.filter((dueAt) => !near.includes(dueAt)).length ?? 0;
    if (near.length === 0) this.#current.delete(actor);
    else this.#current.set(actor, near);
    for (const dueAt of near) if (!before?.includes(dueAt)) this.#push({ dueAt, actor });
    if (this.#stale > 1_000 && this.#stale > this.#heap.length / 2) this.#sweep();
    this.#arm();
  }

  /** One that the horizon has reached. */
  add({ actor, dueAt }: DueActor): void {
    const before = this.#current.get(actor) ?? [];
    if (before.includes(dueAt)) return;
    this.#current.set(actor, [...before, dueAt]);
    this.#push({ dueAt, actor });
    this.#arm();
  }

  get size(): number {
    return this.#heap.length - this.#stale;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelClock?.();
    this.#cancelClock = null;
    this.#heap = [];
    this.#current.clear();
  }

  #arm(): void {
    if (this.#stopped) return;
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
    for (let fired = 0; fired < LIMITS.timersAtOnceMax;) {
      const first = this.#heap[0];
      if (first === undefined || first.dueAt > now) break;
      this.#pop();
      if (!this.#spend(first)) continue;
      fired++;
      this.#fire(first.actor, first.dueAt);
    }
    this.#arm();
  }

  /** True when it held. It is out of the heap, and no longer counts as in it. */
  #spend({ actor, dueAt }: DueActor): boolean {
    const current = this.#current.get(actor);
    if (!current?.includes(dueAt)) {
      this.#stale = Math.max(0, this.#stale - 1);
      return false;
    }
    const left = current.filter((other) => other !== dueAt);
    if (left.length === 0) this.#current.delete(actor);
    else this.#current.set(actor, left);
    return true;
  }

  #sweep(): void {
    const kept = this.#heap.filter(({ actor, dueAt }) => this.#current.get(actor)?.includes(dueAt));
    this.#heap = kept.toSorted((a, b) => a.dueAt - b.dueAt);
    this.#stale = 0;
  }

  #push(due: DueActor): void {
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

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
  }

  #sink(due: DueActor): void {
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
