/**
 * The boundary of: the isolation forest. The same algorithm as scikit-learn's, on float32 rows;
 * equal seeds and rows give equal forests. Higher scores are more anomalous.
 *
 * Rows lie one after another in one Float32Array: value `column` of row `i` at
 * `i * columns + column`, in whatever units; only their order within a column matters.
 */
import { WatchfloorError } from "../machines/errors.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { engineFor } from "./engine/engine.ts";
import {
  leafOf,
  projected,
  SLOPES,
  type Engine,
  type FlatForest,
  type Slopes,
} from "./engine/flat.ts";
import { powerOfMinus } from "./exponent.ts";
import { growTrees, type Trees } from "./grow.ts";

export interface ForestOptions {
  /** Equal seeds give equal forests; an integer, default 0. */
  readonly seed?: number;
  /** Default 100. */
  readonly trees?: number;
  /** Rows drawn for each tree without replacement; default 256, at most the number of rows. */
  readonly sampleSize?: number;
  /** Each split weighs three features instead of asking one; default false. */
  readonly oblique?: boolean;
}

const FORMAT = { kind: "FRST", version: 2 };
const TREES_MAX = 10_000;
const SAMPLE_MAX = 4096;
const COLUMNS_MAX = 4096;
/** What a leaf can be moved by, in units of depth. */
const WEIGHT_MAX = 32;
/** Leaf values are whole numbers of 2^-16 of a step, or coarser where their sum would overflow. */
const GRID_BITS_MAX = 16;
const SUM_MAX = 2 ** 31 - 1;
/** Rows whose sums are held at a time. */
const CHUNK_ROWS = 4096;
const sums = new Int32Array(CHUNK_ROWS);

/** Mean depth of an unsuccessful search in a binary search tree of n rows: what a leaf of n adds. */
export function meanDepth(n: number): number {
  if (n <= 1) return 0;
  if (n === 2) return 1;
  return 2 * (Math.log(n - 1) + 0.5772156649) - (2 * (n - 1)) / n;
}

export class Forest {
  readonly trees: Trees;
  /** What was taught: of each leaf of the complete heaps, steps of depth; null where nothing was. */
  readonly weights: Float32Array | null;
  /** As the engines have it. */
  readonly flat: FlatForest;
  private readonly engine: Engine;
  /** Leaf values in this forest are whole numbers of 1 / grid of a step. */
  private readonly grid: number;
  private readonly unit: number;
  /** Of each node: the value that the sample's rows beneath it have on average. */
  private expected: Float32Array | null = null;

  constructor(trees: Trees, weights: Float32Array | null = null) {
    this.trees = trees;
    this.weights = weights;
    this.grid = gridFor(trees, weights !== null);
    this.flat = { ...trees, values: leafValues(trees, weights, this.grid) };
    this.unit = 1 / (trees.trees * this.grid * meanDepth(trees.sampleSize));
    this.engine = engineFor(this.flat);
  }

  /**
   * Score of one row of `columns` values, in (0, 1); around 0.5 and below for ordinary rows.
   * Allocates nothing. @throws `row_width`, `row_not_finite`
   */
  scoreOne(row: Float32Array): number {
    const { columns } = this.trees;
    if (row.length !== columns) throw widthError(row.length, columns);
    for (let i = 0; i < columns; i += 1) if (row[i]! - row[i]! !== 0) throw notFinite(row, columns);
    return powerOfMinus(this.engine.sumOne(row, 0) * this.unit);
  }

