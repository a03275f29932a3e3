/**
 * The boundary of: what the gate knows before its first live event. A forest, held-out scores that
 * turn a score into a p-value, the baseline's medians and workloads, and the memory it left behind.
 */
import { WatchfloorError } from "../machines/errors.ts";
import type { FalcoEvent } from "../machines/vocabulary.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { entityOf, workloadKey } from "./entity.ts";
import { atMsOf, COLUMNS, FeatureExtractor } from "./features.ts";
import { loadForest, saveForest } from "./forest.ts";
import { fitRows, judgeOf, type Fitted, type Judge } from "./fitting.ts";
import { calibrate } from "./threshold.ts";

export interface TrainOptions {
  /** Draws of the forest, the held-out share and the hashes; keep it secret where it matters. */
  readonly seed: number;
  /** Default 100. */
  readonly trees?: number;
  /** Default 512: what recurs a few times a day is then mostly in a sample, and no stranger. */
  readonly sampleSize?: number;
}

export interface Model extends Fitted {
  readonly seed: number;
  /** Time of the newest baseline event, ms since the epoch. */
  readonly trainedToMs: number;
  /** `namespace/workload` or `host/name` of the baseline. */
  readonly workloads: ReadonlySet<string>;
  /** Memory after the baseline, as FeatureExtractor saves it. */
  readonly memory: Uint8Array;
  /** The newest baseline rows, one after another: what a later candidate is fitted to. */
  readonly rows: Float32Array;
}

const FORMAT = { kind: "MODL", version: 1 };
const ROWS_MAX = 8192;
const WORKLOADS_MAX = 10_000;
const EVENTS_MIN = 100;

/**
 * Learns a baseline of chronological events; internal ones are left out.
 * @throws `rows_too_few` (under 100 events), `rows_constant`, `option_invalid`
 */
export function trainModel(events: Iterable<FalcoEvent>, options: TrainOptions): Model {
  const baseline = [...events].filter((event) => !event.internal);
  if (baseline.length < EVENTS_MIN) {
    throw new WatchfloorError("rows_too_few", { rows: baseline.length, needed: EVENTS_MIN });
  }
  const extractor = new FeatureExtractor(options.seed);
  const all = baselineRows(extractor, baseline);
  const rows = all.slice(Math.max(0, baseline.length - ROWS_MAX) * COLUMNS);
  const workloads = new Set(baseline.map((event) => workloadKey(entityOf(event))));
  return {
    ...fitRows(rows, options),
    seed: options.seed,
    trainedToMs: baseline.reduce((last, event) => Math.max(last, atMsOf(event)), 0),
    workloads: new Set([...workloads].slice(0, WORKLOADS_MAX)),
    memory: extractor.save(),
    rows,
  };
}

/** Rows of chronological events against a copy of the model's memory, which stays as it is. */
export function rowsOf(model: Model, events: Iterable<FalcoEvent>): Float32Array {
  const extractor = new FeatureExtractor(model.seed);
  extractor.load(model.memory);
  return extractRows(
    extractor,
    [...events].filter((event) => !event.internal),
  );
}

/**
 * Rates and novelty come of the order of events; rarities are measured afterwards, each event
 * against all others. In the first pass alone the early rows would meet an empty memory, and be
 * rarer than anything that comes after the baseline.
 */
function baselineRows(extractor: FeatureExtractor, events: readonly FalcoEvent[]): Float32Array {
  const ages: (number | null)[] = [];
  const rows = extractRows(extractor, events, (age) => ages.push(age));
  events.forEach((event, i) => {
    extractor.recall(event, entityOf(event), ages[i]!, rowAt(rows, i));
  });
  return rows;
}

function extractRows(
  extractor: FeatureExtractor,
  events: readonly FalcoEvent[],
  learnt?: (ageHours: number | null) => void,
): Float32Array {
  const rows = new Float32Array(events.length * COLUMNS);
  events.forEach((event, i) => {
    extractor.measure(event, entityOf(event), atMsOf(event), rowAt(rows, i));
    const age = extractor.learn();
    learnt?.(age);
  });
  return rows;
}

function rowAt(rows: Float32Array, i: number): Float32Array {
  return rows.subarray(i * COLUMNS, (i + 1) * COLUMNS);
}

export function saveModel(model: Model): Uint8Array {
  const writer = new ByteWriter();
  writer.f64(model.seed);
  writer.f64(model.trainedToMs);
  writer.texts([...model.workloads]);
  for (const judge of [model.full, model.familiar]) {
    writer.block(saveForest(judge.forest));
    writer.f32s(judge.calibration.scores);
  }
  writer.f32s(model.medians);
  writer.f32s(model.rows);
  writer.block(model.memory);
  return writer.seal(FORMAT);
}

/** @throws `model_unreadable` for any bytes but those `saveModel` of this version wrote */
export function loadModel(bytes: Uint8Array): Model {
  const reader = new ByteReader(bytes, FORMAT);
  const [seed, trainedToMs] = [reader.f64(), reader.f64()];
  const workloads = new Set(reader.texts());
  const full = loadJudge(reader);
  const familiar = loadJudge(reader);
  const [medians, rows, memory] = [reader.f32s(), reader.f32s(), reader.block()];
  reader.end();
  if (medians.length !== COLUMNS || rows.length % COLUMNS !== 0) {
    throw reader.broken(`its rows do not have ${COLUMNS} features`);
  }
  new FeatureExtractor(seed).load(memory);
  return { seed, trainedToMs, workloads, full, familiar, medians, rows, memory };
}

function loadJudge(reader: ByteReader): Judge {
  const forest = loadForest(reader.block());
  const { columns } = forest.trees;
  if (columns !== COLUMNS) {
    throw reader.broken(`it has ${columns} features, this one knows ${COLUMNS}`);
  }
  return judgeOf(forest, calibrate(reader.f32s()));
}
