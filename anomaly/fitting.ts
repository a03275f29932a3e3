/**
 * The boundary of: rows and what is fitted to them. One way for the first model and for every
 * candidate after it, so that the two can be compared.
 */
import { WatchfloorError } from "../machines/errors.ts";
import { COLUMNS, FEATURES } from "./features.ts";
import { fitTracked, type Drawn, type Forest, type ForestOptions } from "./forest.ts";
import { influences, leafWeights, type Influence, type Lesson } from "./lessons.ts";
import { seededRandom, type SeededRandom } from "./random.ts";
import { calibrate, type Calibration } from "./threshold.ts";

/** A forest and the scores it gives to ordinary rows that it did not grow on. */
export interface Judge {
  readonly forest: Forest;
  /** The same one before anyone taught it: what nobody may talk it out of. */
  readonly untaught: Forest;
  readonly calibration: Calibration;
}

export interface Fitted {
  readonly full: Judge;
  /** Grown on rows whose rarities are the baseline's medians: judges what is done, not how new. */
  readonly familiar: Judge;
  readonly medians: Float32Array;
}

/** Of all rows, what one tree may draw. */
const DRAWN_SHARE_MAX = 0.25;
/** Rows of the background among those the forest grows on. */
const BACKGROUND_SHARE = 0.1;
/** Features of a background row that are drawn anew. */
const BACKGROUND_FEATURES_MAX = 6;
const ROWS_MIN = 10;

/** What people said, and when it is now: verdicts fade. */
export interface Teaching {
  readonly lessons: readonly Lesson[];
  /** ms since the epoch. */
  readonly nowMs: number;
}

/** Of ordinary rows, the share that counts as unusual where lessons are weighed. */
const UNUSUAL_SHARE = 0.1;

/** @throws `rows_too_few`, `row_not_finite`, `rows_constant`, `option_invalid` */
export function fitRows(
  rows: Float32Array,
  options: ForestOptions,
  teaching: Teaching = { lessons: [], nowMs: 0 },
): Fitted {
  const count = Math.floor(rows.length / COLUMNS);
  if (count < ROWS_MIN)
    throw new WatchfloorError("rows_too_few", { rows: count, needed: ROWS_MIN });
  const { seed = 0, trees = 100, sampleSize = 512 } = options;
  const grown = withBackground(rows, seededRandom(seed));
  // No tree may draw more than a part of the rows, or none would be left to judge a row unseen.
  const drawMax = Math.max(2, Math.floor(count * DRAWN_SHARE_MAX));
  const growth = { seed, trees, sampleSize: Math.min(sampleSize, drawMax) };
  const medians = mediansOf(rows);
  return {
    full: fitJudge(grown, count, growth, teaching),
    familiar: fitJudge(
      familiarRows(grown, medians),
      count,
      growth,
      familiarLessons(teaching, medians),
    ),
    medians,
  };
}

/**
 * A forest on all rows given, taught, and calibrated on the first `count`, each by trees that never
 * saw it. What was taught counts in the calibration too, so that the budget holds afterwards.
 */
function fitJudge(
  grown: Float32Array,
  count: number,
  options: ForestOptions & { readonly trees: number },
  { lessons, nowMs }: Teaching,
): Judge {
  const { forest, drawn } = fitTracked(grown, COLUMNS, options);
  const untaught = calibrationOf(forest, grown, drawn, count);
  const weights = leafWeights(forest, lessons, unusualScore(untaught), nowMs);
  if (weights === null) return judgeOf(forest, untaught);
  const taught = forest.taught(weights);
  return judgeOf(taught, calibrationOf(taught, grown, drawn, count));
}

export function judgeOf(forest: Forest, calibration: Calibration): Judge {
  return { forest, untaught: forest.weights === null ? forest : forest.taught(null), calibration };
}

