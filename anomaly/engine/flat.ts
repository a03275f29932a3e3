/**
 * The boundary of: a forest as the engines walk it. Every tree is a complete heap of one depth, so
 * that a walk follows no child pointer and takes the same number of steps for every row: an unused
 * node sends all to the left, and every leaf beneath it has the value of the leaf it stands for.
 *
 * Leaf values are whole numbers of a grid so fine that no float32 score shows it. Sums of whole
 * numbers do not depend on their order: all engines give the same answer to the last bit, and a
 * row's score does not depend on the batch it came in.
 */

/** Coefficients of an oblique split: three columns a node, in the order of `columns`. */
export interface Slopes {
  readonly columns: Uint16Array;
  readonly factors: Float32Array;
}

export interface FlatForest {
  readonly columns: number;
  readonly trees: number;
  readonly depth: number;
  /** Of inner nodes, tree after tree in heap order; right where a value is above the threshold. */
  readonly features: Uint16Array;
  readonly thresholds: Float32Array;
  readonly slopes: Slopes | null;
  /** Of the leaves of the complete heaps: depth in units of the grid. */
  readonly values: Int32Array;
}

/** Sums of leaf values over all trees. Rows are finite, one after another. */
export interface Engine {
  sumOne(rows: Float32Array, from: number): number;
  /** Of `sums.length` rows beginning with the first. */
  sumBatch(rows: Float32Array, sums: Int32Array): void;
}

export const SLOPES = 3;

/** Where the row that begins at `from` leaves the tree, as a leaf of its complete heap. */
export function leafOf(forest: FlatForest, tree: number, rows: Float32Array, from: number): number {
  const { features, thresholds, slopes, depth } = forest;
  const base = tree * (2 ** depth - 1);
  let node = 0;
  for (let level = 0; level < depth; level += 1) {
    const at = base + node;
    const value = slopes === null ? rows[from + features[at]!]! : projected(slopes, at, rows, from);
    node = 2 * node + (value > thresholds[at]! ? 2 : 1);
  }
  return node - (2 ** depth - 1);
}

/** In float32 throughout, term by term, as the generated code has it. */
export function projected(
  { columns, factors }: Slopes,
  node: number,
  rows: Float32Array,
  from: number,
): number {
  const at = node * SLOPES;
  let sum = Math.fround(factors[at]! * rows[from + columns[at]!]!);
  for (let i = at + 1; i < at + SLOPES; i += 1) {
    sum = Math.fround(sum + Math.fround(factors[i]! * rows[from + columns[i]!]!));
  }
  return sum;
}

/** Needs nothing of the platform: what answers where WebAssembly is switched off. */
export function plainEngine(forest: FlatForest): Engine {
  const { columns, trees, depth, values } = forest;
  const leaves = 2 ** depth;
  const sumOne = (rows: Float32Array, from: number): number => {
    let sum = 0;
    for (let tree = 0; tree < trees; tree += 1) {
      sum += values[tree * leaves + leafOf(forest, tree, rows, from)]!;
    }
    return sum;
  };
  return {
    sumOne,
    sumBatch: (rows, sums) => {
      for (let i = 0; i < sums.length; i += 1) sums[i] = sumOne(rows, i * columns);
    },
  };
}
