/**
 * The boundary of: the Rego and OPA's own tools. Format, strict check, tests, coverage, and that the
 * committed module is what these sources give, byte for byte.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ACTION_CLASSES } from "../../machines/vocabulary.ts";
import { FOLDER, schemaFiles } from "./schemas.ts";
import { locateOpa, PROVISION_MS_MAX } from "../kit/opa.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const REGO = "policies/rego";
/** Each test has 5 s by default, which a busy machine can take. */
const PATIENCE = ["--timeout", "120s"];
const CAPABILITIES = "policies/capabilities.json";

interface Coverage {
  readonly files: Readonly<Record<string, { readonly coverage: number }>>;
}
interface Capabilities {
  readonly builtins: readonly { readonly name: string }[];
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, path), "utf8"));
}

describe("policies: the Rego", function () {
  this.timeout(PROVISION_MS_MAX);
  let opa = "";

  before(function () {
    const located = locateOpa();
    if (located === null) this.skip();
    opa = located;
  });

  function run(...args: readonly string[]): string {
    const done = spawnSync(opa, args, { cwd: ROOT, encoding: "utf8" });
    assert.equal(done.status, 0, `opa ${args[0]}: ${done.stdout}${done.stderr}`);
    return done.stdout;
  }

  it("is formatted", () => {
    run("fmt", "--fail", "--diff", REGO);
  });

  it("passes the strict check with the built-ins it may use", () => {
    run("check", "--strict", "--capabilities", CAPABILITIES, "-s", "policies/schemas", REGO);
  });

  it("is checked against the schemas that the code holds values to", () => {
    for (const [name, text] of Object.entries(schemaFiles())) {
      const why = `${name}: run npx tsx test/policies/schemas.ts and commit what it writes`;
      assert.equal(readFileSync(join(FOLDER, name), "utf8"), text, why);
    }
  });

  it("passes its own tests", () => {
    run("test", ...PATIENCE, REGO);
  });

  it("has no line that its tests do not reach", () => {
    const { files } = JSON.parse(run("test", ...PATIENCE, "--coverage", REGO)) as Coverage;
    const sources = Object.entries(files).filter(([path]) => !path.endsWith("_test.rego"));
    assert.equal(sources.length, 6);
    for (const [path, { coverage }] of sources) assert.equal(coverage, 100, path);
  });

  it("knows the actions of the vocabulary, each in its class", () => {
    const path = "data.watchfloor.actions.classes";
    const out = run("eval", "--format", "raw", "--data", REGO, path);
    assert.deepEqual(JSON.parse(out), ACTION_CLASSES);
  });

  it("gives the committed module, byte for byte", () => {
    const out = mkdtempSync(join(tmpdir(), "watchfloor-build-"));
    try {
      const script = join(ROOT, "test/tools/build-policy.mjs");
      execFileSync(process.execPath, [script, "--out", out], { stdio: "pipe" });
      for (const file of ["manifest.json", "policy.wasm"]) {
        const committed = readFileSync(join(ROOT, "policies/bundle", file));
        const why = `${file}: run node test/tools/build-policy.mjs and commit what it writes`;
        assert.ok(readFileSync(join(out, file)).equals(committed), why);
      }
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });
});

describe("policies: what the Rego may call", () => {
  it("is what opa-wasm has, without chance, clocks and addresses", () => {
    const ours = (readJson(CAPABILITIES) as Capabilities).builtins.map(({ name }) => name);
    const theirs = (
      readJson("node_modules/@open-policy-agent/opa-wasm/capabilities.json") as Capabilities
    ).builtins.map(({ name }) => name);
    const withheld = theirs.filter((name) => !ours.includes(name));
    const addresses = withheld.filter((name) => name.startsWith("net.cidr_"));
    assert.deepEqual(withheld.filter((name) => !addresses.includes(name)).toSorted(), [
      "rand.intn",
      "time.diff",
    ]);
    // Compiled to wasm, they take a malformed address for a sound one.
    assert.ok(addresses.length > 0 && !ours.some((name) => name.startsWith("net.cidr_")));
    assert.ok(ours.every((name) => theirs.includes(name)));
  });
});
