/**
 * The boundary of: the policy and input that is not what it should be. Every field is dropped,
 * mistyped and enlarged, before the schema and behind it, since either alone must hold. What is left
 * well formed is judged a second time, by a reading of the rules in plain code.
 */
import { loadPolicy, type LoadedPolicy } from "@open-policy-agent/opa-wasm";
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { EvaluateInput } from "../../machines/calls.ts";
import type { Verdict } from "../../machines/vocabulary.ts";
import { loadBundle } from "../../policies/bundle.ts";
import { decide, type PolicyEngine } from "../../policies/engine.ts";
import { policyData } from "../../policies/parameters.ts";
import { loadWasmEngine } from "../../policies/wasm-engine.ts";
import {
  action,
  ask,
  askToClose,
  AT,
  NOW,
  ENFORCING,
  POD,
  WORKLOAD,
  type Change,
} from "./fixtures.ts";
import { mutated, pathsOf, valueAt } from "./mutants.ts";

const BASES: readonly EvaluateInput[] = [
  ask(),
  askToClose(),
  ask({ question: { action: action("block_egress", WORKLOAD, { address: "203.0.113.7" }) } }),
  ask({
    question: { action: action("label", POD, { key: "watchfloor.dev/suspect", value: "true" }) },
  }),
  ask({ question: { confidence: 0 }, target: { criticality: "high" }, approved: {} }),
];

/** For people, and read by no rule: the schema requires them, the Rego does not look. */
const UNREAD = /^target\.(owner|diff)|approval\.(reason|dismissal|person\.as)|labels\./;
/** Where null is an answer. */
const NULLABLE =
  /^target$|\.(owner|approval|reason|dismissal|as|namespace|workload|pod|container|host)$/;

function typeOf(value: unknown): string {
  return Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
}

const basePath = fc
  .constantFrom(...BASES)
  .chain((base) => fc.tuple(fc.constant(base), fc.constantFrom(...pathsOf(base))));

const wrongValue = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, "", "0", "low", "true", -1, 0.5, 1e9, [], {}),
  fc.jsonValue({ maxDepth: 2 }),
);

describe("policies: input that is not what it should be", function () {
  // Thousands of evaluations: a second of work, or half a minute on a busy machine.
  this.timeout(180_000);
  let engine: PolicyEngine;
  let bare: LoadedPolicy;

  before(async () => {
    engine = await loadWasmEngine(ENFORCING);
    bare = await loadPolicy(loadBundle().wasm);
    bare.setData(policyData(ENFORCING));
  });

  /** The Rego alone, as it is behind the schema. */
  function judgeBare(input: object): Verdict {
    const results = bare.evaluate(
      { ...input, ...NOW, policyRevision: "r" },
      "watchfloor/review/result",
    ) as {
      readonly result: { readonly verdict: Verdict };
    }[];
    return results[0]?.result.verdict ?? "escalate";
  }

  it("starts from questions that are executed", async () => {
    for (const base of BASES) {
      assert.equal((await decide(engine, base, NOW)).verdict, "auto_execute");
      assert.equal(judgeBare(base), "auto_execute");
    }
  });

  it("never executes without a field", async () => {
    for (const base of BASES) {
      for (const path of pathsOf(base)) {
        const name = path.join(".");
        const mutant = mutated(base, path, undefined);
        if (!/labels\./.test(name)) {
          assert.equal((await decide(engine, mutant, NOW)).verdict, "escalate", name);
        }
        if (!UNREAD.test(name)) assert.notEqual(judgeBare(mutant), "auto_execute", name);
      }
    }
  });

  it("never executes with a field of another type", async () => {
    const property = fc.asyncProperty(basePath, wrongValue, async ([base, path], value) => {
      const name = path.join(".");
      fc.pre(typeOf(valueAt(base, path)) !== typeOf(value));
      fc.pre(value !== null || !NULLABLE.test(name));
      fc.pre(valueAt(base, path) !== null || typeof value !== "string");
      const mutant = mutated(base, path, value);
      assert.notEqual((await decide(engine, mutant, NOW)).verdict, "auto_execute", name);
      if (!UNREAD.test(name)) assert.notEqual(judgeBare(mutant), "auto_execute", name);
    });
    await fc.assert(property, { numRuns: 600 });
  });

  it("never executes beyond a limit, however large the value", async () => {
    const numbers = ["question.events", "question.confidence", "question.pValue"];
    const blast = ["pods", "replicasShare", "services", "namespaces"].map(
      (key) => `target.blast.${key}`,
    );
    const large = fc.constantFrom(
      1001,
      2 ** 31,
      2 ** 53,
      1e300,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    );
    const property = fc.asyncProperty(
      fc.constantFrom(...numbers, ...blast),
      large,
      async (name, value) => {
        const base = name === "question.events" ? askToClose() : ask();
        const mutant = mutated(base, name.split("."), value);
        assert.notEqual((await decide(engine, mutant, NOW)).verdict, "auto_execute", name);
      },
    );
    await fc.assert(property);
  });

  it("never executes on text or lists without end", async () => {
    const mutants = BASES.flatMap((base) =>
      pathsOf(base).flatMap((path) => {
        const value = valueAt(base, path);
        if (typeof value === "string") return [mutated(base, path, value.repeat(100_000))];
        if (!Array.isArray(value)) return [];
        return [
          mutated(
            base,
            path,
            Array.from({ length: 10_000 }, () => "x"),
          ),
        ];
      }),
    );
    for (const mutant of mutants) {
      assert.notEqual((await decide(engine, mutant, NOW)).verdict, "auto_execute");
    }
  });

  it("executes exactly what a plain reading of the rules allows", async () => {
    const property = fc.asyncProperty(change, async (made) => {
      const input = ask(made);
      const { verdict } = await decide(engine, input, NOW);
      assert.equal(verdict === "auto_execute", mayExecute(input), JSON.stringify(made));
    });
    await fc.assert(property, { numRuns: 600 });
  });
});

