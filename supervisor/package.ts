/**
 * The boundary of: the code and the files it is shipped with. The same from source and from `dist/`.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

let root: string | null = null;

/** Absolute path of a file of the package, given relative to its root. */
export function packageFile(path: string): string {
  root ??= findRoot(import.meta.dirname);
  return join(root, path);
}

function findRoot(from: string): string {
  const found =
    existsSync(join(from, "package.json")) && existsSync(join(from, "actors", "agents"));
  if (found || dirname(from) === from) return from;
  return findRoot(dirname(from));
}
