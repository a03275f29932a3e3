/**
 * The boundary of: one row and its leaves, in WebAssembly. A comparison yields 0 or 1 and goes into
 * the next address, so no branch depends on data; several trees are walked side by side, since each
 * waits for its own loads most of the time. The kernel depends on the trees' depth alone and is
 * compiled once for each.
 */
import {
  seq,
  get, I32, i32, loadF32, loadI32, OP, repeatWhile, set, storeI32, tee,
  type FunctionCode,
} from "./encode.ts"; // prettier-ignore
import { SLOPES, type Engine, type FlatForest } from "./flat.ts";
import { compile, instantiate, type Compiled } from "./platform.ts";

/** Rows copied in at a time. */
const TILE_ROWS = 64;
const LANES = 8;
/** Parameters and locals of the kernel. */
const ROW = 0;
const ROWS_END = 1;
const ROW_BYTES = 2;
const NODES = 3;
const NODES_END = 4;
const LEAVES = 5;
const OUT = 6;
const NODE = 7;
const LEAF = 8;
const SUM = 9;
const AT = 10;
/** Of each tree walked side by side: 2^shift times its node's place in the heap, counted from 1. */
const PLACE = 11;

const kernels = new Map<string, Compiled>();

export function walkEngine(forest: FlatForest): Engine {
  const layout = layoutOf(forest);
  const { kernels: exports, buffer } = instantiate(kernelFor(forest), layout.bytes);
  fill(forest, layout, buffer);
  const walk = exports["walk"]!;
  const { columns } = forest;
  const tile = new Float32Array(buffer, 0, TILE_ROWS * columns);
  const sums = new Int32Array(buffer, layout.sums, TILE_ROWS);
  const rowBytes = columns * 4;
  const { nodes, nodesEnd, leaves } = layout;
  return {
    sumOne: (rows, from) => {
      for (let column = 0; column < columns; column += 1) tile[column] = rows[from + column]!;
      walk(0, rowBytes, rowBytes, nodes, nodesEnd, leaves, layout.sums);
      return sums[0]!;
    },
    sumBatch: (rows, out) => {
      for (let from = 0; from < out.length; from += TILE_ROWS) {
        const count = Math.min(TILE_ROWS, out.length - from);
        tile.set(rows.subarray(from * columns, (from + count) * columns));
        walk(0, count * rowBytes, rowBytes, nodes, nodesEnd, leaves, layout.sums);
        out.set(count === TILE_ROWS ? sums : sums.subarray(0, count), from);
      }
    },
  };
}

interface Layout {
  readonly sums: number;
  readonly nodes: number;
  readonly nodesEnd: number;
  readonly leaves: number;
  readonly bytes: number;
}

