/**
 * The boundary of: the journal port and one stream a kind. What is appended together is one message,
 * a record a line; its headers say which positions it holds. The condition of an append is the
 * sequence of the subject's last message, always taken from an acknowledgement or a read; the server
 * stores it with the message, so that each names its predecessor and a fork is seen by any reader.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { AppendResult, Journal, Position, ShardId, StoredRecord } from "../ports.ts";
import type { Gate } from "./gate.ts";
import { journalStream, journalSubject, kindOfShard } from "./names.ts";
import type { Message, Sequence, Server } from "./server.ts";

const FIRST = "Watchfloor-First";
const LAST = "Watchfloor-Last";
const PREDECESSOR = "Nats-Expected-Last-Subject-Sequence";
/** Positions are found without reading from the start within this many newest messages. */
const PACKS_KEPT_MAX = 4_096;
const PAYLOAD_SHARE = 0.95;
/** Each takes two round trips, in which what is under way is decided. */
const REFUSALS_MAX = 50;

interface Pack {
  readonly seq: Sequence;
  readonly first: Position;
  readonly last: Position;
}

const EMPTY: Pack = { seq: 0, first: 1, last: 0 };

export class NatsJournal implements Journal {
  readonly #gate: Gate;
  /** Messages seen of each shard, in order; the last one is the newest that is known. */
  readonly #seen = new Map<ShardId, Pack[]>();

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  /** Of the server's limit; the rest is for headers. */
  get appendBytesMax(): number {
    return Math.floor(this.#gate.common.maxPayload * PAYLOAD_SHARE);
  }

  async append(
    shard: ShardId,
    expected: Position,
    records: readonly string[],
  ): Promise<AppendResult> {
    const texts = [...records];
    return this.#gate.run(kindOfShard(shard), async (server) => {
      let head = this.#known(shard);
      if (head?.last !== expected || texts.length === 0) head = await this.#head(server, shard);
      if (head.last !== expected) return { appended: false, last: head.last };
      if (texts.length === 0) return { appended: true, last: expected };
      return this.#append(server, shard, head, texts);
    });
  }

  /**
   * A cluster refuses an append while another with the same expectation is under way, which may yet
   * come to nothing: the same bytes are sent again until one of both is in the log.
   */
  async #append(
    server: Server,
    shard: ShardId,
    head: Pack,
    texts: readonly string[],
  ): Promise<AppendResult> {
    for (let attempt = 1; attempt <= REFUSALS_MAX; attempt += 1) {
      const seq = await this.#publish(server, shard, head, texts);
      if (seq !== null) {
        const last = head.last + texts.length;
        this.#see(shard, { seq, first: head.last + 1, last });
        return { appended: true, last };
      }
      const now = await this.#head(server, shard);
      if (now.last > head.last) return { appended: false, last: now.last };
    }
    throw new WatchfloorError("append_unanswered", { shard });
  }

  async read(shard: ShardId, from: Position, limit: number): Promise<readonly StoredRecord[]> {
    return this.#gate.run(kindOfShard(shard), async (server) => {
      const records: StoredRecord[] = [];
      let seq = this.#before(shard, from)?.seq ?? 1;
      let before: Pack | null = null;
      while (records.length < limit) {
        const message = await this.#next(server, shard, seq);
        if (message === null) break;
        const pack = packOf(shard, message);
        if (before) checkChain(shard, before, pack, message);
        this.#see(shard, pack);
        records.push(...recordsIn(pack, message, from).slice(0, limit - records.length));
        before = pack;
        seq = pack.seq + 1;
      }
      return records;
    });
  }

  async last(shard: ShardId): Promise<Position> {
    return this.#gate.run(
      kindOfShard(shard),
      async (server) => (await this.#head(server, shard)).last,
    );
  }

  async trim(shard: ShardId, below: Position): Promise<void> {
    return this.#gate.run(kindOfShard(shard), async (server) => {
      const kept = await this.#firstKept(server, shard, below);
      if (kept === null) return;
      await server.purge(journalStream(kindOfShard(shard)), journalSubject(shard), kept.seq);
      const seen = this.#seen.get(shard);
      if (seen)
        seen.splice(
          0,
          seen.findIndex(({ seq }) => seq >= kept.seq),
        );
    });
  }

  // ---- The server ------------------------------------------------------------------------------

  async #publish(
    server: Server,
    shard: ShardId,
    head: Pack,
    texts: readonly string[],
  ): Promise<Sequence | null> {
    const kind = kindOfShard(shard);
    const headers = {
      "Watchfloor-Kind": kind,
      [FIRST]: String(head.last + 1),
      [LAST]: String(head.last + texts.length),
    };
    try {
      const data = Buffer.from(texts.join("\n"));
      return await server.publish(journalSubject(shard), data, { headers, expected: head.seq });
    } catch (error) {
      const unanswered = error instanceof WatchfloorError && error.code === "nats_unanswered";
      throw unanswered
        ? new WatchfloorError("append_unanswered", { shard }, { cause: error })
        : error;
    }
  }

  async #head(server: Server, shard: ShardId): Promise<Pack> {
    const subject = journalSubject(shard);
    const message = await server.last(journalStream(kindOfShard(shard)), subject);
    if (message === null) return EMPTY;
    const pack = packOf(shard, message);
    this.#see(shard, pack);
    return pack;
  }

  /** The next message of a shard, checked to follow the one before it. */
  async #next(server: Server, shard: ShardId, from: Sequence): Promise<Message | null> {
    const subject = journalSubject(shard);
    return server.next(journalStream(kindOfShard(shard)), subject, from);
  }

  /** The message that holds `below`, or the newest; null where nothing is before it. */
  async #firstKept(server: Server, shard: ShardId, below: Position): Promise<Pack | null> {
    if (below <= 1) return null;
    const seen = this.#seen.get(shard) ?? [];
    const known = seen.find(({ last }) => last >= below);
    if (known && known.first <= below) return known;
    let kept: Pack | null = null;
    for (let seq = 1; ; seq = kept.seq + 1) {
      const message = await this.#next(server, shard, seq);
      if (message === null) return kept;
      kept = packOf(shard, message);
      this.#see(shard, kept);
      if (kept.last >= below) return kept;
    }
  }

  // ---- What is known ---------------------------------------------------------------------------

  #known(shard: ShardId): Pack | undefined {
    return this.#seen.get(shard)?.at(-1);
  }

  /** The last message known that begins at or before a position. */
  #before(shard: ShardId, from: Position): Pack | null {
    return this.#seen.get(shard)?.findLast(({ first }) => first <= from) ?? null;
  }

  #see(shard: ShardId, pack: Pack): void {
    const seen = this.#seen.get(shard) ?? [];
    this.#seen.set(shard, seen);
    const at = seen.findLastIndex(({ seq }) => seq <= pack.seq);
    if (seen[at]?.seq === pack.seq) return;
    seen.splice(at + 1, 0, pack);
    if (seen.length > PACKS_KEPT_MAX) seen.shift();
  }
}

