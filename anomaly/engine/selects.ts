/**
 * The boundary of: a fitted tree and straight-line code. The code has no loop and no branch inside a
 * tree: from the leaves up, each node selects between its children's results, sixteen rows a vector.
 * Results are codes of one byte, which at the root are turned into leaf values by table.
 */
import {
  seq,
  AGAIN, Code, get, i32, I32, loadVector, LOOP, OP, set, shuffle, simd, SIMD, storeVector, tee, V128,
  type FunctionCode,
} from "./encode.ts"; // prettier-ignore
import type { FlatForest } from "./flat.ts";

/** A tree without the nodes beneath which all leaves are worth the same. */
export type Pruned = number | Inner;

export interface Inner {
  readonly feature: number;
  readonly threshold: number;
  readonly left: Pruned;
  readonly right: Pruned;
}

/** Leaves are given by their value. */
export function pruned(forest: FlatForest, tree: number): Pruned {
  const { depth, features, thresholds, values } = forest;
  const inner = 2 ** depth - 1;
  const under = (node: number): Pruned => {
    if (node >= inner) return values[tree * (inner + 1) + node - inner]!;
    const left = under(2 * node + 1);
    const threshold = thresholds[tree * inner + node]!;
    if (threshold === Number.POSITIVE_INFINITY) return left;
    const right = under(2 * node + 2);
    if (typeof left === "number" && left === right) return left;
    return { feature: features[tree * inner + node]!, threshold, left, right };
  };
  return under(0);
}

/** All that is left of a tree's inner nodes. */
export function innerOf(tree: Pruned): Inner[] {
  if (typeof tree === "number") return [];
  return [tree, ...innerOf(tree.left), ...innerOf(tree.right)];
}

/** The distinct leaf values of a tree, ascending. */
export function valuesOf(tree: Pruned): number[] {
  const values = new Set<number>();
  const collect = (part: Pruned): void => {
    if (typeof part === "number") values.add(part);
    else {
      collect(part.left);
      collect(part.right);
    }
  };
  collect(tree);
  return [...values].toSorted((a, b) => a - b);
}

export interface Addresses {
  /** 256 vectors, each of one byte sixteen times. */
  readonly splats: number;
  /** Sums (i32) of the rows. */
  readonly sums: number;
  /** Room for one vector. */
  readonly scratch: number;
  /** Ranks (i8) of a feature within this tree's group, of all rows of a tile. */
  readonly planeOf: (feature: number) => number;
  /** The rank of a threshold within the group, less 128. */
  readonly cutOf: (feature: number, threshold: number) => number;
  /** This tree's tables of leaf values: for each byte of a value, one vector for sixteen codes. */
  readonly tables: number;
}

const VECTOR = 16;
export const VALUE_BYTES = 3;
const ROW = 0;
const ROWS_END = 1;
const CODES = 2;
const PLANE = 3;
const LOW = 6;
const HIGH = 7;

/** Pieces of code that all trees of a forest share, so that each is put together once. */
export interface Pieces {
  /** Loads a byte sixteen times over. */
  readonly splats: readonly Uint8Array[];
  readonly sums: Uint8Array;
  /** Stores the vector on the stack where nobody reads it, and leaves it there. */
  readonly settle: Uint8Array;
}

export function piecesOf(to: Pick<Addresses, "splats" | "sums" | "scratch">): Pieces {
  return {
    splats: Array.from({ length: 256 }, (_, byte) =>
      Uint8Array.from([...i32(0), ...loadVector(to.splats + VECTOR * byte)]),
    ),
    sums: Uint8Array.from(accumulate(to.sums)),
    settle: Uint8Array.from(
      seq(set(CODES), i32(0), get(CODES), storeVector(to.scratch), get(CODES)),
    ),
  };
}

/**
 * An optimising compiler moves pure operations as late as it can, and loads not at all: left alone
 * it would load a whole tree before the first comparison and spill nearly all of it. A store needs
 * its value there and then, and so bounds how many loaded vectors wait.
 */
