/** Proves that a candidate never learns attacks as ordinary, and that a worse one is known as such. */
import assert from "node:assert/strict";
import {
  compareModels,
  fitCandidate,
  rowsOf,
  trainModel,
  type LabelledRows,
  type Model,
  type RowLabel,
} from "../../anomaly/index.ts";
import { calibrate } from "../../anomaly/threshold.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import { attackEvents, ordinaryEvents } from "./events.ts";

describe("anomaly: retraining", () => {
  let serving: Model;
  let recent: LabelledRows;

  before(() => {
    serving = trainModel(ordinaryEvents(1, 2000), { seed: 7 });
    const afterMs = serving.trainedToMs + 60_000;
    const ordinary = rowsOf(serving, ordinaryEvents(2, 1000, afterMs));
    const attacks = rowsOf(serving, attackEvents("web", afterMs));
    const labels = [
      ...Array.from({ length: 1000 }, (): RowLabel => null),
      ...Array.from({ length: 4 }, (): RowLabel => "attack"),
    ];
    recent = { rows: Float32Array.of(...ordinary, ...attacks), labels };
  });

  it("fits on what was ordinary lately, without the rows that people called attacks", () => {
    const candidate = fitCandidate(serving, recent, { seed: 8 });
    assert.equal(candidate.full.calibration.scores.length, 2000 + 1000);
    const same = compareModels(serving, candidate, recent, 1e-3);
    assert.equal(same.worse, false);
    assert.ok(same.candidate.attackRank! > 0.98);
  });

  it("calls a candidate worse that was taught the attacks as ordinary", () => {
    const attack = recent.rows.slice(-17 * 4);
    const poison = Float32Array.from(
      { length: attack.length * 400 },
      (_, i) => attack[i % attack.length]!,
    );
    const labels = Array.from({ length: 1600 }, (): RowLabel => "benign");
    const candidate = fitCandidate(serving, { rows: poison, labels }, { seed: 8 });
    assert.equal(compareModels(serving, candidate, recent, 1e-3).worse, true);
  });

  it("calls a candidate worse that alerts on far more", () => {
    const low = calibrate(serving.full.calibration.scores.slice(0, 1000));
    const narrow = { ...serving.full, calibration: low };
    const { worse, candidate } = compareModels(serving, { ...serving, full: narrow }, recent, 1e-3);
    assert.ok(worse && candidate.alertRate > 0.1);
  });

  it("has no rank to compare where nobody labelled an attack", () => {
    const unlabelled = { rows: recent.rows, labels: recent.labels.map((): RowLabel => null) };
    const { serving: figures } = compareModels(serving, serving, unlabelled, 1e-3);
    assert.equal(figures.attackRank, null);
  });

  it("refuses labels that do not belong to the rows", () => {
    assert.throws(
      () => fitCandidate(serving, { rows: recent.rows, labels: [] }, { seed: 1 }),
      (error) => error instanceof WatchfloorError && error.code === "row_width",
    );
  });
});
