/** How much of the alert budget is left when events wait. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { shedBudget } from "../../policies/shedding.ts";

const CURVE = { depthFrom: 1_000, depthTo: 3_000, shareMin: 0.01 };

describe("policies: shedding load", () => {
  for (const [depth, left] of [
    [0, 0.001],
    [1_000, 0.001],
    [2_000, 0.0001],
    [3_000, 0.00001],
    [1_000_000, 0.00001],
  ] as const) {
    it(`leaves ${left} of a budget of 0.001 while ${depth} events wait`, () => {
      assert.ok(Math.abs(shedBudget(0.001, CURVE, depth) - left) < 1e-12);
    });
  }
});
