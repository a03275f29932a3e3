/**
 * The boundary of: the journal port and LMDB. The fence is here: the last position is read and the
 * records are written in one transaction, which only one process of all can be in.
 */
import type { AppendResult, Journal, Position, ShardId, StoredRecord } from "../ports.ts";
import type { Reader } from "./reader.ts";
import { seal } from "./sealed.ts";
import type { ShardLog } from "./shard-log.ts";
import type { Writer } from "./writer.ts";

export class LocalJournal implements Journal {
  readonly #log: ShardLog;
  readonly #reader: Reader;
  readonly #writer: Writer;

  constructor(log: ShardLog, reader: Reader, writer: Writer) {
    this.#log = log;
    this.#reader = reader;
    this.#writer = writer;
  }

  async append(
    shard: ShardId,
    expected: Position,
    records: readonly string[],
  ): Promise<AppendResult> {
    const sealed = records.map((record) => seal(record));
    const bytes = sealed.reduce((sum, record) => sum + record.length, 0);
    return this.#writer.submit(bytes, () => {
      const last = this.#log.last(shard);
      if (last !== expected) return { appended: false, last };
      return { appended: true, last: this.#log.append(shard, sealed) };
    });
  }

  async read(shard: ShardId, from: Position, limit: number): Promise<readonly StoredRecord[]> {
    return this.#reader.read(() => this.#log.read(shard, from, limit));
  }

  async last(shard: ShardId): Promise<Position> {
    return this.#reader.read(() => this.#log.last(shard));
  }

  async trim(shard: ShardId, below: Position): Promise<void> {
    let done = false;
    while (!done) done = await this.#writer.submit(0, () => this.#log.trimSome(shard, below));
  }
}
