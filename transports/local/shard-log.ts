/**
 * The boundary of: positions and keys. The journal and the mailbox are both logs by shard in one
 * table each; this is the part they share. Everything that changes runs inside a transaction.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Position, ShardId, StoredRecord } from "../ports.ts";
import { readRange, readSealed, type Bytes } from "./database.ts";
import { damagedText, seal, unsealText } from "./sealed.ts";

const POSITION_DIGITS = 15;
/** Bounds the transaction of a trim; the rest follows in further ones. */
const TRIM_ENTRIES_MAX = 2_000;

export class ShardLog {
  readonly #name: "journal" | "mailbox";
  readonly #entries: Bytes;
  readonly #lasts: Bytes;

  constructor(name: "journal" | "mailbox", entries: Bytes, lasts: Bytes) {
    this.#name = name;
    this.#entries = entries;
    this.#lasts = lasts;
  }

  last(shard: ShardId): Position {
    const key = `${this.#name}/${shard}`;
    const sealed = readSealed(this.#lasts, key);
    if (sealed === null) return 0;
    const text = unsealText(sealed);
    return text === null ? this.#lastKept(shard, key) : Number(text);
  }

  /** Position of the oldest entry kept; one past the last when none is. */
  first(shard: ShardId): Position {
    const [entry] = readRange(this.#entries, `${shard}/`, { limit: 1 });
    return entry === undefined ? this.last(shard) + 1 : positionOf(entry.key);
  }

  read(shard: ShardId, from: Position, limit: number): StoredRecord[] {
    const after = keyOf(shard, Math.max(0, from - 1));
    return readRange(this.#entries, `${shard}/`, { after, limit }).map(({ key, sealed }) => {
      const position = positionOf(key);
      const text = unsealText(sealed);
      return text === null ? { position, text, damaged: damagedText(sealed) } : { position, text };
    });
  }

  append(shard: ShardId, sealed: readonly Buffer[]): Position {
    let position = this.last(shard);
    if (sealed.length === 0) return position;
    for (const bytes of sealed) {
      position += 1;
      this.#entries.putSync(Buffer.from(keyOf(shard, position)), bytes);
    }
    this.#lasts.putSync(Buffer.from(`${this.#name}/${shard}`), seal(String(position)));
    return position;
  }

  /** Removes entries below `below`, a bounded number of them; true when none is left. */
  trimSome(shard: ShardId, below: Position): boolean {
    const start = Buffer.from(keyOf(shard, 0));
    const end = Buffer.from(keyOf(shard, Math.max(0, below)));
    const keys = [...this.#entries.getKeys({ start, end, limit: TRIM_ENTRIES_MAX })];
    for (const key of keys) this.#entries.removeSync(Buffer.from(key));
    return keys.length < TRIM_ENTRIES_MAX;
  }

  /** The number itself was damaged: the newest entry knows it as well, while there is one. */
  #lastKept(shard: ShardId, key: string): Position {
    const [entry] = readRange(this.#entries, `${shard}/`, { limit: 1, reverse: true });
    if (entry !== undefined) return positionOf(entry.key);
    throw new WatchfloorError("value_unreadable", { table: "lasts", key });
  }
}

function keyOf(shard: ShardId, position: Position): string {
  return `${shard}/${String(position).padStart(POSITION_DIGITS, "0")}`;
}

function positionOf(key: string): Position {
  return Number(key.slice(-POSITION_DIGITS));
}
