/**
 * The boundary of: a runner and the disk below it. An embedded store (LMDB): a journal, a mailbox
 * and the state tables in one file, written by one queue, every acknowledgement on the disk.
 *
 * A runner holds the data from open to close. A command reads beside it (`readOnly`), or, when no
 * runner is there, writes in moments of its own (`lock: false`).
 * Order of closing: the bells, so that nobody is woken; the queue, so that what was submitted is
 * settled; the database; the lock last, because it promises that nobody else is in there.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import { Bells } from "../bells.ts";
import type { Clock, Transport } from "../ports.ts";
import {
  openEnvironment,
  openTable,
  openTables,
  readSealed,
  tableNames,
  type Bytes,
  type Environment,
  type Tables,
} from "./database.ts";
import { checkAccess, prepareDirectory } from "./directory.ts";
import { namedFailure, NO_DATA, unusable } from "./failures.ts";
import { LocalJournal } from "./journal.ts";
import { takeLock } from "./lock.ts";
import { LocalMailbox } from "./mailbox.ts";
import { Reader } from "./reader.ts";
import { seal, unsealText } from "./sealed.ts";
import { ShardLog } from "./shard-log.ts";
import { LocalStore } from "./store.ts";
import { Writer } from "./writer.ts";

/** Of everything in the directory. A change that an older version would misread raises it. */
const FORMAT = 1;

export interface LocalOptions {
  /** The data directory; made with mode 0700 where missing. */
  readonly path: string;
  /** Shards a kind, fixed at first start; null takes what is there and makes nothing. */
  readonly shardCount: number | null;
  readonly clock: Clock;
  /** Reads beside whoever writes; every write is refused. Makes nothing. */
  readonly readOnly?: boolean;
  /** false: takes the lock for each transaction only; a write while a runner runs is `data_in_use`. */
  readonly lock?: boolean;
}

export interface LocalTransport extends Transport {
  readonly name: "local";
  readonly shardCount: number;
  /** Wall clock of the first start, ms since the epoch. */
  readonly createdAt: number;
}

type Release = () => void;
const NOTHING: Release = () => {};

/**
 * Errors: `data_in_use`, `data_newer`, `shards_changed`, `data_unusable`, `disk_full`.
 */
export async function openLocal(options: LocalOptions): Promise<LocalTransport> {
  const { path, shardCount, clock, readOnly = false, lock = true } = options;
  let release = NOTHING;
  let env: Environment | null = null;
  try {
    prepareDirectory(path, shardCount !== null && !readOnly);
    if (!readOnly) release = await takeLock(path, !lock, clock);
    checkAccess(path, readOnly);
    env = openEnvironment(path, readOnly);
    const opened = openData(env, options);
    if (!lock) {
      release();
      release = NOTHING;
    }
    return assemble({ ...opened, options, env, release });
  } catch (error) {
    await env?.close();
    release();
    throw await namedFailure(path, error);
  }
}

// ---- What is on the disk -----------------------------------------------------------------------

interface Opened extends Origin {
  readonly tables: Tables;
}

interface Origin {
  readonly shardCount: number;
  readonly createdAt: number;
}

function openData(env: Environment, options: LocalOptions): Opened {
  const names = tableNames(env);
  if (names.length > 0 && !names.includes("meta")) {
    throw unusable(options.path, "its data.mdb is the database of another program");
  }
  // One transaction, so that a first start that is cut off leaves either nothing or everything.
  const opening = () => openChecked(env, options);
  return options.readOnly === true ? opening() : env.transactionSync(opening);
}

/** Reads what the data says of itself before anything else is made in it. */
function openChecked(env: Environment, options: LocalOptions): Opened {
  const meta = openTable(env, options.path, "meta");
  if (readSealed(meta, "format") === null) writeOrigin(meta, options);
  const origin = checkedOrigin(meta, options);
  return { ...origin, tables: openTables(env, options.path) };
}

function writeOrigin(meta: Bytes, { path, shardCount, clock, readOnly }: LocalOptions): void {
  if (shardCount === null || readOnly === true) throw unusable(path, NO_DATA);
  meta.putSync(Buffer.from("format"), seal(String(FORMAT)));
  meta.putSync(Buffer.from("shardCount"), seal(String(shardCount)));
  meta.putSync(Buffer.from("createdAt"), seal(String(clock.now())));
}

function checkedOrigin(meta: Bytes, { path, shardCount: wanted }: LocalOptions): Origin {
  const found = numberIn(meta, "format", path);
  if (found > FORMAT) throw new WatchfloorError("data_newer", { path, found, known: FORMAT });
  const shardCount = numberIn(meta, "shardCount", path);
  if (wanted !== null && wanted !== shardCount) {
    throw new WatchfloorError("shards_changed", { path, found: shardCount, wanted });
  }
  return { shardCount, createdAt: numberIn(meta, "createdAt", path) };
}

function numberIn(meta: Bytes, key: string, path: string): number {
  const sealed = readSealed(meta, key);
  const text = sealed === null ? null : unsealText(sealed);
  if (text === null) throw unusable(path, `its ${key} cannot be read`);
  return Number(text);
}

// ---- Assembly ----------------------------------------------------------------------------------

interface Parts extends Opened {
  readonly options: LocalOptions;
  readonly env: Environment;
  readonly release: Release;
}

function assemble(parts: Parts): LocalTransport {
  const { env, tables, release, shardCount, createdAt } = parts;
  const { path, clock } = parts.options;
  const reader = new Reader(path);
  const writer = new Writer({ env, path, hold: holdOf(parts.options) });
  const journal = new ShardLog("journal", tables.journal, tables.lasts);
  const mailbox = new ShardLog("mailbox", tables.mailbox, tables.lasts);
  const bells = new Bells(clock, (shard) => mailbox.last(shard));
  let closing: Promise<void> | null = null;
  return {
    name: "local",
    shardCount,
    createdAt,
    journal: new LocalJournal(journal, reader, writer),
    store: new LocalStore(tables, reader, writer),
    mailbox: new LocalMailbox(mailbox, reader, writer, bells),
    // The lock on the directory says that there is one owner.
    leases: null,
    close: () => {
      bells.close();
      reader.close();
      return (closing ??= finish(writer, env, release));
    },
  };
}

function holdOf({ path, clock, readOnly = false, lock = true }: LocalOptions) {
  if (readOnly) return () => Promise.reject(unusable(path, "it was opened for reading only"));
  if (!lock) return () => takeLock(path, true, clock);
  return () => Promise.resolve(NOTHING);
}

async function finish(writer: Writer, env: Environment, release: Release): Promise<void> {
  await writer.close();
  await env.close();
  release();
}
