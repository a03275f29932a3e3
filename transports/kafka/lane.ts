/**
 * The boundary of: one partition and the gate. Batches are taken in order, and an offset is committed
 * only when every record before it is durable here or a dead letter there. While one batch is on its
 * way to the disk the next is already parsed; no more than these two are held.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import type { Clock } from "../ports.ts";
import type { EventLog, LogBatch } from "./event-log.ts";
import { Pauses } from "./pauses.ts";
import { sortRecords, type Sorted } from "./records.ts";

/** Told of what happens to a partition. Must not throw. */
export interface LaneObserver {
  /** Durable and committed: how many became events, and what still lies after them. */
  taken(partition: number, events: number, lag: number): void;
  /** One record became a dead letter. */
  refused(partition: number, error: WatchfloorError): void;
  /** Reading stopped until what is held was taken, or goes on again. */
  paused(partition: number, paused: boolean): void;
}

export interface LaneOptions {
  readonly topic: string;
  readonly partition: number;
  readonly deadLetterTopic: string;
  readonly log: EventLog;
  readonly clock: Clock;
  /** Resolves when the events are durable. A retryable rejection is waited out, any other ends it. */
  accept(events: readonly FalcoEvent[]): Promise<void>;
  readonly observer: LaneObserver;
}

const WAIT_MS_MIN = 50;
const WAIT_MS_MAX = 2_000;
/** While a batch waits for the one before it, its group hears of us this often. */
const ALIVE_MS = 1_000;

export class Lane {
  readonly #options: LaneOptions;
  /** Settles when the last batch is taken and committed; rejects when it cannot be. */
  #taking: Promise<void> = Promise.resolve();
  readonly #pauses: Pauses;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#pauses = new Pauses(options.clock);
  }

  /** Resolves when the next batch may come. Rejects when this one or one before it was not taken. */
  async take(batch: LogBatch): Promise<void> {
    const { topic, partition } = this.#options;
    const sorted = sortRecords(topic, partition, batch.records);
    await this.#turn(batch);
    this.#taking = this.#settle(batch, sorted);
    // Whoever comes next hears of it.
    this.#taking.catch(() => {});
  }

  /** Commits nothing from now on: the partition is another's, or this member leaves. */
  end(): void {
    this.#pauses.end();
  }

  /** Resolves when nothing of this lane is under way. */
  async settled(): Promise<void> {
    await this.#taking.catch(() => {});
  }

  /** Waits for the batch before; its failure is this one's, and so is the loss of the partition. */
  async #turn(batch: LogBatch): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let over = false;
      let cancel = (): void => {};
      const end = (settle: () => void): void => {
        over = true;
        cancel();
        settle();
      };
      const fail = (error: unknown): void => end(() => reject(error));
      const beat = (): void => {
        if (over) return;
        const alive = (): void => void batch.alive().then(beat, fail);
        cancel = this.#options.clock.after(ALIVE_MS, alive);
      };
      this.#taking.then(() => end(resolve), fail);
      beat();
    });
    this.#assertOpen();
  }

  async #settle(batch: LogBatch, { events, dead }: Sorted): Promise<void> {
    const { partition, deadLetterTopic, log, observer } = this.#options;
    if (events.length > 0) await this.#patiently(() => this.#options.accept(events));
    if (dead.length > 0) {
      await this.#patiently(() =>
        log.append(
          deadLetterTopic,
          dead.map(({ record }) => record),
        ),
      );
      for (const { error } of dead) observer.refused(partition, error);
    }
    if (this.#pauses.ended) return;
    await log.commit(partition, batch.nextOffset);
    observer.taken(partition, events.length, batch.lag);
  }

  /** Tries until it is done; nothing more is read of this partition meanwhile. */
  async #patiently(work: () => Promise<void>): Promise<void> {
    let waitMs = WAIT_MS_MIN;
    let paused = false;
    for (;;) {
      try {
        await work();
        if (paused) this.#pause(false);
        return;
      } catch (error) {
        if (!(error instanceof WatchfloorError) || !error.retryable) throw error;
        if (!paused) this.#pause(true);
        paused = true;
        await this.#pauses.wait(Math.max(waitMs, error.retryAfterMs ?? 0));
        waitMs = Math.min(WAIT_MS_MAX, waitMs * 2);
        this.#assertOpen();
      }
    }
  }

  #pause(paused: boolean): void {
    const { log, partition, observer } = this.#options;
    if (this.#pauses.ended) return;
    if (paused) log.pause(partition);
    else log.resume(partition);
    observer.paused(partition, paused);
  }

  #assertOpen(): void {
    if (!this.#pauses.ended) return;
    throw new WatchfloorError("kafka_failed", { why: "the partition was let go" });
  }
}
