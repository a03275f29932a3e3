/** Who should run what: shares, stickiness, and how little moves. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { assign, type Candidate, type Placed } from "../../supervisor/assignment.ts";

const shardsOf = (count: number, holders: readonly (string | null)[] = []): Placed[] =>
  Array.from({ length: count }, (_, n) => ({
    shard: `reviewer.${n}`,
    holder: holders[n] ?? null,
    refusedBy: [],
  }));
const runners = (...ids: readonly string[]): Candidate[] => ids.map((id) => ({ id, weight: 1 }));

function counts(assigned: ReadonlyMap<string, string | null>): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const id of assigned.values()) counted[id ?? "-"] = (counted[id ?? "-"] ?? 0) + 1;
  return counted;
}

describe("supervisor: assignment", () => {
  it("gives everything to the only runner, and nothing to none", () => {
    assert.deepEqual(counts(assign(shardsOf(4), runners("a"))), { a: 4 });
    assert.deepEqual(counts(assign(shardsOf(4), [])), { "-": 4 });
  });

  it("shares evenly, whatever the order in which runners are named", () => {
    const one = assign(shardsOf(8), runners("a", "b", "c", "d"));
    const other = assign(shardsOf(8), runners("d", "b", "a", "c"));
    assert.deepEqual(counts(one), { a: 2, b: 2, c: 2, d: 2 });
    assert.deepEqual(one, other);
  });

  it("shares by weight, and gives nothing to a runner that retires", () => {
    const weighted = [
      { id: "a", weight: 3 },
      { id: "b", weight: 1 },
      { id: "c", weight: 0 },
    ];
    assert.deepEqual(counts(assign(shardsOf(4), weighted)), { a: 3, b: 1 });
  });

  it("leaves a fair placement as it is", () => {
    const held = ["a", "b", "b", "c"];
    const assigned = assign(shardsOf(4, held), runners("a", "b", "c"));
    assert.deepEqual([...assigned.values()], held);
  });

  it("moves to a newcomer no more than its share", () => {
    const held = ["a", "a", "a", "a", "b", "b", "b", "b"];
    const assigned = [...assign(shardsOf(8, held), runners("a", "b", "c")).values()];
    assert.equal(assigned.filter((id, n) => id !== held[n]).length, 2);
    assert.ok(assigned.every((id, n) => id === held[n] || id === "c"));
  });

  it("gives what a dead runner held to others, and moves nothing else", () => {
    const held = ["a", null, "b", null];
    const assigned = [...assign(shardsOf(4, held), runners("a", "b")).values()];
    assert.deepEqual([assigned[0], assigned[2]], ["a", "b"]);
    assert.deepEqual(counts(new Map(assigned.map((id, n) => [String(n), id]))), { a: 2, b: 2 });
  });

  it("gives a shard to nobody who refused it", () => {
    const [first, ...rest] = shardsOf(2);
    const refused = [{ ...first!, refusedBy: ["a"] }, ...rest];
    assert.equal(assign(refused, runners("a", "b")).get("reviewer.0"), "b");
    assert.equal(assign(refused, runners("a")).get("reviewer.0"), null);
  });

  it("converges for any placement: taken as it says, it changes no more", () => {
    const ids = ["a", "b", "c", "d", "e"];
    const holder = fc.option(fc.constantFrom(...ids, "dead"), { nil: null });
    const weight = fc.integer({ min: 0, max: 4 });
    const property = fc.property(
      fc.array(holder, { minLength: 1, maxLength: 16 }),
      fc.array(weight, { minLength: 5, maxLength: 5 }),
      (holders, weights) => {
        const candidates = ids.map((id, n) => ({ id, weight: weights[n]! }));
        const once = assign(shardsOf(holders.length, holders), candidates);
        const again = assign(shardsOf(holders.length, [...once.values()]), candidates);
        assert.deepEqual(again, once);
        const total = weights.reduce((sum, one) => sum + one, 0);
        for (const [id, count] of Object.entries(counts(once))) {
          if (id === "-") return assert.equal(total, 0);
          const share = (holders.length * candidates.find((c) => c.id === id)!.weight) / total;
          assert.ok(count <= Math.ceil(share) && count >= 0, `${id} has ${count} of ${share}`);
        }
      },
    );
    fc.assert(property, { numRuns: 300 });
  });
});
