#!/usr/bin/env node
/**
 * The boundary of: whoever writes the policy and everything that must hold of it. One command, each
 * step told as it ends; the first that fails says what to do.
 *
 *     npm run policy
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const REGO = "policies/rego";
/** Each test has 5 s by default, which a busy machine can take. */
const PATIENCE = ["--timeout", "120s"];
/** Not one line of these goes untested. */
const COVERED = /watchfloor\/(review|approval)\//;

function fail(step, said, remedy) {
  process.stderr.write(`FAILED ${step}\n${said.trim()}\n${remedy}\n`);
  process.exit(1);
}

function run(step, command, args, remedy) {
  const done = spawnSync(command, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1e8 });
  if (done.status !== 0) fail(step, `${done.stdout ?? ""}${done.stderr ?? ""}`, remedy);
  return done.stdout;
}

function tool(name) {
  const script = join(ROOT, "test/tools/provision.mjs");
  const stdio = ["ignore", "pipe", "inherit"];
  const done = spawnSync(process.execPath, [script, name], { encoding: "utf8", stdio });
  if (done.status !== 0) process.exit(done.status ?? 1);
  return done.stdout.trim();
}

function checkCoverage(json) {
  const files = Object.entries(JSON.parse(json).files).filter(
    ([path]) => COVERED.test(path) && !path.endsWith("_test.rego"),
  );
  const lacking = files.filter(([, { coverage }]) => coverage !== 100);
  if (files.length > 0 && lacking.length === 0) return;
  const lines = lacking.flatMap(([path, { not_covered: ranges = [] }]) =>
    ranges.map(({ start, end }) => `${path}:${start.row}-${end.row}`),
  );
  fail("coverage", lines.join("\n"), "Write a test that reaches these lines.");
}

function compareBundle() {
  const out = mkdtempSync(join(tmpdir(), "watchfloor-build-"));
  try {
    const script = join(ROOT, "test/tools/build-policy.mjs");
    run("build", process.execPath, [script, "--out", out], "OPA could not compile the policy.");
    for (const name of readdirSync(out)) {
      const committed = readFileSync(join(ROOT, "policies/bundle", name));
      if (readFileSync(join(out, name)).equals(committed)) continue;
      const said = `policies/bundle/${name} is not what these sources give.`;
      fail("bundle", said, "Run npm run policy:build, and commit what it writes.");
    }
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

const [opa, regal] = [tool("opa"), tool("regal")];
const steps = {
  format: () => run("format", opa, ["fmt", "--fail", "--diff", REGO], `Run opa fmt -w ${REGO}.`),
  "strict check with schemas": () =>
    run(
      "strict check",
      opa,
      [
        "check",
        "--strict",
        "--capabilities",
        "policies/capabilities.json",
        "-s",
        "policies/schemas",
        REGO,
      ],
      "A name that is in no schema, or a built-in that the engine does not have.",
    ),
  lint: () =>
    run(
      "lint",
      regal,
      ["lint", "--config-file", "policies/.regal.yaml", REGO],
      "Each rule is explained at the address it names.",
    ),
  tests: () => run("tests", opa, ["test", ...PATIENCE, REGO], "opa test -v shows each."),
  "coverage 100 % of review and approval": () =>
    checkCoverage(
      run("coverage", opa, ["test", ...PATIENCE, "--coverage", "--format", "json", REGO], ""),
    ),
  "the committed bundle is what these sources give, byte for byte": compareBundle,
};
for (const [name, check] of Object.entries(steps)) {
  check();
  process.stdout.write(`ok  ${name}\n`);
}
