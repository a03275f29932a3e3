/**
 * The boundary of: many rows and their sums, in WebAssembly SIMD generated for one forest. A tile of
 * rows is turned into ranks, column by column; then each tree's own code runs over the whole tile,
 * so that it stays in the nearest cache while it is used.
 */
import type { FunctionCode } from "./encode.ts";
import { call, get, I32 } from "./encode.ts";
import { plainEngine, type Engine, type FlatForest } from "./flat.ts";
import { compile, instantiate, type Kernels } from "./platform.ts";
import { BUCKETS, CUTS_MAX, cutTableOf, mapCode, rankCode, type CutTable } from "./ranks.ts";
import {
  innerOf, piecesOf, pruned, tableVectors, treeCode, VALUE_BYTES, valuesOf, type Inner,
} from "./selects.ts"; // prettier-ignore

const TILE_ROWS = 256;
const VECTOR = 16;
/** Ranks are bytes: of so many cuts a group can tell values apart. */
const GROUP_CUTS_MAX = 255;
const CODES_MAX = 256;
/** Beyond these the code would be too large to pay. */
const NODES_MAX = 120_000;
const PLANE_BYTES_MAX = 1 << 24;

interface Group {
  readonly trees: readonly Inner[];
  /** Of each feature asked in the group: its cuts, ascending. */
  readonly cuts: ReadonlyMap<number, Float32Array>;
}

/** null where this forest would take too much code, or its leaves have too many values. */
export function vectorEngine(forest: FlatForest): Engine | null {
  if (forest.slopes !== null) return null;
  const trees = Array.from({ length: forest.trees }, (_, tree) => pruned(forest, tree));
  const inner = trees.filter((tree) => typeof tree !== "number");
  const constant = trees.reduce<number>(
    (sum, tree) => sum + (typeof tree === "number" ? tree : 0),
    0,
  );
  const plan = planOf(forest, inner, constant);
  return plan === null ? null : engineOf(forest, plan);
}

interface Column {
  readonly feature: number;
  readonly table: CutTable;
  readonly starts: number;
  readonly cuts: number;
  readonly ranks: number;
  /** Of each group that asks the feature: the table of its ranks, and where they go. */
  readonly maps: readonly {
    readonly group: Group;
    readonly table: number;
    readonly plane: number;
  }[];
}

interface Plan {
  readonly groups: readonly Group[];
  readonly columns: readonly Column[];
  readonly splats: number;
  readonly sums: number;
  readonly scratch: number;
  /** Of each tree in the order of the groups: where its values are. */
  readonly tables: readonly number[];
  /** Of trees that ask nothing, and what was taken off all values so that none is negative. */
  readonly base: number;
  readonly bytes: number;
}

function planOf(forest: FlatForest, trees: readonly Inner[], constant: number): Plan | null {
  const nodes = trees.reduce((sum, tree) => sum + innerOf(tree).length, 0);
  const values = trees.map(valuesOf);
  if (nodes > NODES_MAX || values.some((own) => own.length > CODES_MAX)) return null;
  const groups = groupsOf(trees);
  const grouped = groups.flatMap((group) => group.trees.map(valuesOf));
  let at = 0;
  const take = (bytes: number): number => {
    const from = at;
    at += Math.ceil(bytes / VECTOR) * VECTOR;
    return from;
  };
  take(TILE_ROWS * forest.columns * 4);
  const splats = take(256 * VECTOR);
  const sums = take(TILE_ROWS * 4);
  const scratch = take(VECTOR);
  const columns = columnsOf(groups, take);
  const tables = grouped.map((own) => take(tableVectors(own.length) * VECTOR));
  if (columns === null || at > PLANE_BYTES_MAX) return null;
  const base = grouped.reduce((sum, own) => sum + own[0]!, constant);
  return { groups, columns, splats, sums, scratch, tables, base, bytes: at };
}

/** Trees in their order, as many to a group as its bytes of rank allow. */
function groupsOf(trees: readonly Inner[]): Group[] {
  const groups: { trees: Inner[]; cuts: Map<number, Set<number>> }[] = [];
  for (const tree of trees) {
    const own = cutsOfTree(tree);
    const last = groups.at(-1);
    if (last === undefined || !fits(last.cuts, own)) groups.push({ trees: [tree], cuts: own });
    else {
      last.trees.push(tree);
      for (const [feature, cuts] of own)
        last.cuts.set(feature, union(last.cuts.get(feature), cuts));
    }
  }
  return groups.map(({ trees: grouped, cuts }) => ({
    trees: grouped,
    cuts: new Map([...cuts].map(([feature, own]) => [feature, Float32Array.from(own).toSorted()])),
  }));
}

function cutsOfTree(tree: Inner): Map<number, Set<number>> {
  const own = new Map<number, Set<number>>();
  for (const { feature, threshold } of innerOf(tree)) {
    own.set(feature, (own.get(feature) ?? new Set()).add(threshold));
  }
  return own;
}

function fits(
  cuts: ReadonlyMap<number, ReadonlySet<number>>,
  more: ReadonlyMap<number, ReadonlySet<number>>,
): boolean {
  return [...more].every(([feature, own]) => {
    const known = cuts.get(feature);
    if (known === undefined) return true;
    let size = known.size;
    for (const cut of own) if (!known.has(cut)) size += 1;
    return size <= GROUP_CUTS_MAX;
  });
}

function union(known: Set<number> | undefined, more: Set<number>): Set<number> {
  if (known === undefined) return more;
  for (const cut of more) known.add(cut);
  return known;
}

