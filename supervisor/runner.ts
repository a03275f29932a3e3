/**
 * The boundary of: one process's actors. Hosts shards of its kinds, carries envelopes between them,
 * runs their calls, and stops in the reverse order.
 *
 * On a transport of its own it opens every shard at start. On a shared one it gains and loses them
 * while it runs, as ownership.ts says. A shard is opened (claim, tail, companion, what the tail holds
 * is written), then begun (timers, calls, mailbox), then what it had sent and nobody confirmed is
 * sent again. Stop: titles given up one by one, mailboxes, packs in flight, the store, then calls.
 */
import type { ActorDefinition } from "../actors/define.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { Envelope, Kind } from "../machines/protocol.ts";
import type { Clock, Leases, Random, Transport } from "../transports/ports.ts";
import { CallRunner, type CallReport } from "./calls.ts";
import { LIMITS } from "./limits.ts";
import { Ownership } from "./ownership.ts";
import { shardsOf } from "./placement.ts";
import { Posting } from "./posting.ts";
import type { JournalRecord } from "./record.ts";
import { Shard, type ShardHost } from "./shard.ts";
import { receiverOf } from "./state.ts";

/** Told of what happened, after it is durable. Must not throw. */
export interface Observer {
  committed?(shard: string, records: readonly JournalRecord[]): void;
  called?(report: CallReport): void;
  alarm?(error: WatchfloorError): void;
  /** The runner cannot go on. */
  lost?(shard: string, error: unknown): void;
}

export interface RunnerOptions {
  readonly transport: Transport;
  readonly definitions: ReadonlyMap<Kind, ActorDefinition>;
  readonly shardCount: number;
  readonly clock: Clock;
  readonly random: Random;
  /** On a shared transport: of this process alone, among all that ever ran. */
  readonly runnerId: string;
  /** On a shared transport: relative share of the shards; 1 when absent. */
  readonly weight?: number;
  readonly observers: readonly Observer[];
}

export class Runner {
  readonly #options: RunnerOptions;
  /** Opened, or being opened. */
  readonly #shards = new Map<string, Shard>();
  readonly #calls: CallRunner;
  readonly #posting: Posting;
  readonly #host: ShardHost;
  /** By kind; empty where this process owns everything. */
  readonly #ownerships = new Map<string, Ownership>();
  #wasCongested = false;
  #started = false;
  #failed: unknown = null;

