/**
 * The boundary of: one measurement of waiting cases, in a process of its own. Takes one JSON argument
 * and prints one JSON line; needs `--expose-gc`.
 */
import { readFileSync } from "node:fs";
import { restore } from "../../supervisor/chart.ts";
import { composeFloor, type Floor } from "../../supervisor/compose.ts";
import { fitBaseline } from "../../supervisor/baseline.ts";
import { publishCommand } from "../../supervisor/commands.ts";
import { loadConfig } from "../../supervisor/config.ts";
import { Reader } from "../../supervisor/reader.ts";
import type { ActorRecord, TurnRecord } from "../../supervisor/record.ts";
import { systemClock } from "../../transports/clock.ts";
import { openLocal } from "../../transports/local/index.ts";
import { CHARTS } from "../kit/charts.ts";
import { kindOf, type ActorAddress } from "../../machines/protocol.ts";
import { quantile } from "./load.ts";
import { caseIdOf, seedWaiting, waitingTemplate } from "./waiting-data.ts";
import { SHARDS } from "./watchfloor.ts";

export type WaitingSpec =
  | {
      readonly task: "seed";
      readonly path: string;
      readonly waiting: number;
      readonly calling: number;
    }
  | {
      readonly task: "rest";
      readonly path: string;
      readonly waiting: number;
      readonly decisions: number;
      /** Cases before this one were decided already. */
      readonly from: number;
    }
  | { readonly task: "weigh"; readonly cases: number };

export interface Memory {
  readonly rssMb: number;
  /** Of it, not backed by a file: pages of the database that were read count as the rest. */
  readonly anonMb: number;
  readonly heapMb: number;
}

export interface Rested {
  readonly startMs: number;
  readonly atRest: Memory;
  readonly residents: number;
  readonly timers: number;
  readonly acceptedP99Ms: number;
  readonly takenP50Ms: number;
  readonly takenP99Ms: number;
  readonly afterDecisions: Memory;
}

const gc = (globalThis as { gc?: () => void }).gc ?? (() => {});
const SETTLE_MS = 3_000;
const PERSON = { user: "bench", uid: 0, as: null };

const spec = JSON.parse(process.argv[2] ?? "{}") as WaitingSpec;
process.stdout.write(`${JSON.stringify(await perform(spec))}\n`);
process.exit(0);

async function perform(one: WaitingSpec): Promise<object> {
  if (one.task === "seed") return seed(one.path, one.waiting, one.calling);
  if (one.task === "weigh") return weigh(one.cases);
  return rest(one);
}

async function seed(path: string, waiting: number, calling: number): Promise<object> {
  const template = await waitingTemplate();
  const transport = await openLocal({ path, shardCount: SHARDS, clock: systemClock });
  await seedWaiting(transport.store, template, waiting, calling);
  await transport.close();
  return { bytes: template.entries.reduce((sum, { text }) => sum + text.length, 0) };
}

/** Heap that one waiting case takes while all its actors are in memory. */
async function weigh(cases: number): Promise<object> {
  const { entries } = await waitingTemplate();
  const actors = entries.filter(
    ({ table, key }) => table === "actors" && !key.startsWith("ingest/"),
  );
  const kept: unknown[] = [];
  const before = memory().heapMb;
  for (let n = 0; n < cases; n++) {
    for (const { key, text } of actors) {
      const record = JSON.parse(text) as ActorRecord;
      const { machine } = CHARTS[kindOf(key as ActorAddress)];
      kept.push(`${key}${n}`, record, record.snapshot && restore(machine, record.snapshot));
    }
  }
  const heapKb = ((memory().heapMb - before) * 1_024) / cases;
  return { heapKb, actors: kept.length / 3 / cases };
}

async function rest(one: WaitingSpec & { task: "rest" }): Promise<Rested> {
  const { path } = one;
  const began = performance.now();
  const taken = new Map<string, () => void>();
  const config = loadConfig({
    flags: { data: path },
    env: { WATCHFLOOR_MODE: "enforce" },
    cwd: path,
    folder: null,
  });
  const floor = await composeFloor(config, {
    sink: { deliver: async () => {} },
    observers: [
      {
        committed: (_, records) => {
          for (const record of records) {
            const id = record.r === "turn" ? commandTaken(record) : null;
            if (id !== null) taken.get(id)?.();
          }
        },
      },
    ],
    say: () => {},
    firstModel: async () => fitBaseline(1),
  });
  const startMs = performance.now() - began;
  await delay(SETTLE_MS);
  const atRest = memory();
  const { residents, timers } = floor.runner.gauges();
  const latencies = await decide(floor, taken, one);
  await delay(SETTLE_MS);
  return { startMs, atRest, residents, timers, ...latencies, afterDecisions: memory() };
}

function commandTaken({ summary }: TurnRecord): string | null {
  return summary?.lastCommand?.id ?? null;
}

/** One after the other, on cases picked all over; from the command's publishing to its durable turn. */
async function decide(
  floor: Floor,
  taken: Map<string, () => void>,
  { waiting, decisions, from }: WaitingSpec & { task: "rest" },
): Promise<Pick<Rested, "acceptedP99Ms" | "takenP50Ms" | "takenP99Ms">> {
  const { transport } = floor;
  const reader = new Reader(transport, SHARDS);
  const ports = { reader, mailbox: transport.mailbox, shardCount: SHARDS };
  const times = { accepted: [] as number[], taken: [] as number[] };
  const stride = Math.max(1, Math.floor(waiting / Math.max(1, decisions)));
  for (let n = 0; n < decisions; n++) {
    const id = `decision-${n}`;
    const done = new Promise<void>((resolve) => taken.set(id, resolve));
    const began = performance.now();
    const command = {
      command: "answer",
      case: caseIdOf(from + n * stride),
      answer: "dismiss",
      reason: null,
      dismissal: "expected",
    } as const;
    await publishCommand(ports, command, PERSON, id);
    times.accepted.push(performance.now() - began);
    await done;
    times.taken.push(performance.now() - began);
    taken.delete(id);
  }
  const sorted = (values: number[]): number[] => values.toSorted((a, b) => a - b);
  return {
    acceptedP99Ms: quantile(sorted(times.accepted), 0.99),
    takenP50Ms: quantile(sorted(times.taken), 0.5),
    takenP99Ms: quantile(sorted(times.taken), 0.99),
  };
}

function memory(): Memory {
  gc();
  gc();
  const status = readFileSync("/proc/self/status", "utf8");
  const mb = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) / 1_024;
  return {
    rssMb: mb("VmRSS"),
    anonMb: mb("RssAnon"),
    heapMb: process.memoryUsage().heapUsed / 2 ** 20,
  };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
