/**
 * The boundary of: the mailbox port and LMDB.
 */
import type { Envelope } from "../../machines/protocol.ts";
import type { Bells } from "../bells.ts";
import type { Mailbox, MailboxEntry, Position, ShardId } from "../ports.ts";
import type { Reader } from "./reader.ts";
import { seal } from "./sealed.ts";
import type { ShardLog } from "./shard-log.ts";
import type { Writer } from "./writer.ts";

export class LocalMailbox implements Mailbox {
  readonly #log: ShardLog;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #bells: Bells;

  constructor(log: ShardLog, reader: Reader, writer: Writer, bells: Bells) {
    this.#log = log;
    this.#reader = reader;
    this.#writer = writer;
    this.#bells = bells;
  }

  async publish(shard: ShardId, envelopes: readonly Envelope[]): Promise<Position> {
    const sealed = envelopes.map((envelope) => seal(JSON.stringify(envelope)));
    const bytes = sealed.reduce((sum, envelope) => sum + envelope.length, 0);
    const last = await this.#writer.submit(bytes, () => this.#log.append(shard, sealed));
    if (sealed.length > 0) this.#bells.published(shard, last);
    return last;
  }

  async read(shard: ShardId, after: Position, limit: number): Promise<readonly MailboxEntry[]> {
    const entries = await this.#reader.read(() => this.#log.read(shard, after + 1, limit));
    return entries.map(({ position, text }) => ({
      position,
      envelope: text === null ? null : (JSON.parse(text) as Envelope),
    }));
  }

  async depth(shard: ShardId, after: Position): Promise<number> {
    return this.#reader.read(() => {
      const from = Math.max(after + 1, this.#log.first(shard));
      return Math.max(0, this.#log.last(shard) - from + 1);
    });
  }

  async trim(shard: ShardId, upTo: Position): Promise<void> {
    let done = false;
    while (!done) done = await this.#writer.submit(0, () => this.#log.trimSome(shard, upTo + 1));
  }

  subscribe(shard: ShardId, ring: () => void): () => void {
    return this.#bells.subscribe(shard, ring);
  }
}
