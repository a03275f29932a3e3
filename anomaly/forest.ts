/**
 * The boundary of: the isolation forest. The same algorithm as scikit-learn's, on float32 rows;
 * equal seeds and rows give equal forests. Higher scores are more anomalous.
 *
 * Every tree is a complete binary heap of one depth, so scoring follows no child pointer and ends
 * after the same number of steps for every row: an unused node sends all to the left and has the
 * value of its leaf. Comparisons are subtractions of integer keys: no branch depends on data.
 */
import { WatchfloorError } from "../machines/errors.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { growTrees, keyOf, type Trees } from "./grow.ts";

export interface ForestOptions {
  readonly seed: number;
  /** Default 100. */
  readonly trees?: number;
  /** Rows drawn for each tree without replacement; default 256, at most the number of rows. */
  readonly sampleSize?: number;
}

const FORMAT = { kind: "FRST", version: 1 };
const TREES_MAX = 10_000;
const SAMPLE_MAX = 4096;
const COLUMNS_MAX = 255;

/** Mean depth of an unsuccessful search in a binary search tree of n rows: what a leaf of n adds. */
export function meanDepth(n: number): number {
  if (n <= 1) return 0;
  if (n === 2) return 1;
  return 2 * (Math.log(n - 1) + 0.5772156649) - (2 * (n - 1)) / n;
}

export class Forest {
  readonly trees: Trees;
  private readonly inner: number;
  private readonly all: number;
  /** Of each node: the depth at which the sample's rows beneath it end, on average. */
  private readonly values: Float32Array;
  private readonly unit: number;
  /** Threshold and feature of each inner node side by side: one step touches one line of cache. */
  private readonly nodes: Int32Array;
  private readonly keys: Int32Array;

  constructor(trees: Trees) {
    this.trees = trees;
    this.inner = 2 ** trees.depth - 1;
    this.all = 2 * this.inner + 1;
    this.values = nodeValues(trees);
    this.unit = 1 / (trees.trees * meanDepth(trees.sampleSize));
    this.keys = new Int32Array(trees.columns);
    this.nodes = new Int32Array(trees.thresholds.length * 2);
    for (let node = 0; node < trees.thresholds.length; node += 1) {
      this.nodes[node * 2] = trees.thresholds[node]!;
      this.nodes[node * 2 + 1] = trees.features[node]!;
    }
  }

  /** Score of one row in (0, 1). @throws `row_width`, `row_not_finite` */
  scoreOne(row: Float32Array): number {
    if (row.length !== this.trees.columns) throw widthError(row.length, this.trees.columns);
    checkFinite(row, this.trees.columns);
    return this.score(row, 0);
  }

  /** Scores rows that lie one after another into `out`. @throws `row_width`, `row_not_finite` */
  scoreBatch(rows: Float32Array, out: Float32Array): void {
    const { columns } = this.trees;
    if (rows.length !== out.length * columns) throw widthError(rows.length, out.length * columns);
    checkFinite(rows, columns);
    const { sums } = this.depths(rows, out.length, null);
    for (let i = 0; i < out.length; i += 1) out[i] = 2 ** (-sums[i]! * this.unit);
  }

  /**
   * Scores the first rows into `out`, each by those trees alone that did not draw it; NaN where all
   * did. `drawn` is what `fitTracked` answered for these rows.
   */
  scoreUnseen(rows: Float32Array, drawn: Drawn, out: Float32Array): void {
    const { sums, counts } = this.depths(rows, out.length, drawn);
    const unit = this.unit * this.trees.trees;
    for (let i = 0; i < out.length; i += 1) out[i] = 2 ** ((-sums[i]! * unit) / counts[i]!);
  }

