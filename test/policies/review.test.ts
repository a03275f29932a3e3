/**
 * The boundary of: the policy and its verdicts, as the product asks for them: the compiled module
 * with the shipped parameters.
 */
import assert from "node:assert/strict";
import { decide } from "../../policies/engine.ts";
import { loadWasmEngine, type WasmEngine } from "../../policies/wasm-engine.ts";
import { APPROVED_ROWS } from "./approved-rows.ts";
import { ask, NOW, ENFORCING } from "./fixtures.ts";
import { REVIEW_ROWS } from "./review-rows.ts";

describe("policies: the verdict", () => {
  let enforcing: WasmEngine;

  before(async () => {
    enforcing = await loadWasmEngine(ENFORCING);
  });

  for (const row of [...REVIEW_ROWS, ...APPROVED_ROWS]) {
    it(`${row.verdict}: ${row.name}`, async () => {
      const { parameters } = row;
      const engine =
        parameters === undefined ? enforcing : await enforcing.withParameters(parameters);
      const decision = await decide(engine, row.input, NOW);
      const { verdict, reasons, ruleIds, obligations } = decision;
      assert.deepEqual(
        { verdict, reasons, ruleIds, obligations },
        {
          verdict: row.verdict,
          reasons: row.reasons,
          ruleIds: row.ruleIds,
          obligations: row.obligations ?? [],
        },
      );
    });
  }

  it("says which parameters it weighed", async () => {
    const { parametersUsed } = await decide(enforcing, ask(), NOW);
    assert.equal(parametersUsed["confidenceFloor"], 0.8);
    assert.equal(parametersUsed["mode"], "enforce");
    assert.deepEqual(parametersUsed["blastRadius"], ENFORCING.spec.blastRadius.contain);
  });
});