function calibrationOf(
  forest: Forest,
  grown: Float32Array,
  drawn: Drawn,
  count: number,
): Calibration {
  const scores = new Float32Array(count);
  forest.scoreUnseen(grown, drawn, scores);
  // With very few trees a row may have been seen by all of them: nobody can judge it.
  return calibrate(scores.filter((score) => !Number.isNaN(score)));
}

function unusualScore({ scores }: Calibration): number {
  return scores[Math.floor(scores.length * (1 - UNUSUAL_SHARE))] ?? 0.5;
}

/** What each person's lessons do to a model that was taught them. */
export function influencesIn(fitted: Fitted, { lessons, nowMs }: Teaching): readonly Influence[] {
  const { untaught, calibration } = fitted.full;
  return influences(untaught, lessons, unusualScore(calibration), nowMs);
}

function familiarLessons({ lessons, nowMs }: Teaching, medians: Float32Array): Teaching {
  const familiar = lessons.map((lesson) => {
    const row = lesson.row.slice();
    familiarRow(row, medians);
    return { ...lesson, row };
  });
  return { lessons: familiar, nowMs };
}

function familiarRows(rows: Float32Array, medians: Float32Array): Float32Array {
  const familiar = rows.slice();
  for (let from = 0; from < familiar.length; from += COLUMNS) {
    familiarRow(familiar.subarray(from, from + COLUMNS), medians);
  }
  return familiar;
}

/** Replaces a row's rarities by the baseline's medians: what it does, without that it is new. */
export function familiarRow(row: Float32Array, medians: Float32Array): void {
  for (let column = 0; column < COLUMNS; column += 1) {
    if (FEATURES[column]!.rarity) row[column] = medians[column]!;
  }
}

export function scoresOf(forest: Forest, rows: Float32Array): Float32Array {
  const scores = new Float32Array(rows.length / COLUMNS);
  forest.scoreBatch(rows, scores);
  return scores;
}

/** At most `max` of the rows, evenly over their order. */
export function thinned(rows: Float32Array, max: number): Float32Array {
  const count = rows.length / COLUMNS;
  if (count <= max) return rows;
  const indices = Array.from({ length: max }, (_, i) => Math.floor((i * count) / max));
  return pickRows(rows, indices);
}

export function pickRows(rows: Float32Array, indices: readonly number[]): Float32Array {
  const picked = new Float32Array(indices.length * COLUMNS);
  indices.forEach((index, i) => {
    picked.set(rows.subarray(index * COLUMNS, (index + 1) * COLUMNS), i * COLUMNS);
  });
  return picked;
}

/**
 * Adds rows that no baseline has: ordinary ones with one to three features drawn from their whole
 * range. A forest splits only where its sample differs, so a value that never occurred (a dropped
 * binary, the metadata address) would look like the nearest one that did; with a thin background
 * there are splits between the two. Held-out scores never see these rows.
 */
function withBackground(rows: Float32Array, random: SeededRandom): Float32Array {
  const count = rows.length / COLUMNS;
  const extra = Math.ceil(count * BACKGROUND_SHARE);
  const all = new Float32Array((count + extra) * COLUMNS);
  all.set(rows);
  for (let i = count; i < count + extra; i += 1) {
    const source = random.below(count);
    all.set(rows.subarray(source * COLUMNS, (source + 1) * COLUMNS), i * COLUMNS);
    const changes = 1 + random.below(BACKGROUND_FEATURES_MAX);
    for (let change = 0; change < changes; change += 1) {
      const column = random.below(COLUMNS);
      const { max, whole } = FEATURES[column]!;
      all[i * COLUMNS + column] = whole ? random.below(max + 1) : random.next() * max;
    }
  }
  return all;
}

function mediansOf(rows: Float32Array): Float32Array {
  const count = rows.length / COLUMNS;
  return Float32Array.from({ length: COLUMNS }, (_, column) => {
    const values = Float32Array.from({ length: count }, (_row, i) => rows[i * COLUMNS + column]!);
    return values.toSorted()[count >> 1]!;
  });
}
