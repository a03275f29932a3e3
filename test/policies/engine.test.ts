/**
 * The boundary of: the policy and everything that can be wrong with it. Whatever is wrong, nothing is
 * executed, and nothing is thrown at whoever asked.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EvaluateInput } from "../../machines/calls.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import { loadBundle } from "../../policies/bundle.ts";
import { decide, policyInput, type PolicyEngine } from "../../policies/engine.ts";
import { adjustParameters } from "../../policies/parameters.ts";
import { HOST_BUILTINS, loadWasmEngine, type WasmEngine } from "../../policies/wasm-engine.ts";
import { ask, AT, NOW, ENFORCING, SHIPPED } from "./fixtures.ts";

const BUNDLE = fileURLToPath(new URL("../../policies/bundle", import.meta.url));

function failing(review: PolicyEngine["review"]): PolicyEngine {
  return {
    revision: "r",
    bundleRevision: "b",
    parameters: SHIPPED,
    review,
    approve: () => Promise.reject(new Error()),
  };
}

const isUnusable = (error: unknown) =>
  error instanceof WatchfloorError && error.code === "policy_unusable";

describe("policies: a policy that fails", () => {
  let engine: WasmEngine;

  before(async () => {
    engine = await loadWasmEngine(ENFORCING);
  });

  it("escalates if the engine throws, rejects or throws no error at all", async () => {
    const engines = [
      failing(() => Promise.reject(new WatchfloorError("policy_failed", { why: "x" }))),
      failing(() => {
        throw new Error("not even a promise");
      }),
      // oxlint-disable-next-line prefer-promise-reject-errors
      failing(() => Promise.reject("a string, as the wasm runtime throws")),
    ];
    for (const one of engines) {
      const decision = await decide(one, ask(), NOW);
      assert.equal(decision.verdict, "escalate");
      assert.deepEqual(decision.reasons, ["policy_failed"]);
    }
  });

  it("escalates input that is none, and names the field", async () => {
    const cyclic: Record<string, unknown> = {};
    cyclic["question"] = cyclic;
    for (const input of [null, undefined, 7, "x", [], {}, cyclic, { question: 10n }]) {
      const decision = await decide(engine, input as unknown as EvaluateInput, NOW);
      assert.equal(decision.verdict, "escalate");
      assert.deepEqual(decision.reasons, ["invalid_input"]);
    }
    const { ruleIds } = await decide(engine, { ...ask(), actionDigest: "f".repeat(64) }, NOW);
    assert.deepEqual(ruleIds, ["input.actionDigest"]);
  });

  it("escalates at an impossible time", async () => {
    for (const at of [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY]) {
      assert.equal((await decide(engine, ask(), { ...NOW, at })).verdict, "escalate");
    }
  });

  it("rejects with the code of what went wrong", async () => {
    const input = policyInput(engine, ask(), { ...NOW, at: "now" as unknown as number });
    await assert.rejects(engine.review(input), {
      code: "policy_invalid_input",
      fields: { field: "at" },
    });
  });
});

describe("policies: the engine", () => {
  let engine: WasmEngine;

  before(async () => {
    engine = await loadWasmEngine(ENFORCING);
  });

  it("gives one question at one time one decision id", async () => {
    const [one, same, later] = [
      await decide(engine, ask(), NOW),
      await decide(engine, ask(), NOW),
      await decide(engine, ask(), { ...NOW, at: AT + 1 }),
    ];
    assert.deepEqual(one, same);
    assert.notEqual(one.decisionId, later.decisionId);
    assert.equal(one.inputsDigest, later.inputsDigest);
    assert.equal(one.policyRevision, engine.revision);
  });

  it("leaves the serving engine as it was when parameters change", async () => {
    const stopped = await engine.withParameters(adjustParameters(ENFORCING, { killSwitch: true }));
    assert.equal((await decide(stopped, ask(), NOW)).verdict, "escalate");
    assert.equal((await decide(engine, ask(), NOW)).verdict, "auto_execute");
    assert.notEqual(stopped.revision, engine.revision);
  });

  it("carries nothing over from one question to the next", async () => {
    const before = await decide(engine, ask(), NOW);
    for (let n = 0; n < 200; n += 1) {
      await decide(
        engine,
        ask({ question: { confidence: 0 }, target: { diff: ["x".repeat(n)] } }),
        NOW,
      );
    }
    assert.deepEqual(await decide(engine, ask(), NOW), before);
  });

  it("knows which built-ins opa-wasm lends", () => {
    const require = createRequire(import.meta.url);
    const entry = dirname(require.resolve("@open-policy-agent/opa-wasm"));
    const lent = Object.keys(require(join(entry, "builtins/index.js")) as object);
    assert.deepEqual(HOST_BUILTINS, lent.toSorted());
  });
});

describe("policies: the bundle", () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "watchfloor-bundle-"));
    cpSync(BUNDLE, directory, { recursive: true });
  });

  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it("is refused if the module is not the one its manifest names", () => {
    const path = join(directory, "policy.wasm");
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(path, bytes);
    assert.throws(() => loadBundle(directory), isUnusable);
  });

  it("is refused if its manifest is missing or invalid", () => {
    const path = join(directory, "manifest.json");
    writeFileSync(path, "{}");
    assert.throws(() => loadBundle(directory), isUnusable);
    writeFileSync(path, "not json");
    assert.throws(() => loadBundle(directory), isUnusable);
    rmSync(path);
    assert.throws(() => loadBundle(directory), isUnusable);
  });

  it("is refused if it is no policy or lacks an entry point", async () => {
    const bundle = loadBundle(directory);
    await assert.rejects(
      loadWasmEngine(ENFORCING, { ...bundle, wasm: new Uint8Array([0]) }),
      isUnusable,
    );
    await assert.rejects(loadWasmEngine(ENFORCING, { ...bundle, entrypoints: [] }), isUnusable);
  });
});