  /**
   * Scores `out.length` rows into `out`, each as scoreOne has it, rounded to float32. Nothing is
   * written if any row is bad. @throws `row_width`, `row_not_finite`
   */
  scoreBatch(rows: Float32Array, out: Float32Array): void {
    const { columns } = this.trees;
    if (rows.length !== out.length * columns) throw widthError(rows.length, out.length * columns);
    checkFinite(rows, columns);
    const { unit } = this;
    for (let from = 0; from < out.length; from += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, out.length - from);
      const chunk = rows.subarray(from * columns, (from + count) * columns);
      this.engine.sumBatch(chunk, count === CHUNK_ROWS ? sums : sums.subarray(0, count));
      for (let i = 0; i < count; i += 1) out[from + i] = powerOfMinus(sums[i]! * unit);
    }
  }

  /**
   * Scores the first rows into `out`, each by those trees alone that did not draw it; NaN where all
   * did. `drawn` is what `fitTracked` answered for these rows.
   */
  scoreUnseen(rows: Float32Array, drawn: Drawn, out: Float32Array): void {
    const { columns, trees, depth } = this.trees;
    const unit = this.unit * trees;
    for (let row = 0; row < out.length; row += 1) {
      let sum = 0;
      let judges = 0;
      for (let tree = 0; tree < trees; tree += 1) {
        if (drawn[row * trees + tree] === 1) continue;
        sum += this.flat.values[tree * 2 ** depth + leafOf(this.flat, tree, rows, row * columns)]!;
        judges += 1;
      }
      out[row] = judges === 0 ? Number.NaN : powerOfMinus((sum * unit) / judges);
    }
  }

  /**
   * Contribution of each feature, in [-1, 1], absolute values summing to 1 (all 0 where no split
   * told anything). On a row's way down, each split moves the expected depth; that move is its
   * feature's. Positive: isolated sooner than expected, which drives the score up. `row` has
   * `columns` values, and so has the answer. @throws `row_width`, `row_not_finite`
   */
  explain(row: Float32Array): Float32Array {
    const { columns } = this.trees;
    if (row.length !== columns) throw widthError(row.length, columns);
    checkFinite(row, columns);
    const credits = this.credits(row);
    let sum = 0;
    for (const credit of credits) sum += Math.abs(credit);
    return Float32Array.from(credits, (credit) => (sum === 0 ? 0 : credit / sum));
  }

  /** The same trees with other weights. Leaves are as `leavesOf` names them. */
  taught(weights: Float32Array | null): Forest {
    return new Forest(this.trees, weights);
  }

  /** The mean depth that has this score; as `scoreOne` has it, and over all trees. */
  depthAt(score: number): number {
    return -Math.log2(score) * meanDepth(this.trees.sampleSize);
  }

  /** The leaf that each tree has for a row, as a place in `weights`. */
  leavesOf(row: Float32Array): Uint32Array {
    const { trees, depth } = this.trees;
    return Uint32Array.from(
      { length: trees },
      (_, tree) => tree * 2 ** depth + leafOf(this.flat, tree, row, 0),
    );
  }

  private credits(row: Float32Array): Float64Array {
    const { features, thresholds, slopes, trees, depth } = this.trees;
    const expected = (this.expected ??= expectedValues(this.trees, this.flat.values, this.grid));
    const inner = 2 ** depth - 1;
    const credits = new Float64Array(row.length);
    for (let tree = 0; tree < trees; tree += 1) {
      const all = tree * (2 * inner + 1);
      let node = 0;
      for (let level = 0; level < depth; level += 1) {
        const at = tree * inner + node;
        if (thresholds[at] === Number.POSITIVE_INFINITY) break;
        const value = slopes === null ? row[features[at]!]! : projected(slopes, at, row, 0);
        const child = 2 * node + (value > thresholds[at]! ? 2 : 1);
        const moved = expected[all + node]! - expected[all + child]!;
        if (slopes === null) credits[features[at]!]! += moved;
        else this.shareOut(moved, at, row, credits);
        node = child;
      }
    }
    return credits;
  }

  /** A move of an oblique split belongs to its features by their parts of the projection. */
  private shareOut(moved: number, node: number, row: Float32Array, credits: Float64Array): void {
    const { columns, factors } = this.trees.slopes!;
    const parts = Array.from({ length: SLOPES }, (_, slope) =>
      Math.abs(factors[node * SLOPES + slope]! * row[columns[node * SLOPES + slope]!]!),
    );
    const whole = parts.reduce((sum, part) => sum + part, 0);
    parts.forEach((part, slope) => {
      const share = whole > 0 ? part / whole : 1 / SLOPES;
      credits[columns[node * SLOPES + slope]!]! += moved * share;
    });
  }
}

/** Which trees drew which rows: 1 at `row * trees + tree`. */
export type Drawn = Uint8Array;

/**
 * Fits a forest to rows of `columns` values that lie one after another.
 * @throws `option_invalid`, `row_width`, `rows_too_few` (under 2), `row_not_finite`,
 * `rows_constant` (no column tells any two rows apart), before anything is built
 */