  /**
   * Contribution of each feature, in [-1, 1], absolute values summing to 1. On a row's way down,
   * each split moves the expected depth; that move is its feature's. Positive: isolated sooner
   * than expected, which drives the score up. @throws `row_width`, `row_not_finite`
   */
  explain(row: Float32Array): Float32Array {
    if (row.length !== this.trees.columns) throw widthError(row.length, this.trees.columns);
    checkFinite(row, this.trees.columns);
    const credits = this.credits(row);
    let sum = 0;
    for (const credit of credits) sum += Math.abs(credit);
    return Float32Array.from(credits, (credit) => (sum === 0 ? 0 : credit / sum));
  }

  private score(rows: Float32Array, from: number): number {
    this.takeKeys(rows, from);
    const { inner, all, values, keys, nodes } = this;
    const { trees, depth } = this.trees;
    let sum = 0;
    for (let tree = 0; tree < trees; tree += 1) {
      sum += values[tree * all + leafOf(nodes, keys, 0, tree * inner, depth)]!;
    }
    return 2 ** (-sum * this.unit);
  }

  private takeKeys(rows: Float32Array, from: number): void {
    const { keys } = this;
    for (let column = 0; column < keys.length; column += 1) {
      keys[column] = keyOf(rows[from + column]!);
    }
  }

  /** Tree by tree over all rows, so that a tree stays in the nearest cache while it is used. */
  private depths(
    rows: Float32Array,
    count: number,
    drawn: Drawn | null,
  ): { readonly sums: Float64Array; readonly counts: Uint32Array } {
    const { inner, all, values, nodes } = this;
    const { columns, trees, depth } = this.trees;
    const keys = new Int32Array(count * columns);
    for (let i = 0; i < keys.length; i += 1) keys[i] = keyOf(rows[i]!);
    const sums = new Float64Array(count);
    const counts = new Uint32Array(count);
    for (let tree = 0; tree < trees; tree += 1) {
      for (let row = 0; row < count; row += 1) {
        if (drawn !== null && drawn[row * trees + tree] === 1) continue;
        const leaf = leafOf(nodes, keys, row * columns, tree * inner, depth);
        sums[row]! += values[tree * all + leaf]!;
        counts[row]! += 1;
      }
    }
    return { sums, counts };
  }

  private credits(row: Float32Array): Float64Array {
    const { inner, all, values } = this;
    const { features, thresholds, trees, depth } = this.trees;
    const credits = new Float64Array(row.length);
    for (let tree = 0; tree < trees; tree += 1) {
      let node = 0;
      for (let level = 0; level < depth; level += 1) {
        const feature = features[tree * inner + node]!;
        const right = (thresholds[tree * inner + node]! - keyOf(row[feature]!)) >>> 31;
        const child = 2 * node + 1 + right;
        credits[feature]! += values[tree * all + node]! - values[tree * all + child]!;
        node = child;
      }
    }
    return credits;
  }
}

/** Where the row whose keys begin at `row` ends in the tree whose inner nodes begin at `base`. */
function leafOf(
  nodes: Int32Array,
  keys: Int32Array,
  row: number,
  base: number,
  depth: number,
): number {
  // `| 0` tells the compiler that these stay small integers: no guards, no floating point.
  let node = 0;
  for (let left = depth; left > 0; left = (left - 1) | 0) {
    const at = ((base + node) << 1) | 0;
    const right = ((nodes[at]! - keys[(row + nodes[at + 1]!) | 0]!) | 0) >>> 31;
    node = ((node << 1) + 1 + right) | 0;
  }
  return node;
}

/** Which trees drew which rows: 1 at `row * trees + tree`. */
export type Drawn = Uint8Array;

/**
 * Fits a forest to rows that lie one after another.
 * @throws `option_invalid`, `row_width`, `rows_too_few`, `row_not_finite`, `rows_constant` (no
 * column tells any two rows apart), before anything is built
 */
export function fitForest(rows: Float32Array, columns: number, options: ForestOptions): Forest {
  return fitTracked(rows, columns, options).forest;
}

