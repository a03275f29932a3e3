/**
 * The boundary of: how the forest's trees grow. The draws follow scikit-learn's: a sample without
 * replacement for each tree, a feature uniform among those not constant in the node, a threshold
 * uniform between the node's smallest and largest value of it.
 */
import { WatchfloorError } from "../machines/errors.ts";
import { projected, SLOPES, type Slopes } from "./engine/flat.ts";
import { seededRandom, type SeededRandom } from "./random.ts";

/** The trees as arrays: of one tree after another, each in heap order. */
export interface Trees {
  readonly columns: number;
  readonly trees: number;
  readonly sampleSize: number;
  /** Depth limit: ceil(log2(sampleSize)). */
  readonly depth: number;
  /** Inner nodes: the feature asked, and the threshold; left where the value is at most it. */
  readonly features: Uint16Array;
  readonly thresholds: Float32Array;
  /** Of oblique splits; null where each node asks one feature. */
  readonly slopes: Slopes | null;
  /** All nodes: rows of the tree's sample that reached it; 0 where the tree has no node. */
  readonly sizes: Uint16Array;
}

export interface Growth {
  readonly columns: number;
  readonly trees: number;
  readonly sampleSize: number;
  readonly oblique: boolean;
  readonly seed: number;
}

/** Of nodes that are not there: whatever comes goes left. */
const NEVER = Number.POSITIVE_INFINITY;
/** Values this close are one value; scikit-learn's bound, and as there a sum in float32. */
const CONSTANT_WITHIN = Math.fround(1e-7);

/**
 * @param drawn told which rows each tree drew
 * @throws `rows_constant` when no column tells any two rows apart
 */
export function growTrees(
  rows: Float32Array,
  growth: Growth,
  drawn?: (tree: number, sample: Uint32Array) => void,
): Trees {
  const { columns, trees, sampleSize, oblique, seed } = growth;
  refuseConstant(rows, columns);
  const depth = Math.ceil(Math.log2(sampleSize));
  const inner = 2 ** depth - 1;
  const features = new Uint16Array(trees * inner);
  const thresholds = new Float32Array(trees * inner).fill(NEVER);
  const sizes = new Uint16Array(trees * (2 * inner + 1));
  const slopes = oblique ? noSlopes(trees * inner) : null;
  const random = seededRandom(seed);
  const order = new Uint32Array(rows.length / columns);
  for (let i = 0; i < order.length; i += 1) order[i] = i;
  const grower = new Grower(rows, growth, random, { features, thresholds, sizes, slopes });
  for (let tree = 0; tree < trees; tree += 1) {
    drawSample(order, sampleSize, random);
    drawn?.(tree, order.subarray(0, sampleSize));
    grower.grow(tree, order);
  }
  return { columns, trees, sampleSize, depth, features, thresholds, sizes, slopes };
}

function noSlopes(nodes: number): Slopes {
  return {
    columns: new Uint16Array(nodes * SLOPES),
    factors: new Float32Array(nodes * SLOPES),
  };
}

/** The head of a partial shuffle; shuffling an already shuffled order is as uniform as a fresh one. */
function drawSample(order: Uint32Array, size: number, random: SeededRandom): void {
  for (let i = 0; i < size; i += 1) swap(order, i, i + random.below(order.length - i));
}

type TreeArrays = Pick<Trees, "features" | "thresholds" | "sizes" | "slopes">;

class Grower {
  private readonly rows: Float32Array;
  private readonly columns: number;
  private readonly size: number;
  private readonly depthMax: number;
  private readonly random: SeededRandom;
  private readonly tree: TreeArrays;
  /** Where the sample's rows begin, in the order of the tree's leaves. */
  private readonly starts: Uint32Array;
  /** Those that may still differ in the node come first. */
  private readonly candidates: Uint16Array;
  /** Of the rows in `starts`, in the same order: what an oblique split compares. */
  private readonly projections: Float32Array;
  private base = 0;
  private low = 0;
  private high = 0;

  constructor(rows: Float32Array, growth: Growth, random: SeededRandom, tree: TreeArrays) {
    const { columns, sampleSize } = growth;
    this.rows = rows;
    this.columns = columns;
    this.size = sampleSize;
    this.depthMax = Math.ceil(Math.log2(sampleSize));
    this.random = random;
    this.tree = tree;
    this.starts = new Uint32Array(sampleSize);
    this.candidates = Uint16Array.from({ length: columns }, (_, i) => i);
    this.projections = new Float32Array(tree.slopes === null ? 0 : sampleSize);
  }

  grow(tree: number, sample: Uint32Array): void {
    const { columns, size, starts } = this;
    for (let i = 0; i < size; i += 1) starts[i] = sample[i]! * columns;
    this.base = tree * (2 ** this.depthMax - 1);
    this.growNode(tree * (2 ** (this.depthMax + 1) - 1), 0, 0, 0, size, columns);
  }

  /**
   * Grows the subtree at `node` over the sample's rows [from, to). Depth bounds the recursion. What
   * is constant in a node is so beneath it: only the first `open` candidates are drawn there.
   */
  private growNode(
    base: number,
    node: number,
    depth: number,
    from: number,
    to: number,
    open: number,
  ): void {
    this.tree.sizes[base + node] = to - from;
    if (depth === this.depthMax || to - from <= 1) return;
    const left = this.drawColumn(from, to, open);
    if (left === 0) return;
    const middle =
      this.tree.slopes === null
        ? this.split(node, this.candidates[left - 1]!, from, to)
        : this.splitOblique(node, from, to, left);
    this.growNode(base, 2 * node + 1, depth + 1, from, middle, left);
    this.growNode(base, 2 * node + 2, depth + 1, middle, to, left);
  }

