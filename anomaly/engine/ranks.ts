/**
 * The boundary of: values and their ranks. A forest asks of a value only which of its cuts are
 * below it; the count of those (the rank) says all, and is small. Ranks are exact: an even table
 * leads to the neighbourhood, a search of few steps, the same for every value of a column, to the
 * place. Trees are taken in groups in which no column has more cuts than a byte can count; a table
 * for each group turns the rank among all cuts into the rank among the group's.
 */
import {
  seq,
  extractLane, F32, get, i32, I32, loadF32, loadLane, loadU16, loadU8, OP, repeatWhile, set, simd,
  SIMD, storeI16, storeI8, tee, V128, type FunctionCode,
} from "./encode.ts"; // prettier-ignore

/** Cuts of a column, ascending and distinct, and how to find a value among them. */
export interface CutTable {
  readonly cuts: Float32Array;
  /** A value's bucket is (value - lowest) * scale. */
  readonly lowest: number;
  readonly scale: number;
  /** Cuts in the buckets before each. */
  readonly starts: Uint16Array;
  /** The search takes that many steps: log2 of one more than the cuts in the fullest bucket. */
  readonly steps: number;
}

export const BUCKETS = 1024;
export const CUTS_MAX = 65_535;
/** Rows a pass of the kernels takes at once, and so what counts must be rounded up to. */
const RANK_ROWS = 4;

export function cutTableOf(cuts: Float32Array): CutTable {
  const lowest = cuts[0]!;
  const span = Math.fround(cuts.at(-1)! - lowest);
  const scale = span > 0 ? Math.fround(BUCKETS / span) : 0;
  const starts = new Uint16Array(BUCKETS);
  const counts = new Uint32Array(BUCKETS);
  for (const cut of cuts) counts[bucketOf(cut, lowest, scale)]! += 1;
  let before = 0;
  let fullest = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    starts[bucket] = before;
    before += counts[bucket]!;
    fullest = Math.max(fullest, counts[bucket]!);
  }
  return { cuts, lowest, scale, starts, steps: Math.ceil(Math.log2(fullest + 1)) };
}

/** What the kernel computes, step by step; what matters is that it never falls as values rise. */
function bucketOf(value: number, lowest: number, scale: number): number {
  const bucket = Math.trunc(Math.fround(Math.fround(value - lowest) * scale));
  return Number.isNaN(bucket) ? 0 : Math.min(BUCKETS - 1, Math.max(0, bucket));
}

/**
 * `rank<steps>(row, rowBytes, lowest, scale, starts, cuts, out, outEnd)`: ranks (u16) of the values
 * that lie `rowBytes` apart from `row` on. Past the cuts, as many infinite ones must follow as the
 * search can reach.
 */
export function rankCode(steps: number): FunctionCode {
  const [ROW, ROW_BYTES, LOWEST, SCALE, STARTS, CUTS, OUT, OUT_END] = [0, 1, 2, 3, 4, 5, 6, 7];
  const [RANK, VALUE, BUCKETED, VALUES] = [8, 9, 10, 11];
  const lanes = [0, 1, 2, 3];
  const gather = lanes.flatMap((lane) => [
    ...seq(get(ROW), get(VALUES), loadLane(0, lane), set(VALUES)),
    ...seq(get(ROW), get(ROW_BYTES), OP.i32Add, set(ROW)),
  ]);
  const buckets = [
    ...seq(get(VALUES), get(LOWEST), simd(SIMD.splatF32), simd(SIMD.subF32)),
    ...seq(get(SCALE), simd(SIMD.splatF32), simd(SIMD.mulF32), simd(SIMD.truncSatF32)),
    ...seq(i32(0), simd(SIMD.splatI32), simd(SIMD.maxI32)),
    ...seq(i32(BUCKETS - 1), simd(SIMD.splatI32), simd(SIMD.minI32), set(BUCKETED)),
  ];
  const search = (lane: number): number[] => [
    ...seq(get(VALUES), simd(SIMD.extractF32), lane, set(VALUE)),
    ...seq(get(BUCKETED), extractLane(lane), i32(1), OP.i32Shl, get(STARTS), OP.i32Add),
    ...seq(loadU16(0), set(RANK)),
    ...Array.from({ length: steps }, (_, i) => stepCode(2 ** (steps - 1 - i))).flat(),
    ...seq(get(OUT), get(RANK), storeI16(lane * 2)),
  ];
  // rank += step where the cut that many further on is still below the value.
  const stepCode = (step: number): number[] => [
    ...seq(get(RANK), get(CUTS), get(RANK), i32(2), OP.i32Shl, OP.i32Add),
    ...seq(loadF32(4 * (step - 1)), get(VALUE), OP.f32Lt),
    ...seq(i32(Math.log2(step)), OP.i32Shl, OP.i32Add, set(RANK)),
  ];
  return {
    name: `rank${steps}`,
    parameters: [I32, I32, F32, F32, I32, I32, I32, I32],
    locals: [I32, F32, V128, V128],
    body: repeatWhile(
      [
        ...gather,
        ...buckets,
        ...lanes.flatMap(search),
        ...seq(get(OUT), i32(2 * RANK_ROWS), OP.i32Add, tee(OUT)),
      ],
      [...get(OUT_END), OP.i32LtU],
    ),
  };
}

/** `map(ranks, table, out, outEnd)`: out (u8) = table (u8) at rank (u16). */
export function mapCode(): FunctionCode {
  const [RANKS, TABLE, OUT, OUT_END] = [0, 1, 2, 3];
  const one = (row: number): number[] => [
    ...get(OUT),
    ...seq(get(TABLE), get(RANKS), loadU16(2 * row), OP.i32Add, loadU8(0)),
    ...storeI8(row),
  ];
  return {
    name: "map",
    parameters: [I32, I32, I32, I32],
    locals: [],
    body: repeatWhile(
      [
        ...seq(0, 1, 2, 3).flatMap(one),
        ...seq(get(RANKS), i32(2 * RANK_ROWS), OP.i32Add, set(RANKS)),
        ...seq(get(OUT), i32(RANK_ROWS), OP.i32Add, tee(OUT)),
      ],
      [...get(OUT_END), OP.i32LtU],
    ),
  };
}
