import assert from "node:assert/strict";
import { costOf } from "../../../actors/analyst/prices.ts";

const tokens = { inputTokens: 10_000, outputTokens: 1_000 };

describe("actors/analyst: what a reading costs", () => {
  it("is counted in millionths of a dollar, by the longest prefix that fits", () => {
    assert.equal(costOf("claude-haiku-5-5", tokens), 1_500);
    assert.equal(costOf("claude-haiku-4-5-20251001", tokens), 15_000);
    assert.equal(costOf("claude-opus-5-5", tokens), 60_000);
    assert.equal(costOf("claude-opus-5", tokens), 75_000);
  });

  it("is the dearest price for a model nobody knows", () => {
    assert.equal(costOf("somebody-elses", tokens), 375_000);
    assert.equal(costOf("claude-haiku-5-50", tokens), 375_000);
  });

  it("rises with a long prompt where its service says so, and rounds up", () => {
    assert.equal(costOf("claude-haiku-5-5", { inputTokens: 200_000, outputTokens: 0 }), 100_000);
    assert.equal(costOf("claude-haiku-5-5", { inputTokens: 1, outputTokens: 0 }), 1);
  });
});