  /**
   * Draws among the first `open` candidates until one is not constant in the node, and puts it
   * last of those that are left; what is left. The constant ones are set behind them. Its smallest
   * and largest value are then in `low` and `high`.
   */
  private drawColumn(from: number, to: number, open: number): number {
    for (let left = open; left > 0; left -= 1) {
      const drawn = this.random.below(left);
      swap(this.candidates, drawn, left - 1);
      if (this.differs(this.candidates[left - 1]!, from, to)) return left;
    }
    return 0;
  }

  private differs(column: number, from: number, to: number): boolean {
    const { rows, starts } = this;
    let low = rows[starts[from]! + column]!;
    let high = low;
    for (let i = from + 1; i < to; i += 1) {
      const value = rows[starts[i]! + column]!;
      if (value < low) low = value;
      else if (value > high) high = value;
    }
    this.low = low;
    this.high = high;
    return high > Math.fround(low + CONSTANT_WITHIN);
  }

  /** Uniform in [low, high), as the largest float32 that asks the same of every float32 value. */
  private drawThreshold(): number {
    const { low, high } = this;
    const drawn = low + this.random.next() * (high - low);
    return drawn < high ? floorFloat32(drawn) : low;
  }

  /** Splits at a column whose values differ; the first place of the right side. */
  private split(node: number, column: number, from: number, to: number): number {
    const { rows, starts } = this;
    const threshold = this.drawThreshold();
    this.tree.features[this.base + node] = column;
    this.tree.thresholds[this.base + node] = threshold;
    let middle = from;
    for (let i = from; i < to; i += 1) {
      const start = starts[i]!;
      if (rows[start + column]! > threshold) continue;
      starts[i] = starts[middle]!;
      starts[middle] = start;
      middle += 1;
    }
    return middle;
  }

  /**
   * Splits at a random direction through up to three columns that differ, each in units of its own
   * spread in the node. Where rounding leaves nothing to tell apart, the first column alone.
   */
  private splitOblique(node: number, from: number, to: number, open: number): number {
    const slopes = this.tree.slopes!;
    const at = (this.base + node) * SLOPES;
    const first = this.candidates[open - 1]!;
    const spread = { low: this.low, high: this.high };
    slopes.columns.fill(first, at, at + SLOPES);
    slopes.factors.fill(0, at, at + SLOPES);
    slopes.factors[at] = this.drawFactor();
    let left = open - 1;
    for (let slope = 1; slope < SLOPES; slope += 1) {
      left = this.drawColumn(from, to, left);
      if (left === 0) break;
      slopes.columns[at + slope] = this.candidates[left - 1]!;
      slopes.factors[at + slope] = this.drawFactor();
      left -= 1;
    }
    if (!this.project(this.base + node, from, to)) {
      slopes.factors.fill(0, at, at + SLOPES);
      slopes.factors[at] = 1;
      Object.assign(this, spread);
      this.project(this.base + node, from, to);
    }
    const threshold = this.drawThreshold();
    this.tree.features[this.base + node] = first;
    this.tree.thresholds[this.base + node] = threshold;
    return this.partition(threshold, from, to);
  }

  /** Of either sign, and in units of the column's spread; 0 where that is beyond float32. */
  private drawFactor(): number {
    const factor = Math.fround(bell(this.random) / (this.high - this.low));
    return Number.isFinite(factor) ? factor : 0;
  }

  /** False where the direction tells no two rows apart, or leaves float32. */
  private project(node: number, from: number, to: number): boolean {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let i = from; i < to; i += 1) {
      const value = projected(this.tree.slopes!, node, this.rows, this.starts[i]!);
      if (!Number.isFinite(value)) return false;
      this.projections[i] = value;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    this.low = low;
    this.high = high;
    return high > low;
  }

  private partition(threshold: number, from: number, to: number): number {
    const { projections, starts } = this;
    let middle = from;
    for (let i = from; i < to; i += 1) {
      if (projections[i]! > threshold) continue;
      swap(starts, i, middle);
      swap(projections, i, middle);
      middle += 1;
    }
    return middle;
  }
}

/** Normal, of variance 1. */
function bell(random: SeededRandom): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}

const word = new Float32Array(1);
const bits = new Int32Array(word.buffer);

/** The largest float32 that is not above the value. */
function floorFloat32(value: number): number {
  word[0] = value;
  if (word[0] <= value) return word[0];
  if (word[0] === 0) return -(2 ** -149);
  bits[0]! += word[0] > 0 ? -1 : 1;
  return word[0];
}

function refuseConstant(rows: Float32Array, columns: number): void {
  for (let i = columns; i < rows.length; i += 1) {
    if (Math.abs(rows[i]! - rows[i % columns]!) > CONSTANT_WITHIN) return;
  }
  throw new WatchfloorError("rows_constant", { rows: rows.length / columns });
}

function swap(list: Uint32Array | Uint16Array | Float32Array, a: number, b: number): void {
  const held = list[a]!;
  list[a] = list[b]!;
  list[b] = held;
}
