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
import { appendSurely, cutAppends, packBytesMax } from "./commit.ts";
import { Flusher } from "./flush.ts";
import { LIMITS } from "./limits.ts";
import { Line } from "./line.ts";
import { dueActors, dueItems, loadActors } from "./load.ts";
import { LookAhead } from "./look-ahead.ts";
import { Inlet } from "./inlet.ts";
import {
  encodeRecord,
  type ActorRecord,
  type CallOutcome,
  type JournalRecord,
  type OutstandingCall,
} from "./record.ts";
import { lostItem, recoverShard, type LostTurn } from "./recover.ts";
import { ShardState } from "./state.ts";
import { Timers } from "./timers.ts";

interface Note {
  readonly record: JournalRecord;
  appended(at: Position): void;
  failed(error: unknown): void;
}

/** An input and what is appended for it; null for one that was applied before. */
interface Packed {
  readonly item: Item;
  readonly applied: Applied | null;
}

/** What a shard needs of the runner that hosts it. */
export interface ShardHost {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly runnerId: string;
  readonly shardCount: number;
  /** Steady clock, ms: the end of the lease under which the shard is run. */
  actUntil(shard: string): number;
  deliver(envelope: Envelope, sender: Shard): void;
  settled(envelope: Envelope): void;
  startCall(definition: ActorDefinition, order: CallOrder): void;
  cancelCall(callId: string): void;
  /** True while the runner holds too much: new events wait in their mailbox. */
  congested(): boolean;
  committed(shard: string, records: readonly JournalRecord[]): void;
  alarm(error: WatchfloorError): void;
  /** The shard has ended and cannot go on: fenced, or its store is gone. */
  lost(shard: Shard, error: unknown): void;
}

export class Shard {
  readonly id: string;
  readonly definition: ActorDefinition;
  readonly #host: ShardHost;
  readonly #state: ShardState;
  readonly #inlet: Inlet;
  readonly #flusher: Flusher;
  readonly #timers: Timers;
  readonly #lookAhead: LookAhead;
  readonly #line: Line;
  /** Checkpoints to append with the next pack. */
  #notes: Note[] = [];
  #last: Position = 0;
  #epoch: Position = 0;
  #lost: readonly LostTurn[] = [];
  #calling: ReadonlyMap<ActorAddress, ActorRecord> = new Map();
  #pumping: Promise<void> | null = null;
  /** Applied in memory, and not in the journal yet. */
  #uncommitted: readonly Packed[] = [];
  #phase: "opening" | "running" | "stopping" | "ended" = "opening";

