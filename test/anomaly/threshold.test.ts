/** Proves the p-value's arithmetic and that no budget can switch the gate off. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { calibrate } from "../../anomaly/threshold.ts";
import { cutOf, pValueOf } from "../../anomaly/index.ts";

describe("anomaly: threshold", () => {
  it("counts held-out scores at least as high, itself included", () => {
    const calibration = calibrate(Float32Array.of(0.4, 0.1, 0.3, 0.2));
    assert.equal(pValueOf(calibration, 0.9), 1 / 5);
    assert.equal(pValueOf(calibration, 0.3), 3 / 5);
    assert.equal(pValueOf(calibration, 0), 1);
  });

  it("agrees with counting, for any scores", () => {
    const score = fc.float({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(score, { minLength: 1 }), score, (held, wanted) => {
        const above = held.filter((one) => one >= wanted).length;
        const p = pValueOf(calibrate(Float32Array.from(held)), wanted);
        assert.equal(p, (1 + above) / (held.length + 1));
      }),
    );
  });

  it("forwards what tops every held-out score, however small the budget", () => {
    const calibration = calibrate(Float32Array.of(0.1, 0.2, 0.3));
    assert.ok(pValueOf(calibration, 0.4) <= cutOf(calibration, 1e-9));
    assert.ok(pValueOf(calibration, 0.25) > cutOf(calibration, 1e-9));
    assert.equal(cutOf(calibration, 0.5), 0.5);
  });
});
