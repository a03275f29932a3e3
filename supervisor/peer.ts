/**
 * The boundary of: a connection and the person behind it. Node cannot ask the kernel who is at the
 * other end of a socket, so the peer proves it by what only its user can do: it makes a file, named
 * and filled with this connection's nonce, in a folder of the data directory. Whose file it is, the
 * kernel says. README.md beside this file has the reasoning.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  type Stats,
} from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { WatchfloorError } from "../machines/errors.ts";
import type { Person } from "../machines/vocabulary.ts";

const FOLDER = "auth";
const NONCE = /^[0-9a-f]{32}$/;

/** Makes the folder of proofs, empty, for the runner's user only. Throws `control_invalid`. */
export function openProofs(dataDir: string): void {
  const folder = join(dataDir, FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stats = lstatSync(folder);
  if (!stats.isDirectory() || stats.uid !== process.geteuid?.()) {
    throw new WatchfloorError("control_invalid", { why: `${folder} is not a folder of this user` });
  }
  for (const name of readdirSync(folder))
    rmSync(join(folder, name), { recursive: true, force: true });
}

/** The client's part. A file that is there already was made by someone else: it is refused. */
export function makeProof(dataDir: string, nonce: string): void {
  if (!NONCE.test(nonce)) throw unproven("the runner sent no nonce");
  writeFileSync(proofPath(dataDir, nonce), nonce, { flag: "wx", mode: 0o600 });
}

export function removeProof(dataDir: string, nonce: string): void {
  rmSync(proofPath(dataDir, nonce), { force: true });
}

/**
 * The server's part: who made this connection's file. The file is gone afterwards, so that a nonce
 * proves once. Throws `peer_unproven`.
 */
export function provenPerson(dataDir: string, nonce: string, as: string | null): Person {
  const path = proofPath(dataDir, nonce);
  try {
    const uid = ownerOf(path, nonce);
    return { user: userName(uid), uid, as };
  } finally {
    try {
      unlinkSync(path);
    } catch {
      // Not made, or something that is no file: either way it proves nothing.
    }
  }
}

function ownerOf(path: string, nonce: string): number {
  const stats = lstatOrNull(path);
  if (stats === null) throw unproven("its file was not made");
  assertPlain(stats, nonce);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    throw unproven("its file cannot be read", cause);
  }
  try {
    // Of what was opened, not of what stood at the path a moment ago.
    const opened = fstatSync(fd);
    assertPlain(opened, nonce);
    const bytes = Buffer.alloc(nonce.length);
    readSync(fd, bytes, 0, bytes.length, 0);
    if (bytes.toString("latin1") !== nonce) throw unproven("its file holds something else");
    return opened.uid;
  } finally {
    closeSync(fd);
  }
}

function assertPlain(stats: Stats, nonce: string): void {
  if (!stats.isFile()) throw unproven("its file is a link or no file");
  if (stats.nlink !== 1) throw unproven("its file has another name");
  if ((stats.mode & 0o777) !== 0o600) throw unproven("its file is open to others");
  if (stats.size !== nonce.length) throw unproven("its file holds something else");
}

function lstatOrNull(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

function proofPath(dataDir: string, nonce: string): string {
  return join(dataDir, FOLDER, nonce);
}

function unproven(why: string, cause?: unknown): WatchfloorError {
  return new WatchfloorError("peer_unproven", { why }, { cause });
}

// ---- Names -------------------------------------------------------------------------------------

const PASSWD = "/etc/passwd";

/** The user of this process; what a command without a runner is answered as. */
export function ownPerson(as: string | null): Person {
  const uid = process.getuid?.() ?? -1;
  return { user: userName(uid), uid, as };
}

/** A user's name, or `uid:<n>` where the system knows none. */
function userName(uid: number): string {
  try {
    const own = userInfo();
    if (own.uid === uid) return own.username;
  } catch {
    // A container may run under a number that nobody named.
  }
  return nameInPasswd(uid) ?? `uid:${uid}`;
}

function nameInPasswd(uid: number): string | null {
  try {
    const lines = readFileSync(PASSWD, "utf8").split("\n");
    return (
      lines.map((line) => line.split(":")).find((fields) => fields[2] === String(uid))?.[0] ?? null
    );
  } catch {
    return null;
  }
}
