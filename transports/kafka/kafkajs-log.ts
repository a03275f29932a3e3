/**
 * The boundary of: the event log port and kafkajs 2.2.4. One member of one consumer group on one
 * topic. kafkajs reads ahead and rejoins; whether what it read was taken is not its business here,
 * so it commits nothing by itself.
 */
import {
  Kafka,
  logLevel,
  type Admin,
  type Consumer,
  type EachBatchPayload,
  type KafkaConfig,
  type LogEntry,
  type Producer,
} from "kafkajs";
import type { EventLog, LogBatch, LogReader, LogRecord } from "./event-log.ts";
import { isOvertaken, isTopicMissing, namedFailure, type Place } from "./failures.ts";

/** PEM texts; null trusts what the system trusts, or shows no certificate. */
export interface KafkaTls {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

export interface KafkaSasl {
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  readonly username: string;
  readonly password: string;
}

export interface KafkaOptions {
  /** `host:port` */
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly group: string;
  readonly tls: KafkaTls | null;
  readonly sasl: KafkaSasl | null;
  /** A member that is silent for this long is dead to its group. */
  readonly sessionTimeoutMs: number;
}

const CLIENT_ID = "watchfloor";
const CONNECT_MS_MAX = 5_000;
const REQUEST_MS_MAX = 20_000;
/** How long the broker may hold a fetch that finds nothing; a paused partition is looked at as often. */
const FETCH_WAIT_MS = 250;
/** After this long a new partition is seen, and the group shares it out. */
const METADATA_MS_MAX = 30_000;
/** What one fetch brings of a partition: some 700 events. */
const PARTITION_BYTES_MAX = 1024 * 1024;
const FETCH_BYTES_MAX = 8 * 1024 * 1024;
/** Short: who reads starts anew with what is known to have been taken, and says why meanwhile. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4 };
/** What kafkajs says, only in its log, when it moves a partition to the oldest record left. */
const OFFSET_RESET = "Offset out of range, resetting to default offset";

export function openKafkaLog(options: KafkaOptions): EventLog {
  return new KafkaLog(options);
}

function clientConfig({ brokers, tls, sasl }: KafkaOptions): KafkaConfig {
  return {
    clientId: CLIENT_ID,
    brokers: [...brokers],
    connectionTimeout: CONNECT_MS_MAX,
    authenticationTimeout: CONNECT_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    enforceRequestTimeout: true,
    retry: RETRY,
    ...(tls === null
      ? {}
      : {
          ssl: {
            minVersion: "TLSv1.2" as const,
            ...(tls.ca === null ? {} : { ca: [tls.ca] }),
            ...(tls.cert === null ? {} : { cert: tls.cert }),
            ...(tls.key === null ? {} : { key: tls.key }),
          },
        }),
    ...(sasl === null ? {} : { sasl: { ...sasl } as NonNullable<KafkaConfig["sasl"]> }),
  };
}

class KafkaLog implements EventLog {
  readonly #options: KafkaOptions;
  readonly #place: Place;
  readonly #kafka: Kafka;
  readonly #consumer: Consumer;
  #admin: Promise<Admin> | null = null;
  #producer: Promise<Producer> | null = null;
  #reader: LogReader | null = null;
  #end = (): void => {};

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#place = { brokers: options.brokers.join(", "), topic: options.topic };
    this.#kafka = new Kafka({
      ...clientConfig(options),
      // Its log quotes whatever a broker answers. One entry matters, and it has no other form.
      logLevel: logLevel.ERROR,
      logCreator: () => (entry) => this.#logged(entry),
    });
    this.#consumer = this.#kafka.consumer({
      groupId: options.group,
      allowAutoTopicCreation: false,
      sessionTimeout: options.sessionTimeoutMs,
      heartbeatInterval: Math.floor(options.sessionTimeoutMs / 4),
      metadataMaxAge: METADATA_MS_MAX,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      maxBytesPerPartition: PARTITION_BYTES_MAX,
      maxBytes: FETCH_BYTES_MAX,
      // A crash is ours to name and to wait after.
      retry: { ...RETRY, restartOnFailure: () => Promise.resolve(false) },
    });
  }

  async partitions(topic: string): Promise<number> {
    try {
      const { topics } = await (await this.#administer()).fetchTopicMetadata({ topics: [topic] });
      return topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
    } catch (error) {
      if (isTopicMissing(error)) return 0;
      throw namedFailure(error, this.#place);
    }
  }

  async create(topic: string): Promise<void> {
    try {
      await (await this.#administer()).createTopics({ topics: [{ topic, numPartitions: 1 }] });
    } catch (error) {
      throw namedFailure(error, { ...this.#place, topic });
    }
  }

  async read(reader: LogReader): Promise<void> {
    const { topic } = this.#options;
    const consumer = this.#consumer;
    this.#reader = reader;
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = resolve;
      consumer.on("consumer.crash", ({ payload }) =>
        reject(namedFailure(payload.error, this.#place)),
      );
    });
    // It may end before anybody waits for it.
    ended.catch(() => {});
    consumer.on("consumer.group_join", ({ payload }) =>
      reader.assigned(payload.memberAssignment[topic] ?? []),
    );
    try {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: (payload) => this.#take(reader, payload),
      });
    } catch (error) {
      throw namedFailure(error, this.#place);
    }
    await ended;
  }

  async commit(partition: number, nextOffset: string): Promise<void> {
    const { topic } = this.#options;
    try {
      await this.#consumer.commitOffsets([{ topic, partition, offset: nextOffset }]);
    } catch (error) {
      if (!isOvertaken(error)) throw namedFailure(error, this.#place);
    }
  }

  pause(partition: number): void {
    this.#consumer.pause([{ topic: this.#options.topic, partitions: [partition] }]);
  }

  resume(partition: number): void {
    this.#consumer.resume([{ topic: this.#options.topic, partitions: [partition] }]);
  }

  async append(topic: string, records: readonly Omit<LogRecord, "offset">[]): Promise<void> {
    const messages = records.map(({ key, value, headers }) => ({
      key: key === null ? null : Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, text]) => [
          name,
          typeof text === "string" ? text : Buffer.from(text),
        ]),
      ),
    }));
    try {
      await (await this.#produce()).send({ topic, acks: -1, messages });
    } catch (error) {
      // The next one connects anew; this one may never have.
      const broken = this.#producer;
      this.#producer = null;
      void broken?.then((producer) => producer.disconnect()).catch(() => {});
      throw namedFailure(error, { ...this.#place, topic });
    }
  }

  async close(): Promise<void> {
    this.#end();
    const closing = [this.#consumer.disconnect()];
    for (const opened of [this.#admin, this.#producer]) {
      if (opened) closing.push(opened.then((client) => client.disconnect()));
    }
    // What cannot be said goodbye to is gone already.
    await Promise.allSettled(closing);
  }

  async #take(reader: LogReader, payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const last = batch.messages.at(-1);
    if (last === undefined || !payload.isRunning() || payload.isStale()) return;
    const taken: LogBatch = {
      partition: batch.partition,
      records: batch.messages as unknown as readonly LogRecord[],
      nextOffset: String(BigInt(batch.lastOffset()) + 1n),
      lag: Number(batch.offsetLag()),
      alive: () => payload.heartbeat(),
    };
    await reader.take(taken);
    payload.resolveOffset(last.offset);
    await payload.heartbeat();
  }

  #logged({ log }: LogEntry): void {
    if (log.message !== OFFSET_RESET) return;
    const { partition } = log as unknown as { readonly partition: number };
    this.#reader?.offsetLost(partition);
  }

  #administer(): Promise<Admin> {
    return (this.#admin ??= connected(this.#kafka.admin()));
  }

  #produce(): Promise<Producer> {
    return (this.#producer ??= connected(
      this.#kafka.producer({ allowAutoTopicCreation: false, retry: RETRY }),
    ));
  }
}

async function connected<T extends { connect(): Promise<void> }>(client: T): Promise<T> {
  await client.connect();
  return client;
}
