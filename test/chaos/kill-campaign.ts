/**
 * The boundary of: a runner and whoever kills it. Replays a file on a `local` store in a real process,
 * kills it with SIGKILL at random instants, starts it again, and in the end judges what is there.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { verifyChain } from "../../supervisor/history.ts";
import type { HistoryEntry } from "../../supervisor/record.ts";
import type { CaseSummary } from "../../machines/vocabulary.ts";
import { systemClock } from "../../transports/clock.ts";
import { openSimulatedCluster } from "../../transports/kubernetes/simulated.ts";
import { openLocal } from "../../transports/local/index.ts";
import { generateSampleDay } from "../../transports/sample/day.ts";
import { INVENTORY } from "../../transports/sample/inventory.ts";
import { seededRandom } from "../kit/seeded-random.ts";

export interface CampaignOptions {
  readonly seed: number;
  readonly kills: number;
  readonly events: number;
  /** A kill comes at most this long after the runner says that it listens; one in five before. */
  readonly lifeMsMax: number;
  progress?(done: number): void;
}

export interface CampaignResult {
  readonly kills: number;
  /** Kills that hit before the replay was over. */
  readonly duringReplay: number;
  readonly events: number;
  readonly gates: Readonly<Record<string, number>>;
  readonly cases: number;
  readonly effects: number;
}

interface Line {
  readonly type: string;
  readonly line: number;
  readonly gate: string;
  readonly event: string;
  readonly case: string | null;
  readonly actions: readonly { readonly state: string }[];
}

const main = resolve(import.meta.dirname, "../../dist/app/main.js");

export async function killCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const folder = mkdtempSync(join(tmpdir(), "watchfloor-kill-"));
  try {
    const file = join(folder, "day.jsonl");
    const day = [...generateSampleDay(7, { ordinary: options.events })];
    writeFileSync(file, `${day.join("\n")}\n`);
    const random = seededRandom(options.seed);
    let duringReplay = 0;
    for (let kill = 0; kill < options.kills; kill++) {
      if (await runAndKill(folder, file, random() * options.lifeMsMax, random() < 0.2))
        duringReplay++;
      options.progress?.(kill + 1);
    }
    const lines = await runToEnd(folder, file);
    return {
      kills: options.kills,
      duringReplay,
      events: day.length,
      ...(await judge(folder, lines, day.length)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(folder: string, file: string): ChildProcess {
  const args = [
    main,
    "run",
    "--replay",
    file,
    "--data",
    join(folder, "data"),
    "--http",
    "127.0.0.1:0",
    "--json",
    "--exit-when-idle",
  ];
  return spawn(process.execPath, args, {
    env: { ...process.env, WATCHFLOOR_MODE: "enforce" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** True when the process was still at work when it was killed. */
function runAndKill(
  folder: string,
  file: string,
  afterMs: number,
  early: boolean,
): Promise<boolean> {
  return new Promise((done) => {
    const child = start(folder, file);
    let cancel = (): void => {};
    const arm = (): void => {
      cancel = systemClock.after(afterMs, () => child.kill("SIGKILL"));
    };
    child.stdout?.resume();
    if (early) arm();
    else
      createInterface({ input: child.stderr! }).on(
        "line",
        (line) => line.startsWith("Listening") && arm(),
      );
    child.on("exit", (_, signal) => {
      cancel();
      done(signal === "SIGKILL");
    });
  });
}

async function runToEnd(folder: string, file: string): Promise<Line[]> {
  const child = start(folder, file);
  child.stderr?.pipe(process.stderr);
  const exited = new Promise<number | null>((done) => child.on("exit", (code) => done(code)));
  const lines: Line[] = [];
  for await (const text of createInterface({ input: child.stdout! }))
    lines.push(JSON.parse(text) as Line);
  assert.equal(await exited, 0, "the last run ends by itself");
  return lines;
}

async function judge(
  folder: string,
  lines: readonly Line[],
  events: number,
): Promise<Pick<CampaignResult, "gates" | "cases" | "effects">> {
  const outcomes = lines.filter((line) => line.type === "outcome");
  assert.equal(outcomes.length, events, "every line has its one outcome");
  assert.deepEqual(
    outcomes.map((line) => line.line),
    Array.from({ length: events }, (_, n) => n + 1),
  );
  const gates: Record<string, number> = {};
  for (const { gate } of outcomes) gates[gate] = (gates[gate] ?? 0) + 1;
  const effects = await judgeEffects(folder);
  const cases = await judgeCases(folder, outcomes);
  return { gates, cases, effects };
}

async function judgeEffects(folder: string): Promise<number> {
  const cluster = await openSimulatedCluster({
    path: join(folder, "data", "cluster"),
    clock: systemClock,
    inventory: INVENTORY,
  });
  const log = await cluster.log();
  await cluster.close();
  const once = (keys: readonly string[]): void =>
    assert.equal(new Set(keys).size, keys.length, "every effect ran once");
  once(log.map((effect) => effect.idempotencyKey));
  once(
    log
      .filter((effect) => effect.effect === "perform")
      .map((effect) => `${effect.actionDigest} ${effect.idempotencyKey.split(":")[0]}`),
  );
  return log.length;
}

/** Every case's chain holds, its facts count each of its events, and what it says was done was done. */
async function judgeCases(folder: string, outcomes: readonly Line[]): Promise<number> {
  const transport = await openLocal({
    path: join(folder, "data"),
    shardCount: 4,
    clock: systemClock,
    readOnly: true,
  });
  try {
    const { store } = transport;
    const summaries = (await store.list("cases", "")).map(
      ({ value }) => value as unknown as CaseSummary,
    );
    const dead = await store.list("deadletters", "");
    assert.deepEqual(dead, [], "nothing became a dead letter");
    const events = new Map<string, number>();
    for (const { gate, case: id } of outcomes) {
      if (id !== null && gate !== "duplicate") events.set(id, (events.get(id) ?? 0) + 1);
    }
    assert.deepEqual(
      summaries.map((summary) => summary.case).toSorted(),
      [...events.keys()].toSorted(),
    );
    for (const summary of summaries) {
      const entries = (await store.list("history", `${summary.case}/`)).map(
        ({ value }) => value as unknown as HistoryEntry,
      );
      verifyChain(entries);
      assert.equal(summary.events, events.get(summary.case), `events of ${summary.case}`);
    }
    return summaries.length;
  } finally {
    await transport.close();
  }
}
