/**
 * The boundary of: what is stored and its names on the server, as people meet them in the `nats`
 * command. Pure. A key of the state store becomes a subject that a wildcard can find by its parts:
 * `/` separates tokens there, so it becomes `.`, and `.` becomes `/`; what a subject cannot hold is
 * written `=XX`, by its UTF-8 bytes; a token of nothing is a lone `=`.
 */
import { KINDS, type Envelope, type Kind } from "../../machines/protocol.ts";
import type { ShardId, Table } from "../ports.ts";

/** Where a table's entry lives: a stream, and the subject in it. */
export interface Place {
  readonly stream: string;
  readonly subject: string;
}

/** What the server keeps apart: a stream with one message a key. */
export interface Bucket {
  readonly stream: string;
  /** With its last dot. */
  readonly prefix: string;
}

export const journalStream = (kind: Kind): string => `JRN_${kind}`;
export const mailboxStream = (kind: Kind): string => `MBX_${kind}`;
export const journalSubject = (shard: ShardId): string => `jrn.${shard}`;
/** `sender` is an actor kind, or `edge`: who may write to whom is said by permissions on it. */
export const mailboxSubject = (shard: ShardId, sender: string): string => `mbx.${shard}.${sender}`;
/** Rung after something was stored; not stored itself. */
export const mailboxBell = (shard: ShardId): string => `bell.mbx.${shard}`;
export const leaseBell = (key: string): string => `bell.lease.${encodeKey(key)}`;
/** Answered while the runner's connection lives. */
export const aliveSubject = (key: string): string => `alive.${encodeKey(key)}`;

const keyValue = (name: string): Bucket => ({
  stream: `KV_${name}`,
  prefix: `$KV.${name}.`,
});

export const LEASES = keyValue("LEASE");
export const BLOBS = keyValue("BLOBS");
/** What the streams are: format, shard count, creation times. */
export const ORIGIN = keyValue("WATCHFLOOR");
export const HISTORY: Bucket = { stream: "HISTORY", prefix: "history." };

/** Tables whose keys begin with a kind, and what follows the kind there: they live in its bucket. */
const AFTER_KIND: Readonly<Partial<Record<Table, "/" | ".">>> = {
  actors: "/",
  shards: ".",
  timers: ".",
  calls: ".",
};

export const stateOf = (kind: Kind): Bucket => keyValue(`STATE_${kind}`);

export function kindOfShard(shard: ShardId): Kind {
  return shard.slice(0, shard.indexOf(".")) as Kind;
}

/** The kind of an envelope's sender, or `edge`. */
export function senderOf({ from }: Envelope): Kind | "edge" {
  return from.slice(0, from.indexOf("/")) as Kind | "edge";
}

/** Null for a key that belongs to no kind where it must: nothing is stored under it. */
export function placeOf(table: Table, key: string): Place | null {
  const separator = AFTER_KIND[table];
  if (separator === undefined) {
    const { stream, prefix } = bucketOf(table);
    return { stream, subject: `${prefix}${encodeKey(key)}` };
  }
  const end = key.indexOf(separator);
  const kind = key.slice(0, Math.max(0, end));
  if (!isKind(kind)) return null;
  const { stream, prefix } = stateOf(kind);
  return { stream, subject: `${prefix}${table}.${encodeKey(key.slice(end + 1))}` };
}

/** The bucket of a table that is not kept by kind. */
export function bucketOf(table: Table): Bucket {
  if (table === "history") return HISTORY;
  return keyValue(table === "deadletters" ? "DEAD" : table.toUpperCase());
}

export function isByKind(table: Table): boolean {
  return AFTER_KIND[table] !== undefined;
}

/** One subject filter of a listing, and how a subject found by it becomes a key again. */
export interface Scan {
  readonly stream: string;
  readonly filter: string;
  readonly keyOf: (subject: string) => string;
}

/** What must be looked through for the keys of a table that begin with `prefix`. */
export function scansOf(table: Table, prefix: string): readonly Scan[] {
  const separator = AFTER_KIND[table];
  if (separator === undefined) {
    const bucket = bucketOf(table);
    return [scanOf(bucket.stream, bucket.prefix, prefix, "")];
  }
  return KINDS.flatMap((kind) => {
    const lead = `${kind}${separator}`;
    const inside = prefix.startsWith(lead) ? prefix.slice(lead.length) : null;
    if (inside === null && !lead.startsWith(prefix)) return [];
    const { stream, prefix: at } = stateOf(kind);
    return [scanOf(stream, `${at}${table}.`, inside ?? "", lead)];
  });
}

function scanOf(stream: string, subjectPrefix: string, prefix: string, lead: string): Scan {
  // Only whole tokens can be asked for; the rest is compared by whoever reads.
  const parts = prefix.split("/").slice(0, -1);
  const whole = parts.map((part) => `${encodeToken(part)}.`).join("");
  return {
    stream,
    filter: `${subjectPrefix}${whole}>`,
    keyOf: (subject) => `${lead}${decodeKey(subject.slice(subjectPrefix.length))}`,
  };
}

function isKind(text: string): text is Kind {
  return (KINDS as readonly string[]).includes(text);
}

// ---- Keys --------------------------------------------------------------------------------------

const PLAIN = /^[A-Za-z0-9_-]+$/;
const NOTHING = "=";

export function encodeKey(key: string): string {
  return key.split("/").map(encodeToken).join(".");
}

function encodeToken(token: string): string {
  if (token === "") return NOTHING;
  if (PLAIN.test(token)) return token;
  let encoded = "";
  for (const byte of Buffer.from(token)) {
    const char = String.fromCharCode(byte);
    if (char === ".") encoded += "/";
    else if (byte < 0x80 && PLAIN.test(char)) encoded += char;
    else encoded += `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

export function decodeKey(encoded: string): string {
  return encoded.split(".").map(decodeToken).join("/");
}

function decodeToken(token: string): string {
  if (token === NOTHING) return "";
  if (!token.includes("=") && !token.includes("/")) return token;
  const bytes: number[] = [];
  for (let at = 0; at < token.length; at += 1) {
    const char = token[at]!;
    if (char === "/") bytes.push(0x2e);
    else if (char === "=") {
      bytes.push(Number.parseInt(token.slice(at + 1, at + 3), 16));
      at += 2;
    } else bytes.push(char.charCodeAt(0));
  }
  return Buffer.from(bytes).toString("utf8");
}
