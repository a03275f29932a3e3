/**
 * The whole under attack, from seeds: real supervisor, real statecharts, several runners, and
 * everything that can go wrong between them. `npm run sim` runs more, and shows one seed at length.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { checkFragments, noticed } from "./mutations.ts";
import { MUTATIONS } from "./mutation-list.ts";
import { simulate } from "./world.ts";

const SEEDS = 200;
const BATCH = 20;
const TIMELINE_LINES = 60;

/** Seeds that once broke a rule, and what was wrong. */
const KEPT: readonly (readonly [seed: number, what: string])[] = [
  [122, "turns that were not appended yet were sent when their receiver moved"],
  [79, "a claimant whose claim was trimmed by its successor raised an alarm about lost records"],
  [103, "a timer armed by a clock that was set right later did not come due"],
];

/** Some of each kind; `npm run sim -- --mutations` takes them all. */
const SAMPLE = [
  "turns leave before they are appended",
  "an outbox entry is forgotten",
  "a call begins before its turn is appended",
];

describe("simulation", () => {
  for (let first = 1; first <= SEEDS; first += BATCH) {
    it(`keeps every rule from seeds ${first} to ${first + BATCH - 1}`, async () => {
      for (let seed = first; seed < first + BATCH; seed++) await holds(seed);
    }).timeout(180_000);
  }

  for (const [seed, what] of KEPT)
    it(`keeps every rule from seed ${seed}, where ${what}`, () => holds(seed));

  it("is the same run for the same seed", async () => {
    const [one, other] = [await simulate(7, true), await simulate(7, true)];
    assert.deepEqual(other.timeline, one.timeline);
  });
});

describe("simulation: a broken runtime", () => {
  it("has every mutation's fragment in the source, once", () => {
    assert.ok(MUTATIONS.length >= 20);
    checkFragments();
  });

  for (const name of SAMPLE) {
    it(`is noticed when ${name}`, async () => {
      const mutation = MUTATIONS.find((known) => known.name === name) ?? assert.fail(name);
      const { seed } = await noticed(mutation, 100);
      assert.ok(seed !== null, "no rule was broken within 100 seeds");
    }).timeout(180_000);
  }
});

/** A failure says its seed, and ends with what happened last. */
async function holds(seed: number): Promise<void> {
  const { violations } = await simulate(seed);
  if (violations.length === 0) return;
  const { timeline } = await simulate(seed, true);
  assert.fail(
    [
      `seed ${seed}: ${violations.join("\n  ")}`,
      ...timeline.slice(-TIMELINE_LINES),
      `npm run sim -- --seeds 1 --seed ${seed} --timeline`,
    ].join("\n"),
  );
}