export function fitForest(
  rows: Float32Array,
  columns: number,
  options: ForestOptions = {},
): Forest {
  return new Forest(growTrees(rows, checkedGrowth(rows, columns, options)));
}

/** As fitForest, and which rows each tree was grown on. */
export function fitTracked(
  rows: Float32Array,
  columns: number,
  options: ForestOptions,
): { readonly forest: Forest; readonly drawn: Drawn } {
  const growth = checkedGrowth(rows, columns, options);
  const drawn = new Uint8Array((rows.length / columns) * growth.trees);
  const grown = growTrees(rows, growth, (tree, sample) => {
    for (const row of sample) drawn[row * growth.trees + tree] = 1;
  });
  return { forest: new Forest(grown), drawn };
}

function checkedGrowth(
  rows: Float32Array,
  columns: number,
  options: ForestOptions,
): Parameters<typeof growTrees>[1] {
  const { seed = 0, trees = 100, sampleSize = 256, oblique = false } = options;
  checkCount("columns", columns, 1, COLUMNS_MAX);
  checkCount("trees", trees, 1, TREES_MAX);
  checkCount("sampleSize", sampleSize, 2, SAMPLE_MAX);
  if (!Number.isSafeInteger(seed)) throw optionError("seed", "must be an integer");
  if (rows.length % columns !== 0) throw widthError(rows.length % columns, columns);
  const count = rows.length / columns;
  if (count < 2) throw new WatchfloorError("rows_too_few", { rows: count, needed: 2 });
  checkFinite(rows, columns);
  return { columns, trees, sampleSize: Math.min(sampleSize, count), oblique, seed };
}

export function saveForest(forest: Forest): Uint8Array {
  const { columns, trees, sampleSize, features, thresholds, sizes, slopes } = forest.trees;
  const writer = new ByteWriter();
  for (const count of [columns, trees, sampleSize, slopes === null ? 0 : 1]) writer.u32(count);
  writer.u16s(features);
  writer.f32s(thresholds);
  writer.u16s(sizes);
  writer.u16s(slopes?.columns ?? new Uint16Array(0));
  writer.f32s(slopes?.factors ?? new Float32Array(0));
  writer.sparse(forest.weights ?? new Float32Array(0));
  return writer.seal(FORMAT);
}

/** @throws `model_unreadable` for any bytes but those `saveForest` of this version wrote */
export function loadForest(bytes: Uint8Array): Forest {
  const reader = new ByteReader(bytes, FORMAT);
  const [columns, trees, sampleSize, oblique] = [
    reader.u32(),
    reader.u32(),
    reader.u32(),
    reader.u32(),
  ];
  const bounded =
    within(columns, 1, COLUMNS_MAX) &&
    within(trees, 1, TREES_MAX) &&
    within(sampleSize, 2, SAMPLE_MAX) &&
    within(oblique, 0, 1);
  if (!bounded) throw reader.broken("its counts are out of bounds");
  const depth = Math.ceil(Math.log2(sampleSize));
  const [features, thresholds, sizes] = [reader.u16s(), reader.f32s(), reader.u16s()];
  const slopes = { columns: reader.u16s(), factors: reader.f32s() };
  const grown = { columns, trees, sampleSize, depth, features, thresholds, sizes };
  const read: Trees = { ...grown, slopes: oblique === 1 ? slopes : null };
  const problem = problemOf(read, slopes);
  if (problem !== null) throw reader.broken(problem);
  const weights = reader.cells(trees * 2 ** depth);
  reader.end();
  if (weights?.some((weight) => !(Math.abs(weight) <= WEIGHT_MAX)))
    throw reader.broken("a weight is too large");
  return new Forest(read, weights);
}

/** A file may be whole and still hostile: nothing of it is an index before it was checked. */
function problemOf(trees: Trees, slopes: Slopes): string | null {
  const { columns, sampleSize, depth, features, thresholds, sizes } = trees;
  const inner = trees.trees * (2 ** depth - 1);
  const sloped = trees.slopes === null ? 0 : inner * SLOPES;
  const sized =
    features.length === inner &&
    thresholds.length === inner &&
    sizes.length === trees.trees * (2 ** (depth + 1) - 1) &&
    slopes.columns.length === sloped &&
    slopes.factors.length === sloped;
  if (!sized) return "its trees do not fit together";
  const asked = [features, slopes.columns].every((all) => all.every((column) => column < columns));
  if (!asked) return "it asks columns it does not have";
  if (thresholds.some((threshold) => Number.isNaN(threshold))) return "a threshold is no number";
  if (!slopes.factors.every(Number.isFinite)) return "a factor is no number";
  if (sizes.some((size) => size > sampleSize)) return "a node holds more rows than were drawn";
  return null;
}

