/**
 * The boundary of: the tests and a real OPA. Finds the pinned one, building it if the cache has none.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const PROVISION = fileURLToPath(new URL("../tools/provision.mjs", import.meta.url));

/** Building OPA for the first time takes minutes. */
export const PROVISION_MS_MAX = 20 * 60_000;

/**
 * The path of the binary, or null on a machine that cannot build it. In CI that is a failure: there
 * a test that did not run must not look like one that passed.
 */
export function locateOpa(): string | null {
  const run = spawnSync(process.execPath, [PROVISION, "opa"], { encoding: "utf8" });
  if (run.status === 0) return run.stdout.trim();
  if (process.env["CI"]) throw new Error(`the policy tests need OPA: ${run.stderr.trim()}`);
  process.stderr.write(run.stderr);
  return null;
}
