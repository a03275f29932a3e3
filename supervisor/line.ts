/**
 * The boundary of: inputs and their turns. One line a shard: an actor that waits out a back-off holds
 * its own inputs and nobody else's, and an envelope whose predecessor is still on its way waits for
 * it. Forgets everything at the end; what was not applied is in a mailbox or an outbox.
 */
import type { ActorAddress } from "../machines/protocol.ts";
import type { Clock } from "../transports/ports.ts";
import { Admission, type Received } from "./admission.ts";
import type { Item } from "./item.ts";
import { LIMITS } from "./limits.ts";

export interface LineHost {
  readonly clock: Clock;
  readonly received: Received;
  /** There may be something to take. */
  changed(): void;
  /** Envelopes of this sender are missing, and what came after them goes on without them. */
  gap(sender: string): void;
}

export class Line {
  readonly #host: LineHost;
  readonly #admission: Admission;
  #ready: Item[] = [];
  /** Out of `#ready` and not applied yet: their actors are being loaded. */
  #taken: Item[] = [];
  /** Actors whose timers up to a time are due: which ones, their record says once it is in memory. */
  readonly #due = new Map<ActorAddress, number>();
  /** Those of them that are being loaded. */
  #waking: readonly ActorAddress[] = [];
  /** Inputs of actors that wait out a back-off, in order. */
  readonly #held = new Map<ActorAddress, Item[]>();
  #cancelGap: (() => void) | null = null;
  #ended = false;

  constructor(host: LineHost) {
    this.#host = host;
    this.#admission = new Admission(host.received);
  }

  /** Inputs that have no turn yet. */
  get size(): number {
    let size = this.#admission.waiting + this.#ready.length + this.#taken.length + this.#due.size;
    for (const items of this.#held.values()) size += items.length;
    return size;
  }

  get ready(): boolean {
    return this.#ready.length > 0 || this.#due.size > 0;
  }

  /** Actors with inputs that wait. */
  awaited(): Set<ActorAddress> {
    const queued = [...this.#ready, ...this.#taken].map((item) => item.actor);
    return new Set([...this.#held.keys(), ...this.#due.keys(), ...queued]);
  }

  /** Would this envelope be next of its sender, or a repeat? */
  expects(sender: string, seq: number): boolean {
    return this.#admission.expects(sender, seq);
  }

  add(items: readonly Item[]): void {
    if (this.#ended) return;
    for (const item of items) this.#line(this.#admission.admit(item));
    if (this.#admission.waiting > 0) this.#watchGap();
    this.#host.changed();
  }

  /** Timers of this actor up to this time are due. */
  wake(actor: ActorAddress, dueAt: number): void {
    if (this.#ended) return;
    this.#due.set(actor, Math.max(dueAt, this.#due.get(actor) ?? dueAt));
    this.#host.changed();
  }

  /** Takes the first of the line and who is to be woken: the actors to be loaded. */
  take(max: number): readonly ActorAddress[] {
    this.#taken = this.#ready.splice(0, max);
    this.#waking = [...this.#due.keys()];
    const actors = this.#taken.map((item) => item.actor);
    return this.#waking.length === 0 ? actors : [...actors, ...this.#waking];
  }

  /** They are loaded: what is due of those that were to be woken goes behind what was taken. */
  loaded(dueOf: (actor: ActorAddress, dueAt: number) => readonly Item[]): void {
    for (const actor of this.#waking) {
      this.#taken.push(...dueOf(actor, this.#due.get(actor) ?? 0));
      this.#due.delete(actor);
    }
    this.#waking = [];
  }

  /** The next of those taken that is not held; null when there is none. */
  next(): Item | null {
    for (let item = this.#taken.shift(); item !== undefined; item = this.#taken.shift()) {
      const held = this.#held.get(item.actor);
      if (!held) return item;
      held.push(item);
    }
    return null;
  }

  /** What was taken and not applied goes first again. */
  putBack(): void {
    if (this.#taken.length > 0) this.#ready = [...this.#taken, ...this.#ready];
    this.#taken = [];
  }

  hold(item: Item, delayMs: number): void {
    this.#held.set(item.actor, [item]);
    this.#host.clock.after(delayMs, () => {
      const items = this.#held.get(item.actor) ?? [];
      this.#held.delete(item.actor);
      if (this.#ended) return;
      this.#ready = [...items, ...this.#ready];
      this.#host.changed();
    });
  }

  end(): void {
    this.#ended = true;
    this.#cancelGap?.();
    this.#ready = [];
    this.#taken = [];
    this.#due.clear();
    this.#waking = [];
    this.#held.clear();
  }

  #line(items: readonly Item[]): void {
    for (const item of items) {
      const held = this.#held.get(item.actor);
      if (held) held.push(item);
      else this.#ready.push(item);
    }
  }

  #watchGap(): void {
    this.#cancelGap ??= this.#host.clock.after(LIMITS.gapMs, () => {
      this.#cancelGap = null;
      const sender = this.#admission.missing();
      if (sender === null || this.#ended) return;
      this.#host.gap(sender);
      this.#line(this.#admission.giveUp());
      this.#host.changed();
    });
  }
}