function gridFor({ trees, depth, sampleSize }: Trees, weighted: boolean): number {
  const valueMax = depth + meanDepth(sampleSize) + (weighted ? WEIGHT_MAX : 0);
  const bits = Math.floor(Math.log2(SUM_MAX / (trees * (valueMax + 1))));
  return 2 ** Math.min(GRID_BITS_MAX, bits);
}

/** Of each leaf of the complete heaps; a leaf above the last level is the leftmost one under it. */
function leafValues(trees: Trees, weights: Float32Array | null, grid: number): Int32Array {
  const { depth, sampleSize, thresholds, sizes } = trees;
  const inner = 2 ** depth - 1;
  const corrections = Float64Array.from({ length: sampleSize + 1 }, (_, n) => meanDepth(n));
  const values = new Int32Array(trees.trees * (inner + 1));
  const descend = (tree: number, node: number, level: number): void => {
    if (level === depth || thresholds[tree * inner + node] === Number.POSITIVE_INFINITY) {
      const leaf = tree * (inner + 1) + (node + 1) * 2 ** (depth - level) - inner - 1;
      const weight = weights === null ? 0 : weights[leaf]!;
      const value = level + corrections[sizes[tree * (2 * inner + 1) + node]!]! + weight;
      values[leaf] = Math.round(value * grid);
      return;
    }
    descend(tree, 2 * node + 1, level + 1);
    descend(tree, 2 * node + 2, level + 1);
  };
  for (let tree = 0; tree < trees.trees; tree += 1) descend(tree, 0, 0);
  return values;
}

/** Bottom-up means over all nodes, in steps of depth. */
function expectedValues(trees: Trees, values: Int32Array, grid: number): Float32Array {
  const { depth, thresholds, sizes } = trees;
  const inner = 2 ** depth - 1;
  const all = 2 * inner + 1;
  const expected = new Float32Array(trees.trees * all);
  for (let tree = 0; tree < trees.trees; tree += 1) {
    const base = tree * all;
    for (let node = all - 1; node >= 0; node -= 1) {
      const left = 2 * node + 1;
      if (node < inner && thresholds[tree * inner + node] !== Number.POSITIVE_INFINITY) {
        const [a, b] = [sizes[base + left]!, sizes[base + left + 1]!];
        const whole = a * expected[base + left]! + b * expected[base + left + 1]!;
        expected[base + node] = a + b === 0 ? 0 : whole / (a + b);
      } else {
        const level = Math.floor(Math.log2(node + 1));
        const leaf = (node + 1) * 2 ** (depth - level) - inner - 1;
        expected[base + node] = values[tree * (inner + 1) + leaf]! / grid;
      }
    }
  }
  return expected;
}

/** As bits: those of infinities and NaN alone reach the sign when one exponent step is added. */
function checkFinite(rows: Float32Array, columns: number): void {
  const bits = new Int32Array(rows.buffer, rows.byteOffset, rows.length);
  let signs = 0;
  for (let i = 0; i < bits.length; i += 1) signs |= (bits[i]! & 0x7fffffff) + 0x00800000;
  if (signs < 0) throw notFinite(rows, columns);
}

function notFinite(rows: Float32Array, columns: number): WatchfloorError {
  const at = rows.findIndex((value) => !Number.isFinite(value));
  return new WatchfloorError("row_not_finite", {
    row: Math.floor(at / columns),
    column: at % columns,
  });
}

function within(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function checkCount(option: string, value: number, min: number, max: number): void {
  if (within(value, min, max)) return;
  throw optionError(option, `must be an integer from ${min} to ${max}`);
}

function optionError(option: string, rule: string): WatchfloorError {
  return new WatchfloorError("option_invalid", { option, rule });
}

function widthError(found: number, wanted: number): WatchfloorError {
  return new WatchfloorError("row_width", { found, wanted });
}
