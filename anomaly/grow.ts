/**
 * The boundary of: how the forest's trees grow. The draws follow scikit-learn's: a sample without
 * replacement for each tree, a feature uniform among those not constant in the node, a threshold
 * uniform between the node's smallest and largest value of it.
 */
import { WatchfloorError } from "../machines/errors.ts";
import { seededRandom, type SeededRandom } from "./random.ts";

/** The trees as arrays: of one tree after another, each in heap order. */
export interface Trees {
  readonly columns: number;
  readonly trees: number;
  readonly sampleSize: number;
  /** Depth limit: ceil(log2(sampleSize)). */
  readonly depth: number;
  /** Inner nodes: the feature asked, and the threshold's key; left where a value's key <= it. */
  readonly features: Uint8Array;
  readonly thresholds: Int32Array;
  /** All nodes: rows of the tree's sample that reached it; 0 where the tree has no node. */
  readonly sizes: Uint16Array;
}

export interface Growth {
  readonly columns: number;
  readonly trees: number;
  readonly sampleSize: number;
  readonly seed: number;
}

/** Above every value's key: an unused node sends all to the left. */
const NEVER = 0x3fffffff;
const word = new Float32Array(1);
const bits = new Int32Array(word.buffer);

/**
 * A float32 as an integer in [-2^30, 2^30) in the same order, without its last bit: the sign of a
 * difference of two then says which is larger, with no branch. Fitting and scoring both see values
 * only through keys, so they agree on every split.
 */
export function keyOf(value: number): number {
  word[0] = value + 0;
  const raw = bits[0]!;
  return (raw ^ ((raw >> 31) & 0x7fffffff)) >> 1;
}

/** Values this close are one value; the bound scikit-learn uses. */
const CONSTANT_WITHIN = 1e-7;

/**
 * @param drawn told which rows each tree drew
 * @throws `rows_constant` when no column tells any two rows apart
 */
export function growTrees(
  rows: Float32Array,
  growth: Growth,
  drawn?: (tree: number, sample: Uint32Array) => void,
): Trees {
  const { columns, trees, sampleSize, seed } = growth;
  refuseConstant(rows, columns);
  const depth = Math.ceil(Math.log2(sampleSize));
  const inner = 2 ** depth - 1;
  const all = 2 * inner + 1;
  const features = new Uint8Array(trees * inner);
  const thresholds = new Int32Array(trees * inner).fill(NEVER);
  const sizes = new Uint16Array(trees * all);
  const random = seededRandom(seed);
  const order = Uint32Array.from({ length: rows.length / columns }, (_, i) => i);
  for (let tree = 0; tree < trees; tree += 1) {
    const sample = drawSample(order, sampleSize, random);
    drawn?.(tree, sample);
    new Grower(rows, columns, depth, sample, random, {
      features: features.subarray(tree * inner, (tree + 1) * inner),
      thresholds: thresholds.subarray(tree * inner, (tree + 1) * inner),
      sizes: sizes.subarray(tree * all, (tree + 1) * all),
    }).grow(0, 0, 0, sampleSize);
  }
  return { columns, trees, sampleSize, depth, features, thresholds, sizes };
}

/** The head of a partial shuffle; shuffling an already shuffled order is as uniform as a fresh one. */
function drawSample(order: Uint32Array, size: number, random: SeededRandom): Uint32Array {
  for (let i = 0; i < size; i += 1) swap(order, i, i + random.below(order.length - i));
  return order.slice(0, size);
}

type TreeArrays = Pick<Trees, "features" | "thresholds" | "sizes">;

class Grower {
  private readonly rows: Float32Array;
  private readonly columns: number;
  private readonly depthMax: number;
  private readonly sample: Uint32Array;
  private readonly random: SeededRandom;
  private readonly tree: TreeArrays;
  private readonly candidates: Uint32Array;

  constructor(
    rows: Float32Array,
    columns: number,
    depthMax: number,
    sample: Uint32Array,
    random: SeededRandom,
    tree: TreeArrays,
  ) {
    this.rows = rows;
    this.columns = columns;
    this.depthMax = depthMax;
    this.sample = sample;
    this.random = random;
    this.tree = tree;
    this.candidates = Uint32Array.from({ length: columns }, (_, i) => i);
  }

  /** Grows the subtree at `node` over the sample's rows [from, to). Depth bounds the recursion. */
  grow(node: number, depth: number, from: number, to: number): void {
    this.tree.sizes[node] = to - from;
    if (depth === this.depthMax || to - from <= 1) return;
    const split = this.drawSplit(from, to);
    if (split === null) return;
    this.tree.features[node] = split.feature;
    this.tree.thresholds[node] = split.threshold;
    const middle = this.partition(split.feature, split.threshold, from, to);
    this.grow(2 * node + 1, depth + 1, from, middle);
    this.grow(2 * node + 2, depth + 1, middle, to);
  }

  private drawSplit(from: number, to: number): { feature: number; threshold: number } | null {
    for (let left = this.columns; left > 0; left -= 1) {
      const drawn = this.random.below(left);
      const feature = this.candidates[drawn]!;
      const { min, max } = this.range(feature, from, to);
      if (max > min + CONSTANT_WITHIN && keyOf(max) > keyOf(min)) {
        const threshold = keyOf(min + this.random.next() * (max - min));
        return { feature, threshold: threshold >= keyOf(max) ? keyOf(min) : threshold };
      }
      swap(this.candidates, drawn, left - 1);
    }
    return null;
  }

  private range(feature: number, from: number, to: number): { min: number; max: number } {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = from; i < to; i += 1) {
      const value = this.rows[this.sample[i]! * this.columns + feature]!;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    return { min, max };
  }

  private partition(feature: number, threshold: number, from: number, to: number): number {
    let middle = from;
    for (let i = from; i < to; i += 1) {
      if (keyOf(this.rows[this.sample[i]! * this.columns + feature]!) > threshold) continue;
      swap(this.sample, i, middle);
      middle += 1;
    }
    return middle;
  }
}

function refuseConstant(rows: Float32Array, columns: number): void {
  for (let i = columns; i < rows.length; i += 1) {
    if (Math.abs(rows[i]! - rows[i % columns]!) > CONSTANT_WITHIN) return;
  }
  throw new WatchfloorError("rows_constant", { rows: rows.length / columns });
}

function swap(list: Uint32Array, a: number, b: number): void {
  const held = list[a]!;
  list[a] = list[b]!;
  list[b] = held;
}