const LOADS_OPEN_MAX = 4;

const SELECT = [...simd(SIMD.gtI8), ...simd(SIMD.bitselect)];

/** `tree(row, rowsEnd)`: adds the tree's value to each row's sum. */
export function treeCode(name: string, tree: Inner, to: Addresses, pieces: Pieces): FunctionCode {
  const values = valuesOf(tree);
  const codes = new Map(values.map((value, code) => [value, code]));
  const { splats, sums, settle } = pieces;
  const code = new Code().push(LOOP);
  const select = (part: Pruned): number => {
    if (typeof part === "number") {
      code.push(splats[codes.get(part)!]!);
      return 1;
    }
    const open = select(part.right) + select(part.left) + 2;
    code.push(get(ROW)).push(loadVector(to.planeOf(part.feature)));
    code.push(splats[to.cutOf(part.feature, part.threshold) & 255]!).push(SELECT);
    if (open < LOADS_OPEN_MAX) return open;
    code.push(settle);
    return 0;
  };
  select(tree);
  code.push(set(CODES));
  for (let plane = 0; plane < VALUE_BYTES; plane += 1) code.push(lookUp(plane, values.length, to));
  code.push(sums).push([...get(ROW), ...i32(VECTOR), OP.i32Add, ...tee(ROW)]);
  code.push([...get(ROWS_END), OP.i32LtU, ...AGAIN]);
  return {
    name,
    parameters: [I32, I32],
    locals: [V128, V128, V128, V128, V128, V128],
    body: code.taken(),
  };
}

/** Vectors that a tree's tables take. */
export function tableVectors(values: number): number {
  return VALUE_BYTES * Math.ceil(values / VECTOR);
}

/** A table answers 0 for codes that are not its own, so that the answers of all can be joined. */
function lookUp(plane: number, values: number, { tables, splats }: Addresses): number[] {
  const parts = Math.ceil(values / VECTOR);
  const code: number[] = [];
  for (let part = 0; part < parts; part += 1) {
    code.push(...i32(0), ...loadVector(tables + VECTOR * (plane * parts + part)), ...get(CODES));
    if (part > 0) {
      code.push(...i32(0), ...loadVector(splats + VECTOR * VECTOR * part), ...simd(SIMD.subI8));
    }
    code.push(...simd(SIMD.swizzle));
    if (part > 0) code.push(...simd(SIMD.or));
  }
  return [...code, ...set(PLANE + plane)];
}

const halves = (bytes: number, from: number): number[] =>
  Array.from({ length: VECTOR / bytes / 2 }, (_, i) => i + from).flatMap((i) => [
    ...Array.from({ length: bytes }, (_, byte) => i * bytes + byte),
    ...Array.from({ length: bytes }, (_, byte) => VECTOR + i * bytes + byte),
  ]);

/** Sixteen values in three planes of bytes become sixteen i32, in four vectors. */
function accumulate(sums: number): number[] {
  const code: number[] = [];
  for (const half of [0, 1]) {
    code.push(...get(PLANE), ...get(PLANE + 1), ...shuffle(halves(1, half * 8)), ...set(LOW));
    const extend = half === 0 ? SIMD.extendLowU8 : SIMD.extendHighU8;
    code.push(...get(PLANE + 2), ...simd(extend), ...set(HIGH));
    for (const quarter of [0, 1]) {
      const at = sums + VECTOR * (2 * half + quarter);
      code.push(...get(ROW), ...i32(2), OP.i32Shl);
      code.push(...get(ROW), ...i32(2), OP.i32Shl, ...loadVector(at));
      code.push(...get(LOW), ...get(HIGH), ...shuffle(halves(2, quarter * 4)));
      code.push(...simd(SIMD.addI32), ...storeVector(at));
    }
  }
  return code;
}
