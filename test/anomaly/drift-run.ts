/**
 * The boundary of: traffic and the drift monitor, through the gate's own features and forest: one
 * model, a reference week, then whatever comes.
 */
import { entityOf } from "../../anomaly/entity.ts";
import { DriftMonitor, type DriftWindow } from "../../anomaly/drift.ts";
import { atMsOf, COLUMNS, FeatureExtractor } from "../../anomaly/features.ts";
import { cutOf, pValueOf, trainModel, type Model } from "../../anomaly/index.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import { traffic } from "./traffic.ts";

const WEEK_HOURS = 7 * 24;
const BUDGET = 0.01;

/** A gate that has served its reference week, and can go on from there, several times over. */
export class DriftRun {
  readonly windows: DriftWindow[] = [];
  private readonly monitor: DriftMonitor;
  private readonly extractor: FeatureExtractor;
  private readonly cut: number;
  private readonly row = new Float32Array(COLUMNS);
  private readonly model: Model;
  private readonly seed: number;

  private constructor(model: Model, seed: number) {
    this.model = model;
    this.seed = seed;
    this.extractor = new FeatureExtractor(seed);
    this.cut = cutOf(model.full.calibration, BUDGET);
    this.monitor = new DriftMonitor({ model, budget: () => BUDGET, seed });
  }

  static begun(seed: number, hourly: number): DriftRun {
    const baseline = traffic({ seed, fromHour: 0, hours: WEEK_HOURS, hourly });
    const model = trainModel(baseline, { seed });
    const run = new DriftRun(model, seed);
    run.extractor.load(model.memory);
    const hours = WEEK_HOURS + 1;
    run.serve(traffic({ seed: seed + 1000, fromHour: WEEK_HOURS, hours, hourly }));
    return run;
  }

  /** Another gate with the same memory, from what this one saves. */
  fork(): DriftRun {
    const run = new DriftRun(this.model, this.seed);
    run.extractor.load(this.extractor.save());
    run.monitor.load(this.monitor.save());
    return run;
  }

  /** What its monitor knows. */
  saved(): Uint8Array {
    return this.monitor.save();
  }

  serve(events: Iterable<FalcoEvent>): readonly DriftWindow[] {
    const from = this.windows.length;
    for (const event of events) {
      const atMs = atMsOf(event);
      this.extractor.measure(event, entityOf(event), atMs, this.row);
      const { forest, calibration } = this.model.full;
      const score = forest.scoreOne(this.row);
      const alerted = pValueOf(calibration, score) <= this.cut;
      this.extractor.learn();
      const window = this.monitor.observe(this.row, score, atMs, alerted);
      if (window !== null) this.windows.push(window);
    }
    return this.windows.slice(from);
  }
}
