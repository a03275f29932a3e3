/**
 * The boundary of: values and few bins. Whole-valued features have a bin for each value; the others
 * one for nothing at all, and quantiles of what was seen first for the rest.
 */
import { COLUMNS, FEATURES } from "./features.ts";

export const BINS = 16;
const WIDTH = COLUMNS + 1;
const EDGES = BINS - 2;

export class Binning {
  /** Of each feature and the score: upper edges of the bins after the first, ascending. */
  readonly edges: Float32Array;

  private constructor(edges: Float32Array) {
    this.edges = edges;
  }

  static of(rows: Float32Array, scores: Float32Array): Binning {
    const edges = new Float32Array(WIDTH * EDGES).fill(Number.POSITIVE_INFINITY);
    for (let column = 0; column < WIDTH; column += 1) {
      const own = edges.subarray(column * EDGES, (column + 1) * EDGES);
      if (FEATURES[column]?.whole === true) own.forEach((_, i) => (own[i] = i + 0.5));
      else if (column === COLUMNS) own.set(quantilesOf(scores));
      else own.set(quantilesOf(scores.map((_, i) => rows[i * COLUMNS + column]!)));
    }
    return new Binning(edges);
  }

  equals(edges: Float32Array): boolean {
    return edges.length === this.edges.length && edges.every((edge, i) => edge === this.edges[i]);
  }

  /** Adds one to the bin of each value. */
  count(row: Float32Array, score: number, counts: Uint16Array): void {
    for (let column = 0; column < WIDTH; column += 1) {
      const at = column * BINS + this.binOf(column, column < COLUMNS ? row[column]! : score);
      if (counts[at]! < 0xffff) counts[at]! += 1;
    }
  }

  private binOf(column: number, value: number): number {
    if (value === 0) return 0;
    const from = column * EDGES;
    let low = 0;
    let high = EDGES;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.edges[from + middle]! < value) low = middle + 1;
      else high = middle;
    }
    return 1 + low;
  }
}

/** Distinct ones of the values that are not 0. */
function quantilesOf(values: Float32Array): number[] {
  const ascending = values.filter((value) => value !== 0).toSorted();
  const edges = new Set<number>();
  for (let i = 1; i <= EDGES; i += 1) {
    const at = Math.floor((i * ascending.length) / (EDGES + 1));
    if (at < ascending.length) edges.add(ascending[at]!);
  }
  return [...edges].toSorted((a, b) => a - b);
}
