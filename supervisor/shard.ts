/**
 * The boundary of: one shard, one writer, one log. Takes whatever is ready, applies it turn by turn
 * in memory, appends all of it at once, and only then lets anything leave: envelopes, calls, timers.
 *
 * Order of a pack: load cold actors -> apply -> append -> settle, hand over, start, arm -> next pack.
 * One append is in flight at a time; what becomes ready meanwhile is the next pack. On stop: no new
 * packs, the append in flight ends, then everything behind the journal is written (`drain`).
 */
import type { ActorDefinition } from "../actors/define.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress, Envelope } from "../machines/protocol.ts";
import type { Clock, Position, Random, Transport } from "../transports/ports.ts";
import { applyItem, type Applied } from "./apply.ts";
import type { ApplyContext, Item } from "./item.ts";
import type { CallOrder } from "./calls.ts";
import { appendSurely } from "./commit.ts";
import { Flusher } from "./flush.ts";
import { LIMITS } from "./limits.ts";
import { loadActors } from "./load.ts";
import { Inlet } from "./inlet.ts";
import {
  encodeRecord,
  type ArmedTimer,
  type CallOutcome,
  type JournalRecord,
  type OutstandingCall,
} from "./record.ts";
import { recoverShard, type Recovered } from "./recover.ts";
import { ShardState } from "./state.ts";

/** What a shard needs of the runner that hosts it. */
export interface ShardHost {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly runnerId: string;
  readonly shardCount: number;
  deliver(envelope: Envelope): void;
  settled(envelope: Envelope): void;
  startCall(definition: ActorDefinition, order: CallOrder): void;
  cancelCall(callId: string): void;
  setTimers(actor: ActorAddress, timers: readonly ArmedTimer[]): void;
  /** True while the runner holds too much: new events wait in their mailbox. */
  congested(): boolean;
  committed(shard: string, records: readonly JournalRecord[]): void;
  alarm(error: WatchfloorError): void;
  /** The shard cannot go on: fenced, or its store is gone. */
  lost(shard: string, error: unknown): void;
}

export class Shard {
  readonly id: string;
  readonly definition: ActorDefinition;
  readonly #host: ShardHost;
  readonly #state: ShardState;
  readonly #inlet: Inlet;
  readonly #flusher: Flusher;
  #ready: Item[] = [];
  /** Out of `#ready` and not applied yet: their actors are being loaded. */
  #taken: Item[] = [];
  /** Inputs of actors that wait out a back-off, in order. */
  readonly #held = new Map<ActorAddress, Item[]>();
  /** Checkpoints to append with the next pack. */
  #notes: { record: JournalRecord; appended: (at: Position) => void }[] = [];
  #last: Position = 0;
  #pumping: Promise<void> | null = null;
  #stopped = false;

