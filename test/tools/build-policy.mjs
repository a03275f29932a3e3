#!/usr/bin/env node
/**
 * The boundary of: the Rego and the bundle that ships. Compiles policies/rego to policies/bundle with
 * the pinned OPA, so that the same sources give the same bytes:
 *
 *     node test/tools/build-policy.mjs [--out DIRECTORY]
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const POLICIES = fileURLToPath(new URL("../../policies", import.meta.url));
const REGO = join(POLICIES, "rego");
const CAPABILITIES = join(POLICIES, "capabilities.json");
const ENTRYPOINTS = ["watchfloor/approval/result", "watchfloor/review/result"];

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

function provisionedOpa() {
  const script = fileURLToPath(new URL("provision.mjs", import.meta.url));
  const stdio = ["ignore", "pipe", "inherit"];
  return execFileSync(process.execPath, [script, "opa"], { encoding: "utf8", stdio }).trim();
}

/** What the bundle is made of: the policy without its tests, and what it may call. */
function sourceHashes() {
  const rego = readdirSync(REGO, { recursive: true })
    .filter((path) => path.endsWith(".rego") && !path.endsWith("_test.rego"))
    .map((path) => join(REGO, path));
  const hashes = [...rego, CAPABILITIES].map((path) => [
    relative(POLICIES, path).replaceAll("\\", "/"),
    sha256(readFileSync(path)),
  ]);
  return Object.fromEntries(hashes.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Built from within the folder: any other path would be written into the bundle. */
function compile(opa) {
  const scratch = mkdtempSync(join(tmpdir(), "watchfloor-policy-"));
  try {
    const bundle = join(scratch, "bundle.tar.gz");
    const entrypoints = ENTRYPOINTS.flatMap((entrypoint) => ["-e", entrypoint]);
    const args = ["build", "-t", "wasm", ...entrypoints, "--capabilities", CAPABILITIES];
    execFileSync(opa, [...args, "--ignore", "*_test.rego", "-b", ".", "-o", bundle], { cwd: REGO });
    const stdio = ["ignore", "ignore", "ignore"];
    execFileSync("tar", ["-xzf", bundle, "-C", scratch, "/policy.wasm"], { stdio });
    return readFileSync(join(scratch, "policy.wasm"));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { out: { type: "string" } } });
const out = values.out ?? join(POLICIES, "bundle");
const opa = provisionedOpa();
const [, opaVersion] = /^Version: (\S+)$/m.exec(
  execFileSync(opa, ["version"], { encoding: "utf8" }),
);
const sources = sourceHashes();
const wasm = compile(opa);
const manifest = {
  revision: sha256(JSON.stringify(sources)),
  opaVersion,
  entrypoints: ENTRYPOINTS,
  sources,
  wasm: sha256(wasm),
};
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "policy.wasm"), wasm);
writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