  constructor(options: RunnerOptions) {
    this.#options = options;
    const { clock, random, transport } = options;
    this.#calls = new CallRunner(clock, (report) => this.#called(report));
    this.#posting = new Posting({
      mailbox: transport.mailbox,
      clock,
      random,
      failed: (sender, error) => (sender as Shard).fail(error),
    });
    this.#host = this.#shardHost();
  }

  async start(): Promise<void> {
    const { leases } = this.#options.transport;
    if (leases) await this.#join(leases);
    else await this.#openAll();
    this.#started = true;
  }

  async #openAll(): Promise<void> {
    const { definitions, shardCount } = this.#options;
    const made = shardsOf([...definitions.keys()], shardCount).map((id) => this.#make(id));
    const failures = await Promise.all(made.map((shard) => this.#opened(shard)));
    const shards = made.filter((_, index) => failures[index] === null);
    const [failure] = failures;
    if (shards.length === 0 && failure) throw failure;
    await this.flush();
    for (const shard of shards) shard.begin();
    for (const shard of shards) this.#sendAgain(shard);
  }

  /** Null, or why this shard is set aside: what is wrong with one log is no reason to stop the others. */
  async #opened(shard: Shard): Promise<WatchfloorError | null> {
    try {
      await shard.open();
      return null;
    } catch (error) {
      if (!(error instanceof WatchfloorError) || !SHARD_FAULTS.has(error.code)) throw error;
      this.#drop(shard.id);
      const fields = { shard: shard.id, why: error.message };
      this.#host.alarm(new WatchfloorError("shard_set_aside", fields, { cause: error }));
      return error;
    }
  }

  async #join(leases: Leases): Promise<void> {
    const { definitions, shardCount, clock, runnerId, weight = 1 } = this.#options;
    for (const kind of definitions.keys()) {
      const ownership = new Ownership({
        leases,
        clock,
        kind,
        shards: shardsOf([kind], shardCount),
        runnerId,
        weight,
        gain: (id) => this.#gain(id),
        handOver: (id) => this.#handOver(id),
        drop: (id) => this.#drop(id),
        refused: (id, error) => this.#tell(id, error),
      });
      this.#ownerships.set(kind, ownership);
    }
    await Promise.all([...this.#ownerships.values()].map((ownership) => ownership.start()));
  }

  // ---- Shards ----------------------------------------------------------------------------------

  #make(id: string): Shard {
    const shard = new Shard(id, this.#options.definitions.get(kindOfShard(id))!, this.#host);
    this.#shards.set(id, shard);
    return shard;
  }

  async #gain(id: string): Promise<void> {
    const shard = this.#make(id);
    await shard.open();
    await shard.flush();
    if (shard.ended) throw new WatchfloorError("lease_passed", { shard: id });
    shard.begin();
    this.#sendAgain(shard);
  }

  async #handOver(id: string): Promise<void> {
    const shard = this.#shards.get(id);
    if (!shard) return;
    const { clock } = this.#options;
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => (cancel = clock.after(LIMITS.drainMs, resolve)));
    await Promise.race([shard.drain().catch(() => {}), late]);
    cancel();
    this.#drop(id);
  }

  /** The shard ends here. What it held in memory goes to its mailbox, to whoever has it next. */
  #drop(id: string): void {
    const shard = this.#shards.get(id);
    if (!shard) return;
    shard.end();
    this.#calls.release(shard);
    this.#shards.delete(id);
    this.#posting.clear(id);
    for (const sender of this.#shards.values()) {
      for (const envelope of sender.unconfirmed())
        if (receiverOf(envelope) === id) this.#posting.post(id, envelope, sender);
    }
  }

  /** In memory to a shard of this runner, if nothing is before it on the way by mailbox; else that way. */
  #deliver(envelope: Envelope, sender: Shard): void {
    const receiver = receiverOf(envelope);
    const shard = this.#shards.get(receiver);
    if (shard?.takes(envelope)) shard.receive(envelope);
    else this.#posting.post(receiver, envelope, sender);
  }

  #sendAgain(shard: Shard): void {
    for (const envelope of shard.unconfirmed()) this.#deliver(envelope, shard);
  }

  // ---- State -----------------------------------------------------------------------------------

  mailboxMark(shard: string): number {
    return this.#shards.get(shard)?.mailboxMark ?? 0;
  }

  get ready(): boolean {
    if (!this.#started || this.#failed !== null) return false;
    return [...this.#ownerships.values()].every((ownership) => ownership.settled);
  }

  /** Inputs in memory without a turn. */
  get backlog(): number {
    let backlog = 0;
    for (const shard of this.#shards.values()) backlog += shard.backlog;
    return backlog;
  }

  /** Nothing in memory moves, and nothing is being worked on outside. Timers may still be armed. */
  get idle(): boolean {
    if (this.#calls.running > 0 || !this.#posting.idle) return false;
    for (const shard of this.#shards.values()) if (shard.busy) return false;
    return true;
  }

  gauges(): {
    backlog: number;
    calls: number;
    timers: number;
    residents: number;
    unsettled: number;
  } {
    let [residents, unsettled, timers] = [0, 0, 0];
    for (const shard of this.#shards.values()) {
      residents += shard.state.residents.size;
      unsettled += shard.state.unsettled.size;
      timers += shard.timers;
    }
    return {
      backlog: this.backlog,
      calls: this.#calls.running,
      timers,
      residents,
      unsettled,
    };
  }

  hosts(kind: Kind): boolean {
    return this.#options.definitions.has(kind);
  }

  /** Writes what is behind the journals, so that the store alone says it. */
  async flush(): Promise<void> {
    const behind = [...this.#shards.values()].filter((shard) => shard.state.behind > 0);
    await Promise.all(behind.map((shard) => shard.flush()));
  }

  /** Ends in order; what is unfinished stays recorded and goes on at the next start, or elsewhere. */
  async drain(): Promise<void> {
    await Promise.all([...this.#ownerships.values()].map((ownership) => ownership.drain()));
    await Promise.all([...this.#shards.values()].map((shard) => shard.drain()));
    this.#posting.stop();
    this.#calls.stop();
  }

  /** Stops at once, as a crash would, but without leaving timers behind. */
  halt(): void {
    for (const ownership of this.#ownerships.values()) ownership.halt();
    this.#posting.stop();
    this.#calls.stop();
    for (const shard of this.#shards.values()) shard.end();
  }

  #shardHost(): ShardHost {
    const { transport, clock, random, runnerId, shardCount, observers } = this.#options;
    return {
      transport,
      clock,
      random,
      runnerId,
      shardCount,
      actUntil: (id) => this.#ownerships.get(kindOfShard(id))?.until ?? Infinity,
      deliver: (envelope, sender) => this.#deliver(envelope, sender),
      settled: (envelope) => this.#shards.get(envelope.shard ?? "")?.settle(envelope),
      startCall: (definition, order) => this.#calls.start(definition, order),
      cancelCall: (callId) => this.#calls.cancel(callId),
      congested: () => this.#congested(),
      committed: (shard, records) => {
        for (const observer of observers) observer.committed?.(shard, records);
        this.#relieve();
      },
      alarm: (error) => {
        for (const observer of observers) observer.alarm?.(error);
      },
      lost: (shard, error) => this.#lost(shard, error),
    };
  }

  #called(report: CallReport): void {
    for (const observer of this.#options.observers) observer.called?.(report);
    const { actor, call, tenure } = report.order;
    tenure.finishCall(actor, call, report.outcome);
  }

  #congested(): boolean {
    const congested = this.backlog > LIMITS.backlogMax;
    this.#wasCongested ||= congested;
    return congested;
  }

  #relieve(): void {
    if (!this.#wasCongested || this.backlog > LIMITS.backlogMax / 2) return;
    this.#wasCongested = false;
    for (const shard of this.#shards.values()) shard.ring();
  }

  #lost(shard: Shard, error: unknown): void {
    const ownership = this.#ownerships.get(kindOfShard(shard.id));
    if (ownership) {
      this.#tell(shard.id, error);
      return ownership.lost(shard.id);
    }
    if (this.#failed !== null) return;
    this.#failed = error;
    for (const observer of this.#options.observers) observer.lost?.(shard.id, error);
  }

  /** That another owner follows is in the nature of things; any other end of a shard is an alarm. */
  #tell(shard: string, error: unknown): void {
    const known = error instanceof WatchfloorError ? error : unforeseen(shard, error);
    if (known.code !== "fenced" && known.code !== "lease_passed") this.#host.alarm(known);
  }
}

/** Of one shard's log or state, and not of the transport under all of them. */
const SHARD_FAULTS: ReadonlySet<string> = new Set([
  "record_unreadable",
  "value_unreadable",
  "data_newer",
]);

function kindOfShard(id: string): Kind {
  return id.split(".")[0] as Kind;
}

function unforeseen(shard: string, cause: unknown): WatchfloorError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WatchfloorError("data_unusable", { path: shard, why }, { cause });
}
