/**
 * The boundary of: the Kafka source and the client it is read with. Types only: a client that keeps
 * these promises can take kafkajs' place.
 */

/** One record of an event log (a Kafka topic), as it lies there. */
export interface LogRecord {
  /** Decimal; rises within its partition, with gaps where the log was compacted. */
  readonly offset: string;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, string | Uint8Array>>;
}

/** Records of one partition, in order, never none. */
export interface LogBatch {
  readonly partition: number;
  readonly records: readonly LogRecord[];
  /** What a commit means once all of these are taken. */
  readonly nextOffset: string;
  /** Records of the partition that lie after these. */
  readonly lag: number;
  /** Keeps this member in its group while a batch is waited for. Rejects once the batch is not ours. */
  alive(): Promise<void>;
}

export interface LogReader {
  /** These partitions are ours from now on, read from their committed offsets; called on each change. */
  assigned(partitions: readonly number[]): void;
  /** One at a time for each partition. The log is read on past the batch once this resolves. */
  take(batch: LogBatch): Promise<void>;
  /** The committed offset of a partition is gone (retention): it is read on from what is left. */
  offsetLost(partition: number): void;
}

/**
 * One member of a consumer group on one topic. Reading on and committing are apart: what was read
 * and not committed is read again by the next owner. Failures are WatchfloorErrors `kafka_*`.
 */
export interface EventLog {
  /** Partitions of the topic; 0 when there is no such topic. */
  partitions(topic: string): Promise<number>;
  /** Makes the topic if there is none. */
  create(topic: string): Promise<void>;
  /** Reads until `close`; rejects when it cannot go on, and is of no use then. */
  read(reader: LogReader): Promise<void>;
  /** Durable when it resolves. One that a rebalance overtakes is dropped: it is the next owner's. */
  commit(partition: number, nextOffset: string): Promise<void>;
  /** Reads no further ahead in this partition. */
  pause(partition: number): void;
  resume(partition: number): void;
  /** Durable on all replicas in sync when it resolves. */
  append(topic: string, records: readonly Omit<LogRecord, "offset">[]): Promise<void>;
  /** Leaves the group. */
  close(): Promise<void>;
}
