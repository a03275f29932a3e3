/**
 * The boundary of: one runner and the next on the same data. A courtesy with a clear message, not
 * the fence: a lock file says nothing across machines or containers that share a volume but not
 * their processes. What keeps two runners from both committing is the journal's conditional
 * append, which the second of them loses.
 *
 * The file names its holder by process id and by when that process started, because ids are used
 * again. It appears whole or not at all (written aside, then linked).
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Clock } from "../ports.ts";

export const LOCK_FILE = "runner.lock";

/** A command holds the data for one transaction; a start that meets it waits this long in all. */
const BRIEF_WAIT_MS = 25;
const BRIEF_WAITS_MAX = 80;

interface Holder {
  readonly pid: number;
  /** Boot and start time of the process, where the system tells; else null. */
  readonly started: string | null;
  /** Held for one transaction only. */
  readonly brief: boolean;
}

/** Takes the lock; the result gives it back. Throws `data_in_use` while another process has it. */
export async function takeLock(path: string, brief: boolean, clock: Clock): Promise<() => void> {
  const mine = JSON.stringify({ pid: process.pid, started: startOf(process.pid), brief });
  for (let waits = 0; ; waits += 1) {
    const holder = tryLock(path, mine);
    if (holder === null) return () => releaseLock(path, mine);
    if (!holder.brief || waits >= BRIEF_WAITS_MAX) {
      throw new WatchfloorError("data_in_use", { path, pid: holder.pid });
    }
    await new Promise<void>((resolve) => clock.after(BRIEF_WAIT_MS, resolve));
  }
}

/** null when the lock is now ours, else who has it. */
function tryLock(path: string, mine: string): Holder | null {
  const file = join(path, LOCK_FILE);
  for (;;) {
    if (create(file, mine)) return null;
    const found = readIfThere(file);
    if (found === null) continue;
    const holder = parseHolder(found);
    if (holder !== null && isAlive(holder)) return holder;
    setAside(file, found);
  }
}

function create(file: string, text: string): boolean {
  const aside = `${file}.${process.pid}`;
  writeFileSync(aside, text, { mode: 0o600 });
  try {
    linkSync(aside, file);
    return true;
  } catch (error) {
    if (isCode(error, "EEXIST")) return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Removes a stale lock, unless someone else replaced it in between: that one is put back. */
function setAside(file: string, stale: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (readIfThere(aside) !== stale) linkSync(aside, file);
  } catch (error) {
    // Gone already, or taken again: the next look tells.
    if (!isCode(error, "ENOENT") && !isCode(error, "EEXIST")) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function releaseLock(path: string, mine: string): void {
  const file = join(path, LOCK_FILE);
  if (readIfThere(file) === mine) rmSync(file, { force: true });
}

// ---- Processes ---------------------------------------------------------------------------------

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it is there and another user's.
    if (!isCode(error, "EPERM")) return false;
  }
  const started = startOf(holder.pid);
  return started === null || holder.started === null || started === holder.started;
}

/** When a process started, as text that no other process shares; null where /proc does not tell. */
function startOf(pid: number): string | null {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const boot = readIfThere("/proc/sys/kernel/random/boot_id") ?? "";
  // Field 22, counted after the name, which stands in parentheses and may hold anything.
  const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return ticks === undefined ? null : `${boot.trim()}/${ticks}`;
}

function parseHolder(text: string): Holder | null {
  try {
    const { pid, started, brief }: Partial<Holder> = JSON.parse(text);
    if (typeof pid !== "number" || !Number.isInteger(pid) || pid <= 0) return null;
    return { pid, started: started ?? null, brief: brief === true };
  } catch {
    // A lock that names nobody is nobody's.
    return null;
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isCode(error, "ENOENT") || isCode(error, "ESRCH")) return null;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
