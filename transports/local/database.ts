/**
 * The boundary of: LMDB. Its tables, what they hold, and the options that decide durability.
 * Keys are UTF-8 text, values are sealed; `mdb_dump -p -s <table>` shows both to people.
 */
import { open, type Database, type RootDatabase } from "lmdb";
import { TABLES, type Table } from "../ports.ts";
import { unusable } from "./failures.ts";

export type Environment = RootDatabase<Buffer, Buffer>;
export type Bytes = Database<Buffer, Buffer>;

export interface Entry {
  readonly key: string;
  readonly sealed: Uint8Array;
}

export interface Tables {
  /**
   * `journal/<shard>` and `mailbox/<shard>` -> last position, which outlives what was trimmed;
   * `epoch/<shard>` -> latest epoch that wrote state.
   */
  readonly lasts: Bytes;
  /** `<shard>/<position, 15 digits>` -> record. */
  readonly journal: Bytes;
  /** `<shard>/<position, 15 digits>` -> envelope. */
  readonly mailbox: Bytes;
  readonly blobs: Bytes;
  readonly state: Readonly<Record<Table, Bytes>>;
}

/** Those of `Tables`, and `meta`, which says what they mean. */
const TABLES_MAX = TABLES.length + 5;
const SEARCH_BYTES_MAX = 1_500;
const BINARY = { encoding: "binary", keyEncoding: "binary" } as const;

export function openEnvironment(path: string, readOnly: boolean): Environment {
  return open<Buffer, Buffer>({
    ...BINARY,
    path,
    readOnly,
    // A directory named `floor.d` is still a directory.
    noSubdir: false,
    maxDbs: TABLES_MAX,
    // A transaction resolves when it is on the disk, not when it is merely visible.
    overlappingSync: false,
    // Its batches would reject a promise that nobody holds when a commit fails.
    eventTurnBatching: false,
    remapChunks: true,
  });
}

/** Names of the tables in an environment, ours or not. */
export function tableNames(env: Environment): readonly string[] {
  return [...env.getKeys({ start: Buffer.from([0]) })].map((key) =>
    Buffer.from(key).toString("utf8").replace(/\0$/, ""),
  );
}

/** Opens a table, made where missing; in a read-only environment a missing one is `data_unusable`. */
export function openTable(env: Environment, path: string, name: string): Bytes {
  // The declaration hides it, but in a read-only environment a missing table is undefined.
  const table: Bytes | undefined = env.openDB<Buffer, Buffer>(name, BINARY);
  if (table === undefined) throw unusable(path, `its data.mdb has no table ${name}`);
  return table;
}

export function openTables(env: Environment, path: string): Tables {
  const state = Object.fromEntries(TABLES.map((name) => [name, openTable(env, path, name)]));
  return {
    lasts: openTable(env, path, "lasts"),
    journal: openTable(env, path, "journal"),
    mailbox: openTable(env, path, "mailbox"),
    blobs: openTable(env, path, "blobs"),
    state: state as Tables["state"],
  };
}

// ---- Reading -----------------------------------------------------------------------------------

export function readSealed(table: Bytes, key: string): Uint8Array | null {
  return table.getBinary(Buffer.from(key)) ?? null;
}

export interface RangeOptions {
  readonly limit?: number;
  readonly reverse?: boolean;
  /** Only what comes after this key in the order of reading. */
  readonly after?: string;
}

/** Entries whose key starts with `prefix`, by one scan of exactly that range. */
export function readRange(table: Bytes, prefix: string, options: RangeOptions = {}): Entry[] {
  const { limit = Infinity, after, reverse = false } = options;
  const low = Buffer.from(prefix);
  const high = endOfPrefix(low);
  // No key is longer, so what is cut off decides nothing; LMDB would refuse to look for it.
  const from = after === undefined ? null : Buffer.from(after).subarray(0, SEARCH_BYTES_MAX);
  const entries: Entry[] = [];
  if (limit <= 0) return entries;
  for (const { key, value } of table.getRange(
    reverse ? down(low, high, from) : up(low, high, from),
  )) {
    // The upper end of a reversed scan is inclusive in LMDB; in ours it never is.
    if (reverse && Buffer.compare(key, least(high, from)) >= 0) continue;
    entries.push({ key: Buffer.from(key).toString("utf8"), sealed: value });
    if (entries.length >= limit) break;
  }
  return entries;
}

function up(low: Buffer, high: Buffer, from: Buffer | null) {
  const behind = from !== null && Buffer.compare(from, low) >= 0;
  return { start: behind ? from : notEmpty(low), end: high, exclusiveStart: behind };
}

function down(low: Buffer, high: Buffer, from: Buffer | null) {
  return { start: least(high, from), end: notEmpty(low), inclusiveEnd: true, reverse: true };
}

function least(high: Buffer, from: Buffer | null): Buffer {
  return from !== null && Buffer.compare(from, high) < 0 ? from : high;
}

/** LMDB has no empty key; the lowest there can be stands for it. */
function notEmpty(key: Buffer): Buffer {
  return key.length === 0 ? Buffer.from([0]) : key;
}

/** The first key after all that start with `prefix`. UTF-8 never holds 0xff, so one byte more is enough. */
function endOfPrefix(prefix: Buffer): Buffer {
  return Buffer.concat([prefix, Buffer.from([0xff])]);
}
