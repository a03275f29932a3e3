/**
 * The boundary of: what the operating system and LMDB call a failure, and our names for it.
 */
import { statfsSync } from "node:fs";
import { WatchfloorError } from "../../machines/errors.ts";

/** LMDB's numbers are its own; the others are those of errno. */
const FULL_CODES: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", 28, 122, -30792]);
const EIO = 5;
const WHYS: Readonly<Record<string, string>> = {
  "13": "permission denied",
  "1": "operation not permitted",
  "30": "the file system is read-only",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  ENOTDIR: "a part of the path is not a directory",
  ENOENT: "there is no such directory, and it cannot be made",
  "-30796": "its data.mdb is damaged",
  "-30797": "its data.mdb is damaged",
};

/**
 * Below this a write is refused before it is tried. A database that meets a full disk in the
 * middle of a commit backs out of it unharmed too, but only after complaining on stderr.
 */
const SPACE_RESERVE_BYTES = 8 * 1024 * 1024;

/** Why a command that makes nothing refuses an empty directory. */
export const NO_DATA = "it holds no data yet; start a runner on it first";

export function isSpaceShort(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize < SPACE_RESERVE_BYTES;
  } catch {
    // Some mounts cannot be asked; there the write itself has to find out.
    return false;
  }
}

export function diskFull(path: string): WatchfloorError {
  return new WatchfloorError("disk_full", { path });
}

export function unusable(path: string, why: string, cause?: unknown): WatchfloorError {
  return new WatchfloorError("data_unusable", { path, why }, { cause });
}

/** Any failure of a use of the data directory as a named one. */
export async function namedFailure(path: string, error: unknown): Promise<WatchfloorError> {
  const root = await rootOf(error);
  if (root instanceof WatchfloorError) return root;
  const code = codeOf(root);
  // LMDB reports a write that was cut short as an input/output error, whatever cut it.
  const full = FULL_CODES.has(code) || (code === EIO && isSpaceShort(path));
  return full ? diskFull(path) : unusable(path, whyOf(code, root), root);
}

/** A failed commit is rejected with a stand-in; the reason comes in a promise of its own. */
async function rootOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !("commitError" in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function whyOf(code: unknown, error: unknown): string {
  const known = WHYS[String(code)];
  if (known !== undefined) return known;
  return error instanceof Error ? error.message : "the reason is unknown";
}