  constructor(id: string, definition: ActorDefinition, host: ShardHost) {
    this.id = id;
    this.definition = definition;
    this.#host = host;
    this.#state = new ShardState(id);
    this.#inlet = new Inlet(this.#state, definition, host, (items) => this.enqueue(items));
    this.#flusher = new Flusher(this.#state, this.#inlet, host, {
      last: () => this.#last,
      append: (record) => this.#note(record),
      between: () => this.#pumping === null,
      awaited: () =>
        new Set([
          ...this.#held.keys(),
          ...[...this.#ready, ...this.#taken].map((item) => item.actor),
        ]),
    });
  }

  get state(): ShardState {
    return this.#state;
  }

  /** Inputs in memory that have no turn yet. */
  get backlog(): number {
    let held = 0;
    for (const items of this.#held.values()) held += items.length;
    return this.#ready.length + this.#taken.length + held;
  }

  get busy(): boolean {
    return this.#pumping !== null || this.backlog > 0 || this.#inlet.busy;
  }

  /** Claims the shard and rebuilds what its journal says. Nothing leaves it before `begin`. */
  async open(): Promise<Recovered> {
    const recovered = await recoverShard(this.id, this.definition, this.#state, this.#host);
    this.#last = recovered.last;
    await this.#inlet.open();
    return recovered;
  }

  begin(): void {
    this.#inlet.begin();
  }

  enqueue(items: readonly Item[]): void {
    for (const item of items) {
      const held = this.#held.get(item.actor);
      if (held) held.push(item);
      else this.#ready.push(item);
    }
    this.#pump();
  }

  receive(envelope: Envelope): void {
    const source = { from: "shard", shard: envelope.shard ?? "", seq: envelope.seq ?? 0 } as const;
    this.enqueue([
      { actor: envelope.to, source, input: { input: "envelope", envelope }, attempts: 0 },
    ]);
  }

  finishCall(actor: ActorAddress, call: OutstandingCall, result: CallOutcome): void {
    const source = { from: "call", callId: call.id } as const;
    this.enqueue([{ actor, source, input: { input: "result", call, result }, attempts: 0 }]);
  }

  fire(actor: ActorAddress, timer: ArmedTimer): void {
    const source = { from: "timer", name: timer.name } as const;
    this.enqueue([{ actor, source, input: { input: "timer", timer }, attempts: 0 }]);
  }

  settle(envelope: Envelope): void {
    this.#state.unsettled.delete(envelope.id);
  }

  /** More may have been published, or the runner holds less again. */
  ring(): void {
    this.#inlet.ring();
  }

  /** Position up to which its mailbox was worked off. */
  get mailboxMark(): number {
    return this.#state.mailboxMark;
  }

  /** Writes what is behind the journal, so that the store alone says it. */
  flush(): Promise<void> {
    return this.#flusher.flushAll();
  }

  /** Finishes the pack in flight and writes everything behind the journal. */
  async drain(): Promise<void> {
    this.#stopped = true;
    this.#inlet.stop();
    await this.#pumping;
    await this.#flusher.flushAll();
  }

  stop(): void {
    this.#stopped = true;
    this.#inlet.stop();
    this.#flusher.stop();
  }

  #note(record: JournalRecord): Promise<Position> {
    return new Promise((resolve) => {
      this.#notes.push({ record, appended: resolve });
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#pumping || (this.#stopped && this.#notes.length === 0)) return;
    if (this.#ready.length === 0 && this.#notes.length === 0) return;
    this.#pumping = this.#packs()
      .catch((error: unknown) => {
        this.stop();
        this.#host.lost(this.id, error);
      })
      .finally(() => {
        this.#pumping = null;
        this.#pump();
      });
  }

  async #packs(): Promise<void> {
    while (this.#ready.length > 0 || this.#notes.length > 0) {
      if (this.#stopped && this.#notes.length === 0) return;
      // Only what was loaded is applied: what becomes ready meanwhile has its actors still cold.
      this.#taken = this.#ready.splice(0, LIMITS.packRecordsMax);
      await loadActors(this.#state, this.definition, this.#host, this.#taken);
      const pack = this.#stopped ? [] : this.#applyTaken();
      this.#ready = [...this.#taken, ...this.#ready];
      this.#taken = [];
      const notes = this.#notes;
      this.#notes = [];
      await this.#append(pack, notes);
      this.#flusher.committed(pack.length);
    }
  }

  /** Applies what was taken until the pack is full. In memory only: it counts once appended. */
  #applyTaken(): { item: Item; applied: Applied }[] {
    const { clock, random, shardCount } = this.#host;
    const context = { definition: this.definition, shardCount, at: clock.now(), random };
    const pack: { item: Item; applied: Applied }[] = [];
    let bytes = 0;
    while (this.#taken.length > 0 && bytes < LIMITS.packBytesMax - LIMITS.recordBytesMax) {
      const item = this.#taken.shift()!;
      const applied = this.#applyOne(context, item);
      if (applied === null) continue;
      bytes += applied.bytes;
      pack.push({ item, applied });
    }
    return pack;
  }

  #applyOne(context: ApplyContext, item: Item): Applied | null {
    const held = this.#held.get(item.actor);
    if (held) {
      held.push(item);
      return null;
    }
    if (this.#state.wasApplied(item.source)) {
      this.#settleInput(item);
      return null;
    }
    item.attempts++;
    const applied = applyItem(context, this.#state, item);
    if (applied !== null && applied.retryAfterMs !== null) this.#hold(item, applied.retryAfterMs);
    return applied;
  }

  #hold(item: Item, delayMs: number): void {
    this.#held.set(item.actor, [item]);
    this.#host.clock.after(delayMs, () => {
      const items = this.#held.get(item.actor) ?? [];
      this.#held.delete(item.actor);
      this.#ready = [...items, ...this.#ready];
      this.#pump();
    });
  }

  async #append(
    pack: readonly { item: Item; applied: Applied }[],
    notes: readonly { record: JournalRecord; appended: (at: Position) => void }[],
  ): Promise<void> {
    const texts = [
      ...pack.flatMap(({ applied }) => applied.texts),
      ...notes.map((note) => encodeRecord(note.record)),
    ];
    if (texts.length === 0) return;
    const { transport, clock, random } = this.#host;
    this.#last = await appendSurely(
      { journal: transport.journal, clock, random },
      this.id,
      this.#last,
      texts,
    );
    for (const note of notes) note.appended(this.#last);
    this.#release(pack);
  }

  /** The append is durable: what the turns wanted may now happen. */
  #release(pack: readonly { item: Item; applied: Applied }[]): void {
    for (const { item, applied } of pack) {
      if (applied.retryAfterMs === null) this.#settleInput(item);
      for (const record of applied.records) this.#hand(record);
      for (const call of applied.cancelled) this.#host.cancelCall(call.id);
      for (const call of applied.started) this.#start(applied.actor, call);
    }
    this.#host.committed(
      this.id,
      pack.flatMap(({ applied }) => applied.records),
    );
  }

  #settleInput(item: Item): void {
    if (item.source.from === "mailbox") this.#inlet.committed();
    if (item.source.from === "shard" && item.input.input === "envelope")
      this.#host.settled(item.input.envelope);
  }

  #hand(record: JournalRecord): void {
    if (record.r === "turn") this.#host.setTimers(record.actor, record.record.timers);
    if ("outbox" in record) for (const envelope of record.outbox) this.#host.deliver(envelope);
  }

  #start(actor: ActorAddress, call: OutstandingCall): void {
    if (call.kind !== "tool") return;
    const record = this.#state.residents.get(actor)?.record;
    if (!record?.calls.some((outstanding) => outstanding.id === call.id)) return;
    const { case: caseId, traceparent } = record;
    this.#host.startCall(this.definition, {
      actor,
      call,
      case: caseId,
      traceparent,
      recovered: false,
    });
  }
}
