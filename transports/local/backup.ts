/**
 * The boundary of: a data directory in use and a copy of it. Each database is copied from one
 * snapshot, beside whoever writes it; a copy that is cut off never has the name it was asked for.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { open } from "lmdb";
import { checkAccess, prepareDirectory } from "./directory.ts";
import { namedFailure, unusable } from "./failures.ts";

const DATA_FILE = "data.mdb";
/** What belongs to the process that runs, and hidden files. */
const PASSING = /^(runner\.lock.*|lock\.mdb|auth|.*\.sock|\..*)$/;

/**
 * Copies the data in `from` to the new directory `to`, made with mode 0700. `to` is then a data
 * directory like any other. Errors: `data_unusable`, `disk_full`; then `to` was not made.
 */
export async function backupLocal(from: string, to: string): Promise<void> {
  const unfinished = join(dirname(to), `.${process.pid}.unfinished`);
  try {
    prepareDirectory(from, false);
    checkAccess(from, true);
    if (existsSync(to)) throw unusable(to, "it exists already; name a directory that does not");
    mkdirSync(unfinished, { mode: 0o700 });
    await copyDatabase(from, unfinished);
    // After the database: an effect or a decision that it speaks of is then in the copy, too.
    const others = readdirSync(from).filter((name) => name !== DATA_FILE && !PASSING.test(name));
    for (const name of others) await copyOther(join(from, name), join(unfinished, name));
    renameSync(unfinished, to);
  } catch (error) {
    throw await namedFailure(to, error);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function copyOther(from: string, to: string): Promise<void> {
  if (!existsSync(join(from, DATA_FILE))) return cpSync(from, to, { recursive: true });
  mkdirSync(to, { mode: 0o700 });
  await copyDatabase(from, to);
}

async function copyDatabase(from: string, to: string): Promise<void> {
  const env = open({ path: from, readOnly: true, noSubdir: false });
  try {
    await env.backup(to, true);
  } finally {
    await env.close();
  }
}