// ---- The rules, read a second time -------------------------------------------------------------

const mostly = (usual: boolean) =>
  fc.integer({ min: 0, max: 5 }).map((n) => (n === 0 ? !usual : usual));
const otherwise = <T>(usual: T, ...others: readonly T[]) =>
  fc.oneof(
    { arbitrary: fc.constant(usual), weight: 6 },
    { arbitrary: fc.constantFrom(...others), weight: 1 },
  );

const change: fc.Arbitrary<Change> = fc
  .record({
    question: fc.record({
      action: fc.constantFrom(
        action("isolate"),
        action("isolate", WORKLOAD),
        action("label", POD, { key: "watchfloor.dev/suspect", value: "true" }),
        action("terminate"),
      ),
      confidence: otherwise(0.95, 0, 0.5, 0.79, 0.8, 1),
    }),
    entity: fc.record({
      identity: otherwise<"complete" | "partial" | "missing">("complete", "partial", "missing"),
      pod: otherwise<string | null>("session-cache-0", "session-cache-1", null),
      workload: otherwise<string | null>("session-cache", "vault", null),
    }),
    flags: fc.record({
      injectionSuspected: mostly(false),
      agentsDisagree: mostly(false),
      budgetSpent: mostly(false),
    }),
    target: fc.record({
      exists: mostly(true),
      criticality: otherwise<"low" | "medium" | "high" | "unknown">(
        "low",
        "medium",
        "high",
        "unknown",
      ),
      labels: otherwise<Record<string, string>>(
        {},
        { "watchfloor.dev/compliance": "x" },
        { "watchfloor.dev/isolated": "true" },
      ),
    }),
    blast: fc.record({
      pods: otherwise(1, 0, 3, 4),
      services: otherwise(1, 0, 2),
      replicasShare: otherwise(0.5, 0, 0.6, 1),
    }),
    approved: otherwise<object | null>(null, {}, { answer: "dismiss" }, { at: 0 }),
  })
  .map(({ approved, ...rest }) => (approved === null ? rest : { ...rest, approved }));

function mayExecute({ question, target, actionDigest }: EvaluateInput): boolean {
  const { action: proposed, entity, approval } = question;
  const spec = ENFORCING.spec;
  if (target === null || !("name" in proposed.target)) return false;
  const expected = proposed.target.kind === "pod" ? entity.pod : entity.workload;
  if (expected !== proposed.target.name || entity.identity !== "complete" || !target.exists)
    return false;
  if (proposed.type === "isolate" && target.labels["watchfloor.dev/isolated"] === "true")
    return false;
  const approved =
    approval?.answer === "approve" &&
    approval.actionDigests.includes(actionDigest) &&
    AT - approval.at <= spec.approval.validMs;
  if (approved) return true;
  const actionClass =
    proposed.type === "label" ? "mark" : proposed.type === "isolate" ? "contain" : "disrupt";
  const limits = spec.blastRadius[actionClass];
  return (
    actionClass !== "disrupt" &&
    question.confidence >= spec.confidenceFloor[actionClass] &&
    !Object.values(question.flags).includes(true) &&
    ["low", "medium"].includes(target.criticality) &&
    entity.workload !== "vault" &&
    target.labels["watchfloor.dev/compliance"] === undefined &&
    target.blast.pods <= limits.podsMax &&
    target.blast.services <= limits.servicesMax &&
    target.blast.replicasShare <= limits.replicasShareMax
  );
}
