/** Every reason that a decision can give is explained, and nothing else is. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { EXPLANATIONS } from "../../policies/explanations.ts";

const ROOM = resolve(import.meta.dirname, "../../policies");

it("policies: every reason has an explanation", () => {
  const review = join(ROOM, "rego/watchfloor/review");
  const rego = readdirSync(review)
    .filter((name) => !name.endsWith("_test.rego"))
    .map((name) => readFileSync(join(review, name), "utf8"))
    .join("\n");
  const checks = /\nchecks := \{\n([^}]*)\n\}/.exec(rego)?.[1] ?? "";
  const found = [
    ...[...checks.matchAll(/": "([a-z_]+)"/g)].map((match) => match[1]),
    ...[...rego.matchAll(/rejections contains "([a-z_]+)"/g)].map((match) => match[1]),
    ...[...rego.matchAll(/reasons := \{([^}|]+)\}/g)].flatMap((match) =>
      [...match[1]!.matchAll(/"([a-z_]+)"/g)].map((inner) => inner[1]),
    ),
    "policy_failed",
    "policy_unreachable",
    "policy_stale",
    "decision_not_logged",
  ];
  const names = [...new Set(found)].map((name) => name ?? "");
  assert.deepEqual(
    names.toSorted((a, b) => (a < b ? -1 : 1)),
    Object.keys(EXPLANATIONS).toSorted(),
  );
});