function layoutOf({ columns, trees, depth, slopes }: FlatForest): Layout {
  const lanes = Math.ceil(trees / LANES) * LANES;
  const sums = TILE_ROWS * columns * 4;
  const nodes = alignUp(sums + TILE_ROWS * 4);
  const nodesEnd = nodes + lanes * 2 ** (depth + shiftOf(slopes !== null));
  return { sums, nodes, nodesEnd, leaves: nodesEnd, bytes: nodesEnd + lanes * 2 ** (depth + 2) };
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

/** log2 of a node's bytes: threshold and column, or threshold, three columns and three factors. */
function shiftOf(oblique: boolean): number {
  return oblique ? 5 : 3;
}

/** Trees that fill the last lanes up are of unused nodes and leaves of value 0. */
function fill(forest: FlatForest, layout: Layout, buffer: ArrayBuffer): void {
  const { trees, depth, features, thresholds, slopes, values } = forest;
  const words = 2 ** shiftOf(slopes !== null) / 4;
  const inner = 2 ** depth - 1;
  const ints = new Int32Array(buffer);
  const floats = new Float32Array(buffer);
  for (let at = layout.nodes / 4; at < layout.nodesEnd / 4; at += words) {
    floats[at] = Number.POSITIVE_INFINITY;
  }
  for (let i = 0; i < trees * inner; i += 1) {
    const tree = Math.floor(i / inner);
    const at = layout.nodes / 4 + (tree * 2 ** depth + 1 + (i - tree * inner)) * words;
    floats[at] = thresholds[i]!;
    if (slopes === null) ints[at + 1] = features[i]! * 4;
    for (let slope = 0; slopes !== null && slope < SLOPES; slope += 1) {
      ints[at + 1 + slope] = slopes.columns[i * SLOPES + slope]! * 4;
      floats[at + 1 + SLOPES + slope] = slopes.factors[i * SLOPES + slope]!;
    }
  }
  ints.set(values, layout.leaves / 4);
}

function kernelFor({ depth, slopes }: FlatForest): Compiled {
  const key = `${depth} ${slopes !== null}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = compile([walkCode(depth, slopes !== null)]);
    kernels.set(key, kernel);
  }
  return kernel;
}

function walkCode(depth: number, oblique: boolean): FunctionCode {
  const shift = shiftOf(oblique);
  const lanes = Array.from({ length: LANES }, (_, lane) => lane);
  const steps = Array.from({ length: depth }, () =>
    lanes.map((lane) => stepCode(lane, depth, oblique)),
  );
  const trees = [
    ...lanes.flatMap((lane) => [...i32(2 ** shift), ...set(PLACE + lane)]),
    ...steps.flat(2),
    ...lanes.flatMap((lane) => leafCode(lane, depth, shift)),
    ...seq(get(LEAF), i32(LANES * 2 ** (depth + 2)), OP.i32Add, set(LEAF)),
    ...seq(get(NODE), i32(LANES * 2 ** (depth + shift)), OP.i32Add, tee(NODE)),
  ];
  const row = [
    ...seq(i32(0), set(SUM), get(NODES), set(NODE), get(LEAVES), set(LEAF)),
    ...repeatWhile(trees, [...get(NODES_END), OP.i32LtU]),
    ...seq(get(OUT), get(SUM), storeI32(0)),
    ...seq(get(OUT), i32(4), OP.i32Add, set(OUT)),
    ...seq(get(ROW), get(ROW_BYTES), OP.i32Add, tee(ROW)),
  ];
  return {
    name: "walk",
    parameters: Array.from({ length: 7 }, () => I32),
    locals: Array.from({ length: 4 + LANES }, () => I32),
    body: repeatWhile(row, [...get(ROWS_END), OP.i32LtU]),
  };
}

/** place = 2 * place + (value > threshold), scaled. */
function stepCode(lane: number, depth: number, oblique: boolean): number[] {
  const shift = shiftOf(oblique);
  const offset = lane * 2 ** (depth + shift);
  const valueAt = (at: number): number[] => [
    ...get(ROW),
    ...get(AT),
    ...loadI32(offset + 4 * at),
    OP.i32Add,
    ...loadF32(0),
  ];
  const factor = (slope: number): number[] => [
    ...get(AT),
    ...loadF32(offset + 4 * (1 + SLOPES + slope)),
  ];
  const term = (slope: number): number[] => [...factor(slope), ...valueAt(1 + slope), OP.f32Mul];
  const value = oblique ? [...term(0), ...term(1), OP.f32Add, ...term(2), OP.f32Add] : valueAt(1);
  return [
    ...seq(get(NODE), get(PLACE + lane), OP.i32Add, set(AT)),
    ...seq(get(PLACE + lane), i32(1), OP.i32Shl),
    ...seq(value, get(AT), loadF32(offset), OP.f32Gt),
    ...seq(i32(shift), OP.i32Shl, OP.i32Add, set(PLACE + lane)),
  ];
}

/** sum += the leaf's value; a place past the inner nodes is a leaf. */
function leafCode(lane: number, depth: number, shift: number): number[] {
  const first = 2 ** (depth + 2);
  return [
    ...seq(get(SUM), get(LEAF), get(PLACE + lane), i32(shift - 2), OP.i32ShrU, OP.i32Add),
    ...seq(i32(first), OP.i32Sub, loadI32(lane * first), OP.i32Add, set(SUM)),
  ];
}
