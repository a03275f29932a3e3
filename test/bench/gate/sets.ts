/** The boundary of: the public data sets as the bench's reference wrote them, and rank measures. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface DataSet {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
  /** 1 for an anomaly. */
  readonly labels: Uint8Array;
}

export function readSets(folder: string): DataSet[] {
  const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as readonly {
    readonly name: string;
    readonly rows: number;
    readonly columns: number;
  }[];
  return index.map((entry) => {
    const bytes = readFileSync(join(folder, `${entry.name}.f32`));
    const values = new Float32Array(entry.rows * entry.columns);
    new Uint8Array(values.buffer).set(bytes);
    return { ...entry, values, labels: readFileSync(join(folder, `${entry.name}.u8`)) };
  });
}

/** Probability that an anomaly scores above an ordinary row, ties counted half. */
export function areaUnderCurve(scores: Float32Array, labels: ArrayLike<number>): number {
  const order = Array.from(scores.keys()).toSorted((a, b) => scores[a]! - scores[b]!);
  let ranks = 0;
  let anomalies = 0;
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to += 1;
    for (let i = from; i < to; i += 1) {
      if (labels[order[i]!] !== 1) continue;
      ranks += (from + to + 1) / 2;
      anomalies += 1;
    }
    from = to;
  }
  const ordinary = order.length - anomalies;
  return (ranks - (anomalies * (anomalies + 1)) / 2) / (anomalies * ordinary);
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the mean. */
export function standardError(values: readonly number[]): number {
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}
