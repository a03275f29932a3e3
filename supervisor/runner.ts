/**
 * The boundary of: one process's actors. Opens the shards of its kinds, carries envelopes between
 * them, runs their calls and timers, and stops in the reverse order.
 *
 * Start: open every shard (claim, tail, companion), write what their tails hold -> send again what is unsettled -> recover calls
 * and timers -> read mailboxes. Stop: mailboxes, then packs in flight, then calls, then the store.
 */
import type { ActorDefinition } from "../actors/define.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress, Envelope, Kind } from "../machines/protocol.ts";
import type { Clock, Random, Transport } from "../transports/ports.ts";
import { CallRunner, type CallOrder, type CallReport } from "./calls.ts";
import { LIMITS } from "./limits.ts";
import { shardOf, shardsOf } from "./placement.ts";
import type { ActorRecord, ArmedTimer, JournalRecord } from "./record.ts";
import { Shard, type ShardHost } from "./shard.ts";
import { receiverOf } from "./state.ts";
import { Timers } from "./timers.ts";

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
  readonly runnerId: string;
  readonly observers: readonly Observer[];
}

export class Runner {
  readonly #options: RunnerOptions;
  readonly #shards = new Map<string, Shard>();
  readonly #calls: CallRunner;
  readonly #timers: Timers;
  #wasCongested = false;
  #started = false;
  #failed: unknown = null;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#calls = new CallRunner(options.clock, (report) => this.#called(report));
    this.#timers = new Timers(options.clock, (actor, timer) =>
      this.#shardFor(actor)?.fire(actor, timer),
    );
    const host = this.#host();
    for (const id of shardsOf([...options.definitions.keys()], options.shardCount)) {
      const definition = options.definitions.get(id.split(".")[0] as Kind)!;
      this.#shards.set(id, new Shard(id, definition, host));
    }
  }

  async start(): Promise<void> {
    const shards = [...this.#shards.values()];
    const recovered = await Promise.all(shards.map((shard) => shard.open()));
    await this.flush();
    for (const shard of shards)
      for (const envelope of shard.state.unsettled.values()) this.#deliver(envelope);
    for (const [index, { waiting }] of recovered.entries()) {
      for (const [actor, record] of waiting) this.#resume(shards[index]!.definition, actor, record);
    }
    this.#started = true;
    for (const shard of shards) shard.begin();
  }

  mailboxMark(shard: string): number {
    return this.#shards.get(shard)?.mailboxMark ?? 0;
  }

  get ready(): boolean {
    return this.#started && this.#failed === null;
  }

  /** Inputs in memory without a turn. */
  get backlog(): number {
    let backlog = 0;
    for (const shard of this.#shards.values()) backlog += shard.backlog;
    return backlog;
  }

  /** Nothing in memory moves, and nothing is being worked on outside. Timers may still be armed. */
  get idle(): boolean {
    if (this.#calls.running > 0) return false;
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
    let [residents, unsettled] = [0, 0];
    for (const { state } of this.#shards.values()) {
      residents += state.residents.size;
      unsettled += state.unsettled.size;
    }
    return {
      backlog: this.backlog,
      calls: this.#calls.running,
      timers: this.#timers.size,
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

  /** Ends in order; what is unfinished stays recorded and goes on at the next start. */
  async drain(): Promise<void> {
    this.#timers.stop();
    await Promise.all([...this.#shards.values()].map((shard) => shard.drain()));
    this.#calls.stop();
  }

  /** Stops at once, as a crash would, but without leaving timers behind. */
  halt(): void {
    this.#timers.stop();
    this.#calls.stop();
    for (const shard of this.#shards.values()) shard.stop();
  }

  #host(): ShardHost {
    const { transport, clock, random, runnerId, shardCount, observers } = this.#options;
    return {
      transport,
      clock,
      random,
      runnerId,
      shardCount,
      deliver: (envelope) => this.#deliver(envelope),
      settled: (envelope) => this.#shards.get(envelope.shard ?? "")?.settle(envelope),
      startCall: (definition, order) => this.#calls.start(definition, order),
      cancelCall: (callId) => this.#calls.cancel(callId),
      setTimers: (actor, timers) => this.#timers.set(actor, timers),
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

  #shardFor(actor: ActorAddress): Shard | undefined {
    return this.#shards.get(shardOf(actor, this.#options.shardCount));
  }

  /** In memory to a shard of this runner; through its mailbox to any other. */
  #deliver(envelope: Envelope): void {
    const receiver = receiverOf(envelope);
    const shard = this.#shards.get(receiver);
    if (shard) return shard.receive(envelope);
    this.#options.transport.mailbox.publish(receiver, [envelope]).then(
      () => this.#shards.get(envelope.shard ?? "")?.settle(envelope),
      (error: unknown) => this.#lost(receiver, error),
    );
  }

  #resume(definition: ActorDefinition, actor: ActorAddress, record: ActorRecord): void {
    this.#timers.set(actor, record.timers as ArmedTimer[]);
    for (const call of record.calls) {
      if (call.kind !== "tool") continue;
      const order: CallOrder = {
        actor,
        call,
        case: record.case,
        traceparent: record.traceparent,
        recovered: true,
      };
      this.#calls.start(definition, order);
    }
  }

  #called(report: CallReport): void {
    for (const observer of this.#options.observers) observer.called?.(report);
    const { actor, call } = report.order;
    this.#shardFor(actor)?.finishCall(actor, call, report.outcome);
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

  #lost(shard: string, error: unknown): void {
    if (this.#failed !== null) return;
    this.#failed = error;
    for (const observer of this.#options.observers) observer.lost?.(shard, error);
  }
}