  constructor(id: string, definition: ActorDefinition, host: ShardHost) {
    this.id = id;
    this.definition = definition;
    this.#host = host;
    this.#state = new ShardState(id);
    this.#timers = new Timers(host.clock, (actor, dueAt) => this.#line.wake(actor, dueAt));
    this.#lookAhead = new LookAhead({
      clock: host.clock,
      timers: this.#timers,
      between: (after, until) => dueActors(this.#state, host.transport.store, after, until),
      failed: (error) => this.fail(error),
    });
    this.#line = new Line({
      clock: host.clock,
      received: {
        applied: (sender, seq) => this.#state.marks.applied(sender, seq),
        mark: (sender) => this.#state.marks.mark(sender),
      },
      changed: () => this.#pump(),
      gap: (sender) => host.alarm(new WatchfloorError("sequence_gap", { shard: id, sender })),
    });
    const { transport, clock } = host;
    const around = {
      transport,
      clock,
      congested: () => host.congested(),
      alarm: (error: WatchfloorError) => host.alarm(error),
      failed: (error: unknown) => this.fail(error),
    };
    this.#inlet = new Inlet(this.#state, definition, around, (items) => this.enqueue(items));
    this.#flusher = new Flusher(this.#state, this.#inlet, around, {
      owner: () => ({ shard: id, epoch: this.#epoch }),
      last: () => this.#last,
      append: (record) => this.#note(record),
      between: () => this.#pumping === null,
      awaited: () => this.#line.awaited(),
    });
  }

  get state(): ShardState {
    return this.#state;
  }

  /** Inputs in memory that have no turn yet. */
  get backlog(): number {
    return this.#line.size;
  }

  get busy(): boolean {
    return this.#pumping !== null || this.backlog > 0 || this.#inlet.busy;
  }

  get ended(): boolean {
    return this.#phase === "ended";
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Steady clock, ms: nothing is begun outside from then on. */
  get actUntil(): number {
    return this.ended ? -Infinity : this.#host.actUntil(this.id);
  }

  /** Claims the shard and rebuilds what its journal says. Nothing enters or leaves it before `begin`. */
  async open(): Promise<void> {
    const { transport, clock, random, runnerId } = this.#host;
    const recovered = await recoverShard(this.id, this.definition, this.#state, {
      transport,
      clock,
      random,
      runnerId,
      actUntil: () => this.actUntil,
      ended: () => this.ended,
      alarm: (error) => this.#host.alarm(error),
    });
    this.#last = recovered.last;
    this.#epoch = recovered.last;
    this.#lost = recovered.lost;
    this.#calling = recovered.calling;
    await this.#inlet.open();
  }

  /** Goes on where the journal stops: timers are armed, calls recovered, the mailbox is read. */
  begin(): void {
    if (this.#phase !== "opening") return;
    this.#phase = "running";
    this.#line.add(this.#lost.map(lostItem));
    this.#lost = [];
    for (const [actor, record] of this.#calling) {
      for (const call of record.calls) this.#call(actor, record, call, true);
    }
    this.#calling = new Map();
    this.#lookAhead.start();
    this.#inlet.begin();
  }

  enqueue(items: readonly Item[]): void {
    this.#line.add(items);
  }

  /** May this envelope be handed over in memory? Not before those that are on their way by mailbox. */
  takes(envelope: Envelope): boolean {
    const { shard, seq } = envelope;
    return (
      (this.#phase === "running" || this.#phase === "stopping") &&
      this.#line.expects(shard ?? "", seq ?? 0)
    );
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

  settle(envelope: Envelope): void {
    this.#state.unsettled.delete(envelope.id);
  }

  /** Envelopes of turns that are in the journal, as long as no receiver confirmed them, in order. */
  unconfirmed(): Envelope[] {
    const early = new Set<string>();
    for (const { applied } of this.#uncommitted)
      for (const record of applied?.records ?? [])
        if ("outbox" in record) for (const { id } of record.outbox) early.add(id);
    return [...this.#state.unsettled.values()].filter(({ id }) => !early.has(id));
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
    if (this.ended) return;
    this.#phase = "stopping";
    this.#inlet.stop();
    this.#lookAhead.stop();
    this.#timers.stop();
    await this.#pumping;
    await this.#flusher.flushAll();
    this.end();
  }

  /** From now on nothing leaves: what is in memory is forgotten, what is recorded is the next owner's. */
  end(): void {
    if (this.ended) return;
    this.#phase = "ended";
    this.#inlet.stop();
    this.#lookAhead.stop();
    this.#timers.stop();
    this.#line.end();
    this.#flusher.end();
    const error = new WatchfloorError("lease_passed", { shard: this.id });
    for (const note of this.#notes.splice(0)) note.failed(error);
  }

  /** Cannot go on: its journal, store or mailbox says so. */
  fail(error: unknown): void {
    if (this.ended) return;
    this.end();
    this.#host.lost(this, error);
  }

  #note(record: JournalRecord): Promise<Position> {
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(new WatchfloorError("lease_passed", { shard: this.id }));
      this.#notes.push({ record, appended: resolve, failed: reject });
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#pumping || this.ended) return;
    const taking = this.#phase !== "stopping" && this.#line.ready;
    if (!taking && this.#notes.length === 0) return;
    this.#pumping = this.#packs()
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.#pumping = null;
        this.#pump();
      });
  }

  async #packs(): Promise<void> {
    while (this.#line.ready || this.#notes.length > 0) {
      if (this.#phase === "stopping" && this.#notes.length === 0) return;
      // Only what was loaded is applied: what becomes ready meanwhile has its actors still cold.
      const actors = this.#line.take(LIMITS.packRecordsMax);
      await loadActors(this.#state, this.definition, this.#host, actors);
      if (this.ended) return;
      this.#line.loaded((actor, dueAt) => dueItems(this.#state, actor, dueAt));
      const pack = this.#phase === "stopping" ? [] : this.#applyTaken();
      this.#line.putBack();
      this.#uncommitted = pack;
      await this.#append(pack);
      this.#uncommitted = [];
      if (this.ended) return;
      this.#release(pack);
      this.#flusher.committed(pack.length);
    }
  }

  /** Applies what was taken until the pack is full. In memory only: it counts once appended. */
  #applyTaken(): Packed[] {
    const { clock, random, shardCount } = this.#host;
    const context = { definition: this.definition, shardCount, at: clock.now(), random };
    const pack: Packed[] = [];
    let bytes = 0;
    const bytesMax = packBytesMax(this.#host.transport.journal) - LIMITS.recordBytesMax;
    while (bytes < bytesMax) {
      const item = this.#line.next();
      if (item === null) break;
      const packed = this.#applyOne(context, item);
      if (packed === null) continue;
      bytes += packed.applied?.bytes ?? 0;
      pack.push(packed);
    }
    return pack;
  }

  #applyOne(context: ApplyContext, item: Item): Packed | null {
    // Settled with this pack and not now: what it repeats may be in it.
    if (this.#state.wasApplied(item.source)) {
      this.#state.markApplied(item.source);
      return { item, applied: null };
    }
    item.attempts++;
    const applied = applyItem(context, this.#state, item);
    if (applied !== null && applied.retryAfterMs !== null)
      this.#line.hold(item, applied.retryAfterMs);
    return applied === null ? null : { item, applied };
  }

  async #append(pack: readonly Packed[]): Promise<void> {
    const notes = this.#notes;
    this.#notes = [];
    const appends = cutAppends(
      pack.flatMap(({ applied }) => applied?.texts ?? []),
      notes.map((note) => encodeRecord(note.record)),
      packBytesMax(this.#host.transport.journal),
    );
    const { transport, clock, random } = this.#host;
    const committer = { journal: transport.journal, clock, random, ended: () => this.ended };
    try {
      for (const texts of appends)
        this.#last = await appendSurely(committer, this.id, this.#last, texts);
    } catch (error) {
      for (const note of notes) note.failed(error);
      throw error;
    }
    for (const note of notes) note.appended(this.#last);
  }

  /** The append is durable: what the turns wanted may now happen. */
  #release(pack: readonly Packed[]): void {
    const committed: JournalRecord[] = [];
    for (const { item, applied } of pack) {
      if (applied === null || applied.retryAfterMs === null) this.#settleInput(item);
      if (applied === null) continue;
      committed.push(...applied.records);
      for (const record of applied.records) this.#hand(record);
      for (const call of applied.cancelled) this.#host.cancelCall(call.id);
      for (const call of applied.started) this.#start(applied.actor, call);
    }
    this.#host.committed(this.id, committed);
  }

  #settleInput(item: Item): void {
    if (item.source.from === "mailbox") this.#inlet.committed();
    if (item.source.from === "shard" && item.input.input === "envelope")
      this.#host.settled(item.input.envelope);
  }

  #hand(record: JournalRecord): void {
    if (record.r === "turn") this.#timers.set(record.actor, record.record.timers);
    if ("outbox" in record)
      for (const envelope of record.outbox) this.#host.deliver(envelope, this);
  }

  #start(actor: ActorAddress, call: OutstandingCall): void {
    const record = this.#state.residents.get(actor)?.record;
    if (!record?.calls.some((outstanding) => outstanding.id === call.id)) return;
    this.#call(actor, record, call, false);
  }

  #call(actor: ActorAddress, record: ActorRecord, call: OutstandingCall, recovered: boolean): void {
    if (call.kind !== "tool") return;
    const { case: caseId, traceparent } = record;
    const order = { tenure: this, actor, call, case: caseId, traceparent, recovered };
    this.#host.startCall(this.definition, order);
  }
}
