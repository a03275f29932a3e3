/**
 * The boundary of: what waiting costs. Ten thousand and a hundred thousand cases that wait for a
 * person: memory at rest and after decisions, how soon a decision is taken, and how soon a killed
 * floor is ready again with a thousand calls in flight.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { inChild } from "./children.ts";
import type { BenchOptions, Bound, Report } from "./suite.ts";
import type { Rested } from "./waiting-child.ts";

const CHILD = join(import.meta.dirname, "waiting-child.ts");
const MAIN = resolve(import.meta.dirname, "../../dist/app/main.js");
const GC = ["--expose-gc"];
const [FEW, MANY] = [10_000, 100_000];
const CALLING = 1_000;
const DECISIONS = 500;
const WEIGHED = 500;

export async function run(_: BenchOptions, say: (line: string) => void): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "watchfloor-waiting-"));
  try {
    const at = (name: string): string => {
      mkdirSync(join(folder, name));
      return join(folder, name);
    };
    const weighed = await inChild<{ heapKb: number }>(CHILD, { task: "weigh", cases: WEIGHED }, GC);
    const idle = await rested(at("idle"), 0, 0, say);
    const few = await seededAndRested(at("few"), FEW, say);
    const many = at("many");
    await seeded(many, MANY, CALLING, say);
    const restartMs = await restart(many);
    say(`restart with ${MANY} waiting and ${CALLING} in flight: ${restartMs.toFixed(0)} ms`);
    const lots = await rested(many, MANY, DECISIONS, say);
    const passivatedKb = ((few.atRest.heapMb - idle.atRest.heapMb) * 1_024) / FEW;
    return report({ idle, few, lots, restartMs, residentKb: weighed.heapKb, passivatedKb, many });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function seededAndRested(
  path: string,
  waiting: number,
  say: (line: string) => void,
): Promise<Rested> {
  await seeded(path, waiting, 0, say);
  return rested(path, waiting, DECISIONS, say);
}

async function seeded(
  path: string,
  waiting: number,
  calling: number,
  say: (line: string) => void,
): Promise<void> {
  say(`writing ${waiting} waiting cases`);
  await inChild(CHILD, { task: "seed", path, waiting, calling }, GC);
}

async function rested(
  path: string,
  waiting: number,
  decisions: number,
  say: (line: string) => void,
): Promise<Rested> {
  const result = await inChild<Rested>(
    CHILD,
    { task: "rest", path, waiting, decisions, from: 0 },
    GC,
  );
  say(`${waiting} waiting: ${result.atRest.rssMb.toFixed(0)} MB resident at rest`);
  return result;
}

/** From the start of the process to its first readiness. */
function restart(path: string): Promise<number> {
  const began = performance.now();
  const args = [MAIN, "run", "--data", path, "--http", "127.0.0.1:0", "--no-sample"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  return new Promise((ready, fail) => {
    const look = (line: string): void => {
      const url = /Listening on (https?:\/\/[^:]+:\d+)/.exec(line)?.[1];
      if (url === undefined) return;
      void fetch(`${url}/readyz`).then(({ status }) => {
        const ms = performance.now() - began;
        child.on("close", () => (status === 200 ? ready(ms) : fail(new Error(`${status}`))));
        child.kill("SIGKILL");
      }, fail);
    };
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on("line", look);
    child.on("error", fail);
  });
}

// ---- What is said of it ------------------------------------------------------------------------

interface Found {
  readonly idle: Rested;
  readonly few: Rested;
  readonly lots: Rested;
  readonly restartMs: number;
  readonly residentKb: number;
  readonly passivatedKb: number;
  readonly many: string;
}

function report(found: Found): Report {
  const { idle, few, lots, restartMs, residentKb, passivatedKb, many } = found;
  const row = (name: string, one: Rested) => [
    name,
    one.atRest.rssMb,
    one.atRest.anonMb,
    one.atRest.heapMb,
    one.afterDecisions.rssMb,
    one.acceptedP99Ms,
    one.takenP50Ms,
    one.takenP99Ms,
    one.residents,
  ];
  return {
    suite: "waiting",
    setting: {
      node: process.version,
      decisions: DECISIONS,
      "disk MB of the many": Math.round(statSync(join(many, "data.mdb")).size / 2 ** 20),
    },
    tables: [
      {
        title: "Whole cases that wait for a person, on local, after a start",
        columns: [
          "waiting",
          "RSS MB",
          "of it anonymous",
          "heap MB",
          "RSS after decisions",
          "decision durable p99 ms",
          "taken p50",
          "taken p99",
          "actors resident",
        ],
        rows: [row("none", idle), row(String(FEW), few), row(String(MANY), lots)],
      },
      {
        title: "Heap of one waiting case, all its actors",
        columns: ["", "KB"],
        rows: [
          ["resident", residentKb],
          ["passivated", passivatedKb],
        ],
      },
      {
        title: `Restart with ${MANY} waiting and ${CALLING} calls in flight, built`,
        columns: ["", "ms"],
        rows: [["ready", restartMs]],
      },
    ],
    bounds: [
      bound(`RSS of ${FEW} waiting over idle, MB`, few.atRest.rssMb - idle.atRest.rssMb, 25),
      bound(`RSS of ${MANY} waiting, MB`, lots.atRest.rssMb, 400),
      bound(
        `RSS of ${MANY} waiting after ${DECISIONS} decisions, MB`,
        lots.afterDecisions.rssMb,
        400,
      ),
      bound(`a decision among ${MANY} durable, p99 ms`, lots.acceptedP99Ms, 50),
      bound(`ready after a restart, ms`, restartMs, 3_000),
    ],
  };
}

function bound(what: string, measured: number, most: number): Bound {
  return { what, measured: `${measured.toFixed(1)} (at most ${most})`, holds: measured <= most };
}
