/**
 * Goal: the sample's forty attacks are read rightly without a model. Method: the lines of each, as
 * the source parses them, through the rules engine; the truth is asked only afterwards.
 */
import assert from "node:assert/strict";
import { isKnown, parentOf } from "../../../actors/analyst/attack.ts";
import { meaningOfRule } from "../../../actors/analyst/mapping.ts";
import { classifyByRules } from "../../../actors/analyst/rules-engine.ts";
import type { AnalystReading } from "../../../machines/calls.ts";
import { parseFalcoLine } from "../../../transports/falco/parse.ts";
import { attackLines, SCENARIOS, type Scenario } from "../../../transports/sample/scenarios.ts";
import { classifyInput } from "../../kit/analyst-input.ts";

const SEED = 1;

function read(scenario: Scenario, lines: readonly string[]): AnalystReading {
  const events = lines.map((text, index) => parseFalcoLine(text, index + 1));
  return classifyByRules(classifyInput(events, { case: `c-${scenario.id}` }), events);
}

describe("actors/analyst: the sample's attacks", () => {
  const lines = attackLines(SEED);

  it("are forty", () => assert.equal(SCENARIOS.length, 40));

  for (const scenario of SCENARIOS) {
    const own = lines.filter((line) => line.scenario === scenario.id).map(({ text }) => text);

    it(`${scenario.id}: finds ${scenario.technique} or its parent`, () => {
      assert.ok(isKnown(scenario.technique));
      const { techniques } = read(scenario, own);
      const found = techniques.map(({ id }) => id);
      const right = [scenario.technique, parentOf(scenario.technique)];
      assert.ok(
        found.some((id) => right.includes(id)),
        `found ${found.join(" ")}`,
      );
    });

    it(`${scenario.id}: is not called benign, and something is proposed`, () => {
      const reading = read(scenario, own);
      assert.equal(reading.benign, false);
      assert.ok(reading.proposals.length > 0);
      assert.ok(!reading.proposals.some(({ type }) => type === "close_benign"));
      assert.ok(reading.claim >= 0.5, `claim ${reading.claim}`);
    });

    it(`${scenario.id}: fires a rule that the table knows`, () => {
      assert.ok(meaningOfRule(scenario.rule) !== null || scenario.rule.startsWith("Estate: "));
    });
  }
});