function packOf(shard: ShardId, { seq, headers, subject }: Message): Pack {
  const [first, last] = [Number(headers[FIRST]), Number(headers[LAST])];
  if (Number.isSafeInteger(first) && Number.isSafeInteger(last) && first <= last)
    return { seq, first, last };
  throw new WatchfloorError("nats_foreign", { target: subject, seq, shard });
}

/**
 * Two messages that name one predecessor are two owners' words. A message that is missing in between
 * may have been trimmed meanwhile: whoever reads sees the hole in the positions.
 */
function checkChain(shard: ShardId, before: Pack, pack: Pack, { headers }: Message): void {
  const hole = pack.first > before.last + 1;
  if (hole || (pack.first === before.last + 1 && Number(headers[PREDECESSOR]) === before.seq))
    return;
  throw new WatchfloorError("journal_forked", { shard, position: pack.first, seq: pack.seq });
}

function recordsIn({ first, last }: Pack, { data }: Message, from: Position): StoredRecord[] {
  const lines = Buffer.from(data).toString("utf8").split("\n");
  // A message whose content was changed by hand has no record that can be told from another.
  const whole = lines.length === last - first + 1;
  return Array.from({ length: last - first + 1 }, (_, n) => ({
    position: first + n,
    text: whole ? (lines[n] ?? null) : null,
  })).filter(({ position }) => position >= from);
}
