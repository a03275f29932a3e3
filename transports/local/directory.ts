/**
 * The boundary of: a path someone typed and a data directory. Refuses what is not one, so that a
 * wrong `--data` never mixes our files with another program's.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { diskFull, isSpaceShort, NO_DATA, unusable } from "./failures.ts";
import { LOCK_FILE } from "./lock.ts";

const DATA_FILE = "data.mdb";
/** LMDB's lock table: readers write in it too. Not our `runner.lock`. */
const TABLE_FILE = "lock.mdb";
const NAMES_SHOWN = 3;

/** Makes the directory, for its owner only, where it is missing and may be made. */
export function prepareDirectory(path: string, mayCreate: boolean): void {
  if (existsSync(join(path, DATA_FILE))) return;
  if (!mayCreate) throw unusable(path, NO_DATA);
  makeDirectory(path);
  if (!statSync(path).isDirectory()) throw unusable(path, "it is not a directory");
  const foreign = readdirSync(path).filter((name) => !isHarmless(name));
  if (foreign.length === 0) return;
  const names = foreign.toSorted().slice(0, NAMES_SHOWN).join(", ");
  throw unusable(path, `it is not a data directory and holds other files (${names})`);
}

/** With its parents. Node's own way never returns where a file system refuses as `/proc` does. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  mkdirSync(path, { mode: 0o700 });
}

/**
 * Finds out what would keep LMDB from opening the data. It has to be known before: the binding
 * takes the process down where opening fails.
 */
export function checkAccess(path: string, readOnly: boolean): void {
  const { R_OK, W_OK } = constants;
  const dataFile = join(path, DATA_FILE);
  if (!readOnly) accessSync(path, R_OK | W_OK);
  if (existsSync(join(path, TABLE_FILE))) accessSync(join(path, TABLE_FILE), R_OK | W_OK);
  if (existsSync(dataFile)) {
    accessSync(dataFile, readOnly ? R_OK : R_OK | W_OK);
    checkHeader(path, readHeader(dataFile));
  }
  if (!readOnly && isSpaceShort(path)) throw diskFull(path);
}

/** Where a data file says what it is: 24 bytes into its first page. */
const HEADER_BYTES = 32;
const MAGIC = 0xbeefc0de;
const LMDB_VERSION = 2;

function checkHeader(path: string, header: Buffer): void {
  // A first start that was cut off at once leaves an empty file; it is begun anew.
  if (header.length === 0) return;
  if (header.length < HEADER_BYTES || header.readUInt32LE(24) !== MAGIC) {
    throw unusable(path, "its data.mdb is not a database");
  }
  if (header.readUInt16LE(28) !== LMDB_VERSION) {
    throw unusable(path, "its data.mdb was written by another version of LMDB");
  }
}

function readHeader(file: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const descriptor = openSync(file, "r");
  try {
    return header.subarray(0, readSync(descriptor, header, 0, HEADER_BYTES, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** Ours before the first start, a volume's own, or hidden. */
function isHarmless(name: string): boolean {
  return (
    name.startsWith(LOCK_FILE) ||
    name.startsWith(".") ||
    name.endsWith(".sock") ||
    name === TABLE_FILE ||
    name === "lost+found"
  );
}