function columnsOf(
  groups: readonly Group[],
  take: (bytes: number) => number,
): readonly Column[] | null {
  const features = [...new Set(groups.flatMap(({ cuts }) => [...cuts.keys()]))];
  const columns = features
    .toSorted((a, b) => a - b)
    .map((feature) => {
      const asking = groups.filter(({ cuts }) => cuts.has(feature));
      const all = new Set(asking.flatMap(({ cuts }) => [...cuts.get(feature)!]));
      const table = cutTableOf(Float32Array.from(all).toSorted());
      return {
        feature,
        table,
        starts: take(BUCKETS * 2),
        cuts: take((table.cuts.length + 2 ** table.steps) * 4),
        ranks: take(TILE_ROWS * 2),
        maps: asking.map((group) => ({
          group,
          table: take(table.cuts.length + 1),
          plane: take(TILE_ROWS),
        })),
      };
    });
  return columns.every(({ table }) => table.cuts.length < CUTS_MAX) ? columns : null;
}

function engineOf(forest: FlatForest, plan: Plan): Engine {
  const { kernels, buffer } = instantiate(compile(codeOf(plan)), plan.bytes);
  fill(plan, buffer);
  const { columns } = forest;
  const tile = new Float32Array(buffer, 0, TILE_ROWS * columns);
  const sums = new Int32Array(buffer, plan.sums, TILE_ROWS);
  const rank = rankers(plan, kernels, columns * 4);
  const select = kernels["trees"]!;
  return {
    sumOne: (row, from) => plainEngine(forest).sumOne(row, from),
    sumBatch: (rows, out) => {
      for (let from = 0; from < out.length; from += TILE_ROWS) {
        const count = Math.min(TILE_ROWS, out.length - from);
        tile.set(rows.subarray(from * columns, (from + count) * columns));
        const rounded = Math.ceil(count / VECTOR) * VECTOR;
        sums.fill(plan.base);
        rank(rounded);
        select(0, rounded);
        out.set(count === TILE_ROWS ? sums : sums.subarray(0, count), from);
      }
    },
  };
}

/** Ranks of all columns of the first rows of the tile. */
function rankers(plan: Plan, kernels: Kernels, rowBytes: number): (rows: number) => void {
  const map = kernels["map"]!;
  const columns = plan.columns.map((column) => ({
    ...column,
    rank: kernels[`rank${column.table.steps}`]!,
  }));
  return (rows) => {
    for (const { feature, table, starts, cuts, ranks, maps, rank } of columns) {
      const { lowest, scale } = table;
      rank(feature * 4, rowBytes, lowest, scale, starts, cuts, ranks, ranks + rows * 2);
      for (const own of maps) map(ranks, own.table, own.plane, own.plane + rows);
    }
  };
}

function codeOf(plan: Plan): FunctionCode[] {
  const steps = new Set(plan.columns.map(({ table }) => table.steps));
  const kernels = [...[...steps].map(rankCode), mapCode()];
  const trees = plan.groups.flatMap((group) => {
    const columns = new Map(plan.columns.map((column) => [column.feature, column]));
    const planeOf = (feature: number): number =>
      columns.get(feature)!.maps.find((own) => own.group === group)!.plane;
    const cutOf = (feature: number, threshold: number): number =>
      group.cuts.get(feature)!.indexOf(threshold) - 128;
    return group.trees.map((tree) => ({ tree, planeOf, cutOf }));
  });
  const { splats, sums, scratch } = plan;
  const pieces = piecesOf(plan);
  const functions = trees.map(({ tree, planeOf, cutOf }, i) =>
    treeCode(
      `tree${i}`,
      tree,
      { splats, sums, scratch, planeOf, cutOf, tables: plan.tables[i]! },
      pieces,
    ),
  );
  const all: FunctionCode = {
    name: "trees",
    parameters: [I32, I32],
    locals: [],
    body: functions.flatMap((_, i) => [...get(0), ...get(1), ...call(kernels.length + i)]),
  };
  return [...kernels, ...functions, all];
}

function fill(plan: Plan, buffer: ArrayBuffer): void {
  const bytes = new Uint8Array(buffer);
  for (let byte = 0; byte < 256; byte += 1) {
    bytes.fill(byte, plan.splats + byte * VECTOR, plan.splats + (byte + 1) * VECTOR);
  }
  for (const { feature, table, starts, cuts, maps } of plan.columns) {
    new Uint16Array(buffer, starts, BUCKETS).set(table.starts);
    const padded = new Float32Array(buffer, cuts, table.cuts.length + 2 ** table.steps);
    padded.fill(Number.POSITIVE_INFINITY);
    padded.set(table.cuts);
    for (const own of maps) {
      const ranks = groupRanks(table.cuts, own.group.cuts.get(feature)!);
      bytes.set(ranks, own.table);
    }
  }
  const trees = plan.groups.flatMap((group) => group.trees);
  trees.forEach((tree, i) => fillValues(valuesOf(tree), plan.tables[i]!, bytes));
}

/** Of each rank among all cuts: the rank among the group's, less 128, as a byte. */
function groupRanks(all: Float32Array, group: Float32Array): Uint8Array {
  const ranks = new Uint8Array(all.length + 1);
  let below = 0;
  for (let rank = 0; rank <= all.length; rank += 1) {
    if (rank > 0 && group[below] === all[rank - 1]) below += 1;
    ranks[rank] = below - 128;
  }
  return ranks;
}

function fillValues(values: readonly number[], tables: number, bytes: Uint8Array): void {
  const parts = Math.ceil(values.length / VECTOR);
  values.forEach((value, code) => {
    for (let plane = 0; plane < VALUE_BYTES; plane += 1) {
      bytes[tables + plane * parts * VECTOR + code] = (value - values[0]!) >> (8 * plane);
    }
  });
}
