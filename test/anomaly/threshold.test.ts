/** Proves the p-value's arithmetic, its tail's bounds, and that no budget can switch the gate off. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { cutOf, pValueOf } from "../../anomaly/index.ts";
import { seededRandom } from "../../anomaly/random.ts";
import { calibrate } from "../../anomaly/threshold.ts";

/** Scores whose tail thins out exponentially. */
function exponential(seed: number, count: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => 0.4 - 0.02 * Math.log(1 - random.next()));
}

describe("anomaly: threshold", () => {
  it("counts held-out scores at least as high, itself included", () => {
    const calibration = calibrate(Float32Array.of(0.4, 0.1, 0.3, 0.2));
    assert.equal(pValueOf(calibration, 0.9), 1 / 5);
    assert.equal(pValueOf(calibration, 0.3), 3 / 5);
    assert.equal(pValueOf(calibration, 0), 1);
  });

  it("agrees with counting, for any scores that are not above all", () => {
    const score = fc.float({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(score, { minLength: 1 }), score, (held, wanted) => {
        const above = held.filter((one) => one >= wanted).length;
        const p = pValueOf(calibrate(Float32Array.from(held)), wanted);
        if (above > 0) assert.ok(Math.abs(p - (1 + above) / (held.length + 1)) < 1e-12);
        else assert.ok(p <= 1 / (held.length + 1));
      }),
    );
  });

  it("keeps false alarms within the budget on fresh scores of the same kind", () => {
    const calibration = calibrate(exponential(1, 10_000));
    for (const budget of [1e-3, 1e-4, 3e-5]) {
      const cut = cutOf(calibration, budget);
      const fresh = exponential(2, 400_000);
      const alarms = fresh.filter((score) => pValueOf(calibration, score) <= cut).length;
      assert.ok(alarms <= 3 * budget * fresh.length, `${alarms} at ${budget}`);
    }
  });

  it("tells scores beyond all held-out ones apart, within bounds, and never rises", () => {
    const calibration = calibrate(exponential(3, 4000));
    const highest = calibration.scores.at(-1)!;
    const finest = 1 / 4001;
    let before = 1;
    for (let score = 0.39; score < 1; score += 0.001) {
      const p = pValueOf(calibration, score);
      assert.ok(p <= before && p >= finest / 20);
      before = p;
    }
    assert.ok(pValueOf(calibration, highest + 0.05) < finest / 2);
    assert.equal(before, finest / 20);
  });

  it("fits no tail to few or to equal scores", () => {
    assert.equal(calibrate(exponential(4, 100)).tail, null);
    assert.equal(calibrate(new Float32Array(5000).fill(0.5)).tail, null);
    assert.equal(pValueOf(calibrate(new Float32Array(5000).fill(0.5)), 0.9), 1 / 5001);
  });

  it("forwards what is rarest of all, however small the budget", () => {
    const few = calibrate(Float32Array.of(0.1, 0.2, 0.3));
    assert.ok(pValueOf(few, 0.4) <= cutOf(few, 1e-9));
    assert.ok(pValueOf(few, 0.25) > cutOf(few, 1e-9));
    assert.equal(cutOf(few, 0.5), 0.5);
    const many = calibrate(exponential(5, 4000));
    assert.ok(pValueOf(many, 0.99) <= cutOf(many, 1e-9));
  });
});
