#!/usr/bin/env node
/**
 * The boundary of: the Rego and the bundle that ships. Compiles policies/rego to policies/bundle with
 * the pinned OPA, so that the same sources give the same bytes:
 *
 *     node test/tools/build-policy.mjs [--out DIRECTORY]
 *     node test/tools/build-policy.mjs --bundle DIRECTORY --signing-key PEM
 *
 * The second writes a signed bundle in OPA's layout, for an OPA server and for `policy.bundle`.
 */
import { execFileSync } from "node:child_process";
import { createHash, createPrivateKey } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
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

/** Both engines in one folder: the sources for a server, the module for a process. */
function writeSigned(opa, directory, key, manifest, wasm) {
  mkdirSync(directory, { recursive: true });
  const isPolicy = (path) => !path.endsWith("_test.rego");
  cpSync(join(REGO, "watchfloor"), join(directory, "watchfloor"), {
    recursive: true,
    filter: isPolicy,
  });
  writeFileSync(join(directory, "policy.wasm"), wasm);
  const roots = readdirSync(join(REGO, "watchfloor")).map((name) => `watchfloor/${name}`);
  const metadata = { watchfloor: manifest };
  const opaManifest = { revision: manifest.revision, roots: roots.toSorted(), metadata };
  writeFileSync(join(directory, ".manifest"), `${JSON.stringify(opaManifest, null, 2)}\n`);
  const alg = createPrivateKey(readFileSync(key)).asymmetricKeyType === "ec" ? "ES256" : "RS256";
  const args = ["sign", "--signing-key", resolve(key), "--signing-alg", alg, "--bundle", "."];
  // From within, so that the signed names are those of the bundle.
  execFileSync(opa, [...args, "--output-file-path", "."], { cwd: directory, stdio: "inherit" });
  execFileSync("tar", [
    "-czf",
    `${resolve(directory)}.tar.gz`,
    "-C",
    directory,
    ...readdirSync(directory),
  ]);
}

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    bundle: { type: "string" },
    "signing-key": { type: "string" },
  },
});
if ((values.bundle === undefined) !== (values["signing-key"] === undefined)) {
  process.stderr.write("--bundle and --signing-key go together.\n");
  process.exit(2);
}
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
if (values.bundle === undefined) {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "policy.wasm"), wasm);
  writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
} else {
  writeSigned(opa, values.bundle, values["signing-key"], manifest, wasm);
}
