/** Goal: confidence follows from evidence, not from claims alone. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { agreementOf, confidenceOf, disagree, type Evidence } from "../../machines/confidence.ts";
import { NO_USAGE, PRIORITIES } from "../../machines/vocabulary.ts";
import { ISOLATE, report } from "../kit/case-parts.ts";

const EVIDENCE: Evidence = {
  priority: "critical",
  pValue: 0.0005,
  learning: false,
  identity: "complete",
};
const NO_DOUBT = { evidenceMissing: false, schemaRepaired: false };
const claim = (value: number, over = {}): ReturnType<typeof report> =>
  report([ISOLATE], { claim: value, ...over });

const anyEvidence: fc.Arbitrary<Evidence> = fc.record({
  priority: fc.constantFrom(...PRIORITIES),
  pValue: fc.double({ min: 0, max: 1, noNaN: true }),
  learning: fc.boolean(),
  identity: fc.constantFrom("complete" as const, "partial" as const, "missing" as const),
});

describe("confidence", () => {
  it("is the calibrated claim when the numbers agree wholly", () => {
    assert.equal(confidenceOf(claim(0.9), EVIDENCE, NO_DOUBT), 0.9);
    const model = { ...NO_USAGE, engine: "model" as const };
    assert.equal(confidenceOf(claim(0.9, { usage: model }), EVIDENCE, NO_DOUBT), 0.855);
  });

  it("is nothing without a report, and within [0, 1] whatever is claimed", () => {
    assert.equal(confidenceOf(null, EVIDENCE, NO_DOUBT), 0);
    fc.assert(
      fc.property(
        fc.double(),
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        anyEvidence,
        (value, benign, a, b, evidence) => {
          const flags = { evidenceMissing: a, schemaRepaired: b };
          const confidence = confidenceOf(claim(value, { benign }), evidence, flags);
          assert.ok(confidence >= 0 && confidence <= 1);
        },
      ),
    );
  });

  it("never rises when evidence is missing, repaired or names nobody", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), anyEvidence, (value, evidence) => {
        const whole = confidenceOf(claim(value), { ...evidence, identity: "complete" }, NO_DOUBT);
        const doubted = [
          confidenceOf(
            claim(value),
            { ...evidence, identity: "complete" },
            { ...NO_DOUBT, evidenceMissing: true },
          ),
          confidenceOf(
            claim(value),
            { ...evidence, identity: "complete" },
            { ...NO_DOUBT, schemaRepaired: true },
          ),
          confidenceOf(claim(value), { ...evidence, identity: "missing" }, NO_DOUBT),
        ];
        assert.ok(doubted.every((confidence) => confidence <= whole));
      }),
    );
  });

  it("rises with severity for an attack, and falls with it for the benign", () => {
    const by = (benign: boolean): number[] =>
      PRIORITIES.map((priority) => agreementOf(benign, { ...EVIDENCE, priority, pValue: 1 }));
    assert.deepEqual(
      by(false),
      by(false).toSorted((a, b) => b - a),
    );
    assert.deepEqual(
      by(true),
      by(true).toSorted((a, b) => a - b),
    );
  });

  it("believes novelty less while a workload is learnt", () => {
    const evidence = { ...EVIDENCE, priority: "notice" as const };
    assert.ok(agreementOf(false, { ...evidence, learning: true }) < agreementOf(false, evidence));
  });

  it("sees that a benign reading of the extreme disagrees, and an ordinary one does not", () => {
    assert.equal(disagree(claim(0.9, { benign: true }), EVIDENCE), true);
    assert.equal(
      disagree(claim(0.9, { benign: true }), { ...EVIDENCE, priority: "notice", pValue: 0.02 }),
      false,
    );
    assert.equal(disagree(claim(0.9), EVIDENCE), false);
    assert.equal(disagree(claim(0.9), { ...EVIDENCE, priority: "debug", pValue: 0.9 }), true);
  });
});
