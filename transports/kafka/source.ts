/**
 * The boundary of: a Kafka topic and the watch floor. A member of a consumer group that reads, hands
 * on, and begins anew whatever happens: a broker that is gone, a topic that is not there yet, a
 * partition that vanishes. None of it loses a record, for nothing is committed before it is taken;
 * and none of it touches what the floor already has.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import type { Clock } from "../ports.ts";
import type { EventLog } from "./event-log.ts";
import { Pauses } from "./pauses.ts";
import { Lane, type LaneObserver } from "./lane.ts";

export interface KafkaObserver extends LaneObserver {
  /** A member of the group, with these partitions; none when there are more members than partitions. */
  up(partitions: readonly number[]): void;
  /** Not reading; tried again until `close`. */
  down(error: WatchfloorError): void;
  /** Something to know that stops nothing. */
  alarm(error: WatchfloorError): void;
}

export interface KafkaSourceOptions {
  readonly topic: string;
  readonly brokers: string;
  readonly deadLetterTopic: string;
  readonly clock: Clock;
  /** A new member; each is used until it fails. */
  open(): EventLog;
  /** Resolves when the events are durable. */
  accept(events: readonly FalcoEvent[]): Promise<void>;
  readonly observer: KafkaObserver;
}

export interface KafkaSource {
  /** Takes nothing new, lets what is under way be committed for at most `graceMs`, and leaves. */
  close(graceMs: number): Promise<void>;
}

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5_000;
/** How often the topic's partitions are counted. */
const CENSUS_MS = 2_000;

export function startKafkaSource(options: KafkaSourceOptions): KafkaSource {
  const source = new Source(options);
  const running = source.run();
  return {
    close: async (graceMs) => {
      await source.close(graceMs);
      await running;
    },
  };
}

class Source {
  readonly #options: KafkaSourceOptions;
  readonly #lanes = new Map<number, Lane>();
  #log: EventLog | null = null;
  /** Partitions at the last count. */
  #known = 0;
  #retryMs = RETRY_MS_MIN;
  #closing = false;
  readonly #pauses: Pauses;

  constructor(options: KafkaSourceOptions) {
    this.#options = options;
    this.#pauses = new Pauses(options.clock);
  }

  async run(): Promise<void> {
    const { observer } = this.#options;
    while (!this.#closing) {
      const log = this.#options.open();
      this.#log = log;
      try {
        await this.#readUntilItEnds(log);
      } catch (error) {
        if (!this.#closing) observer.down(asNamed(error));
      }
      this.#release();
      await log.close();
      await this.#pauses.wait(this.#retryMs);
      this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
    }
  }

  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    const lanes = [...this.#lanes.values()];
    const grace = new Pauses(this.#options.clock);
    void Promise.all(lanes.map((lane) => lane.settled())).then(() => grace.end());
    await grace.wait(graceMs);
    grace.end();
    this.#release();
    this.#pauses.end();
    await this.#log?.close();
  }

  async #readUntilItEnds(log: EventLog): Promise<void> {
    const { topic, observer } = this.#options;
    await this.#count(log);
    await this.#prepareDeadLetters(log);
    const census = this.#keepCounting(log);
    const reading = log.read({
      assigned: (partitions) => {
        this.#assign(log, partitions);
        this.#retryMs = RETRY_MS_MIN;
        observer.up(partitions);
      },
      take: async (batch) => {
        const lane = this.#lanes.get(batch.partition);
        if (!lane || this.#closing) throw letGo();
        await lane.take(batch);
      },
      offsetLost: (partition) =>
        observer.alarm(new WatchfloorError("kafka_offset_lost", { topic, partition })),
    });
    // Whichever ends first, the other's end is nobody's news.
    reading.catch(() => {});
    census.catch(() => {});
    await Promise.race([reading, census]);
  }

  /** A record that is no event needs its place before the first one comes. */
  async #prepareDeadLetters(log: EventLog): Promise<void> {
    const { deadLetterTopic, observer } = this.#options;
    try {
      if ((await log.partitions(deadLetterTopic)) === 0) await log.create(deadLetterTopic);
    } catch (error) {
      // Perhaps it may be written and not made by us; if not, the first that is needed waits there.
      observer.alarm(asNamed(error));
    }
  }

  async #keepCounting(log: EventLog): Promise<void> {
    for (;;) {
      await this.#pauses.wait(CENSUS_MS);
      if (this.#closing || this.#log !== log) return;
      try {
        await this.#count(log);
      } catch (error) {
        const { code } = asNamed(error);
        // Of anything else the reading itself says so, or it goes on well.
        if (code === "kafka_topic_missing" || code === "kafka_partition_lost") throw error;
      }
    }
  }

  /** @throws `kafka_topic_missing`, `kafka_partition_lost` once for each time that there are fewer */
  async #count(log: EventLog): Promise<void> {
    const { topic, brokers } = this.#options;
    const now = await log.partitions(topic);
    if (now === 0) throw new WatchfloorError("kafka_topic_missing", { topic, brokers });
    const before = this.#known;
    this.#known = now;
    if (now < before) throw new WatchfloorError("kafka_partition_lost", { topic, before, now });
  }

  /** What was under way in a lane before goes on, and is read again here: the gate knows repeats. */
  #assign(log: EventLog, partitions: readonly number[]): void {
    this.#release();
    const { topic, deadLetterTopic, clock, observer } = this.#options;
    for (const partition of partitions) {
      const shape = { topic, partition, deadLetterTopic, log, clock, observer };
      this.#lanes.set(
        partition,
        new Lane({ ...shape, accept: (events) => this.#options.accept(events) }),
      );
    }
  }

  #release(): void {
    for (const lane of this.#lanes.values()) lane.end();
    this.#lanes.clear();
  }
}

function letGo(): WatchfloorError {
  return new WatchfloorError("kafka_failed", { why: "the source closes" });
}

function asNamed(error: unknown): WatchfloorError {
  if (error instanceof WatchfloorError) return error;
  return new WatchfloorError("kafka_failed", { why: "unexpectedly" }, { cause: error });
}
