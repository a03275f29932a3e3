/**
 * The boundary of: the tests and servers and tools that are no npm packages. Finds the pinned one,
 * building it where the cache has none.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const PROVISION = fileURLToPath(new URL("../tools/provision.mjs", import.meta.url));

const found = new Map<string, string>();

/** The path of the binary. Throws on a machine that has none and cannot build it: nothing is skipped. */
export function locateTool(tool: "nats-server" | "nats-server-2.9" | "nats"): string {
  const known = found.get(tool);
  if (known !== undefined) return known;
  const run = spawnSync(process.execPath, [PROVISION, tool], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`the tests need ${tool}: ${run.stderr.trim()}`);
  const path = run.stdout.trim();
  found.set(tool, path);
  return path;
}