/** As fitForest, and which rows each tree was grown on. */
export function fitTracked(
  rows: Float32Array,
  columns: number,
  options: ForestOptions,
): { readonly forest: Forest; readonly drawn: Drawn } {
  const { seed, trees = 100, sampleSize = 256 } = options;
  checkCount("columns", columns, 1, COLUMNS_MAX);
  checkCount("trees", trees, 1, TREES_MAX);
  checkCount("sampleSize", sampleSize, 2, SAMPLE_MAX);
  if (!Number.isSafeInteger(seed)) throw optionError("seed", "must be an integer");
  if (rows.length % columns !== 0) throw widthError(rows.length % columns, columns);
  const count = rows.length / columns;
  if (count < 2) throw new WatchfloorError("rows_too_few", { rows: count, needed: 2 });
  checkFinite(rows, columns);
  const growth = { columns, trees, sampleSize: Math.min(sampleSize, count), seed };
  const drawn = new Uint8Array(count * trees);
  const grown = growTrees(rows, growth, (tree, sample) => {
    for (const row of sample) drawn[row * trees + tree] = 1;
  });
  return { forest: new Forest(grown), drawn };
}

export function saveForest(forest: Forest): Uint8Array {
  const { columns, trees, sampleSize, features, thresholds, sizes } = forest.trees;
  const writer = new ByteWriter();
  for (const count of [columns, trees, sampleSize]) writer.u32(count);
  writer.block(features);
  writer.u32s(new Uint32Array(thresholds.buffer));
  writer.u16s(sizes);
  return writer.seal(FORMAT);
}

/** @throws `model_unreadable` for any bytes but those `saveForest` of this version wrote */
export function loadForest(bytes: Uint8Array): Forest {
  const reader = new ByteReader(bytes, FORMAT);
  const [columns, trees, sampleSize] = [reader.u32(), reader.u32(), reader.u32()];
  const depth = Math.ceil(Math.log2(sampleSize));
  const inner = 2 ** depth - 1;
  const features = reader.block();
  const thresholds = new Int32Array(reader.u32s().buffer);
  const sizes = reader.u16s();
  reader.end();
  const fits =
    features.length === trees * inner &&
    thresholds.length === trees * inner &&
    sizes.length === trees * (2 * inner + 1) &&
    features.every((feature) => feature < columns);
  if (!fits) throw reader.broken("its trees do not fit together");
  return new Forest({ columns, trees, sampleSize, depth, features, thresholds, sizes });
}

/** Bottom-up means of leaf depths; a leaf above the last level hands its value down. */
function nodeValues(forest: Trees): Float32Array {
  const inner = 2 ** forest.depth - 1;
  const all = 2 * inner + 1;
  const values = new Float32Array(forest.trees * all);
  for (let tree = 0; tree < forest.trees; tree += 1) {
    const sizes = forest.sizes.subarray(tree * all, (tree + 1) * all);
    const own = values.subarray(tree * all, (tree + 1) * all);
    for (let node = all - 1; node >= 0; node -= 1) {
      const left = 2 * node + 1;
      const [a, b] = [sizes[left] ?? 0, sizes[left + 1] ?? 0];
      if (a + b > 0) own[node] = (a * own[left]! + b * own[left + 1]!) / (a + b);
      else own[node] = Math.floor(Math.log2(node + 1)) + meanDepth(sizes[node]!);
    }
    for (let node = 1; node < all; node += 1) {
      if (sizes[node] === 0) own[node] = own[(node - 1) >> 1]!;
    }
  }
  return values;
}

function checkFinite(rows: Float32Array, columns: number): void {
  for (let i = 0; i < rows.length; i += 1) {
    // Infinity - Infinity and NaN - NaN are both NaN: one comparison finds either.
    if (rows[i]! - rows[i]! !== 0) {
      throw new WatchfloorError("row_not_finite", {
        row: Math.floor(i / columns),
        column: i % columns,
      });
    }
  }
}

function checkCount(option: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw optionError(option, `must be an integer from ${min} to ${max}`);
}

function optionError(option: string, rule: string): WatchfloorError {
  return new WatchfloorError("option_invalid", { option, rule });
}

function widthError(found: number, wanted: number): WatchfloorError {
  return new WatchfloorError("row_width", { found, wanted });
}
