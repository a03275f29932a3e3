/**
 * The boundary of: how fast turns are, and against whom. The six-step chart and the whole case on
 * both transports, LangGraph.js with SQLite, and the bare ceiling, in one run; ratios are what counts.
 */
import { cpus } from "node:os";
import { CHILD, inChild, installPeers, LANGGRAPH } from "./children.ts";
import type { LoadResult } from "./load.ts";
import type { BenchOptions, Bound, Cell, Report } from "./suite.ts";
import { SHARDS, type WatchfloorResult } from "./watchfloor.ts";

const CONCURRENCIES = [1, 32, 256] as const;
const WARM_UP_MS = 2_000;

interface Row {
  readonly name: string;
  readonly durable: string;
  readonly script: string;
  readonly spec: object;
  readonly peer: boolean;
}

const LOCAL = "Watchfloor, local";
const CEILING = "bare ceiling, local";
const NATS = "Watchfloor, NATS";
const NATS_CEILING = "bare ceiling, NATS";
const CLUSTER = "Watchfloor, NATS cluster";
const CLUSTER_CEILING = "bare ceiling, NATS cluster";
const LG_ASYNC = "LangGraph.js, SQLite, async";

const ROWS: readonly Row[] = [
  row("Watchfloor, memory", "no", { measure: "six-step", transport: "memory" }),
  row(LOCAL, "fsync", { measure: "six-step", transport: "local" }),
  row("bare ceiling, memory", "no", { measure: "ceiling", transport: "memory" }),
  row(CEILING, "fsync", { measure: "ceiling", transport: "local" }),
  row(NATS, "fsync", { measure: "six-step", transport: "nats" }),
  row(NATS_CEILING, "fsync", { measure: "ceiling", transport: "nats" }),
  row(CLUSTER, "3 replicas", { measure: "six-step", transport: "nats-cluster" }),
  row(CLUSTER_CEILING, "3 replicas", { measure: "ceiling", transport: "nats-cluster" }),
  peer(LG_ASYNC, { durability: "async" }),
  peer("LangGraph.js, SQLite, sync", { durability: "sync" }),
];

function row(name: string, durable: string, spec: object): Row {
  return { name, durable, script: CHILD, spec, peer: false };
}

/** Its store's own setting: the write-ahead log is synced at a checkpoint, not at each commit. */
function peer(name: string, spec: object): Row {
  return { name, durable: "WAL, no fsync", script: LANGGRAPH, spec, peer: true };
}

interface Measured {
  readonly row: Row;
  readonly concurrency: number;
  readonly result: LoadResult & Partial<WatchfloorResult>;
}

export async function run(options: BenchOptions, say: (line: string) => void): Promise<Report> {
  const rows = ROWS.filter(
    ({ name, peer: isPeer }) =>
      name.includes(options.only) &&
      (options.peers || !isPeer) &&
      (options.nats || !name.includes("NATS")),
  );
  if (rows.some((one) => one.peer)) installPeers(say);
  const measured: Measured[] = [];
  for (const concurrency of CONCURRENCIES) {
    for (const { rounds, of } of await inRounds(rows, concurrency, options, say))
      measured.push({ row: of, concurrency, result: median(rounds) });
  }
  return {
    suite: "speed",
    setting: {
      node: process.version,
      cpu: cpus()[0]?.model.trim() ?? "unknown",
      cores: cpus().length,
      shards: SHARDS,
      "seconds a row": options.seconds,
      rounds: options.rounds,
    },
    tables: [
      {
        title: "Six-step chart: one actor, six tool calls, 1 KB of state, durable after each step",
        columns: [
          "engine",
          "fsync",
          "in flight",
          "cases/s",
          "turns/s",
          "p50 ms",
          "p99 ms",
          "CPU ms/case",
          "checkpoints",
        ],
        rows: measured.map(cells),
      },
    ],
    bounds: boundsOf(measured),
  };
}

/** Rows take turns, so that a disturbance of the machine hits each of them alike. */
async function inRounds(
  rows: readonly Row[],
  concurrency: number,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<{ of: Row; rounds: Measured["result"][] }[]> {
  const all = rows.map((of) => ({ of, rounds: [] as Measured["result"][] }));
  for (let round = 0; round < options.rounds; round++) {
    for (const { of, rounds } of all) {
      const load = { concurrency, warmUpMs: WARM_UP_MS, measureMs: options.seconds * 1_000 };
      const result = await inChild<Measured["result"]>(of.script, { ...of.spec, load });
      rounds.push(result);
      say(`${of.name}, ${concurrency} in flight: ${result.casesPerSecond.toFixed(0)} cases/s`);
    }
  }
  return all;
}

function median(results: readonly Measured["result"][]): Measured["result"] {
  const sorted = results.toSorted((a, b) => a.casesPerSecond - b.casesPerSecond);
  return sorted[(sorted.length - 1) >> 1]!;
}

function cells({ row: { name, durable }, concurrency, result }: Measured): Cell[] {
  const { casesPerSecond, turnsPerSecond, p50Ms, p99Ms, cpuMsPerCase, checkpoints } = result;
  return [
    name,
    durable,
    concurrency,
    casesPerSecond,
    turnsPerSecond,
    p50Ms,
    p99Ms,
    cpuMsPerCase,
    checkpoints ?? null,
  ];
}

function boundsOf(measured: readonly Measured[]): Bound[] {
  return [32, 256].flatMap((concurrency) => {
    const find = (name: string) =>
      measured.find((one) => one.row.name === name && one.concurrency === concurrency)?.result;
    const [ours, theirs, ceiling] = [find(LOCAL), find(LG_ASYNC), find(CEILING)];
    const at = `at ${concurrency} in flight`;
    const bounds: Bound[] = [];
    if (ours && theirs) {
      bounds.push(
        atLeast(`cases/s ${at}, times LangGraph.js SQLite async`, ours, theirs, 8),
        atMost(`p50 latency ${at}, share of LangGraph.js`, ours.p50Ms / theirs.p50Ms, 1 / 5),
        atMost(
          `CPU per case ${at}, share of LangGraph.js`,
          ours.cpuMsPerCase / theirs.cpuMsPerCase,
          1 / 10,
        ),
      );
    }
    for (const [name, bare] of [
      [NATS, NATS_CEILING],
      [CLUSTER, CLUSTER_CEILING],
    ] as const) {
      const [run, most] = [find(name), find(bare)];
      if (run && most)
        bounds.push(atLeast(`${name}: cases/s ${at}, share of its ceiling`, run, most, 0.5));
    }
    const cluster = find(CLUSTER);
    if (cluster && theirs)
      bounds.push(atLeast(`${CLUSTER}: cases/s ${at}, times LangGraph.js`, cluster, theirs, 8));
    if (ours && ceiling)
      bounds.push(atLeast(`cases/s ${at}, share of the bare ceiling`, ours, ceiling, 0.5));
    return bounds;
  });
}

function atLeast(what: string, ours: LoadResult, other: LoadResult, least: number): Bound {
  const ratio = ours.casesPerSecond / other.casesPerSecond;
  const measured = `${ratio.toFixed(2)} (at least ${least})`;
  return { what, measured, holds: ratio >= least };
}

function atMost(what: string, ratio: number, most: number): Bound {
  return { what, measured: `${ratio.toFixed(3)} (at most ${most})`, holds: ratio <= most };
}
