/**
 * Goal: what was acknowledged survives kill -9 at any instant, and nothing is half there. Method: a
 * child process writes without end and prints acknowledgements; it is killed after a seeded number
 * of them; then the data is opened again and compared with what was printed.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openLocal, type LocalTransport } from "../../transports/local/index.ts";
import { seededRandom, wholeBetween } from "../kit/seeded-random.ts";
import { virtualClock } from "../kit/virtual-clock.ts";
import { dataDirectory } from "./adapters.ts";
import {
  APPEND_SHARDS,
  batchAt,
  PAIR,
  PUBLISH_SHARD,
  type Acknowledged,
  type BatchRecord,
} from "./appender.ts";

const APPENDER = fileURLToPath(new URL("appender.ts", import.meta.url));
const ROUNDS = 12;
const SEED = 20_261_122;

type Child = ChildProcessByStdio<null, Readable, null>;

function startAppender(path: string, by: string): Child {
  const args = ["--import", "tsx", APPENDER, path, by];
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
}

/** Kills the child once it printed `count` lines; resolves with all it printed, when it is gone. */
async function killAfter(child: Child, count: number): Promise<readonly Acknowledged[]> {
  const exited = once(child, "exit");
  const lines: Acknowledged[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    // The last line may be cut: what it says was not said.
    if (line.endsWith("}")) lines.push(JSON.parse(line) as Acknowledged);
    if (lines.length === count) child.kill("SIGKILL");
  }
  await exited;
  return lines;
}

async function reopened(path: string): Promise<LocalTransport> {
  return openLocal({ path, shardCount: 4, clock: virtualClock() });
}

/** Every batch whole and in place, whoever appended it. */
async function checkBatches({ journal }: LocalTransport, shard: string): Promise<void> {
  const records = await journal.read(shard, 1, 1_000_000);
  assert.equal(await journal.last(shard), records.length);
  for (let at = 0; at < records.length;) {
    const { by, of } = JSON.parse(records[at]?.text ?? "null") as BatchRecord;
    const batch = records.slice(at, at + of).map(({ text }) => JSON.parse(text ?? "null"));
    assert.deepEqual(batch, batchAt(by, at + 1), `${shard} at ${at + 1}`);
    at += of;
  }
}

async function checkAcknowledged(
  transport: LocalTransport,
  lines: readonly Acknowledged[],
): Promise<void> {
  const [left, right] = await transport.store.getMany("settings", PAIR);
  assert.equal(left, right);
  for (const line of lines) {
    if (line.what === "write") assert.ok(Number(left) >= line.value);
    if (line.what === "append") assert.ok((await transport.journal.last(line.shard)) >= line.last);
    if (line.what === "publish") {
      assert.ok((await transport.mailbox.depth(line.shard, 0)) >= line.last);
    }
  }
}

describe("transport local: kill -9", () => {
  let path: string;
  beforeEach(async () => {
    path = await dataDirectory();
  });
  afterEach(async () => rm(path, { recursive: true }));

  it(`keeps every acknowledged write and tears no batch, ${ROUNDS} times (seed ${SEED})`, async () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < ROUNDS; round += 1) {
      const child = startAppender(path, `round ${round}`);
      const lines = await killAfter(child, wholeBetween(random, 1, 400));
      assert.ok(lines.length > 0, "the child acknowledged nothing");
      const transport = await reopened(path);
      for (const shard of APPEND_SHARDS) await checkBatches(transport, shard);
      await checkAcknowledged(transport, lines);
      assert.equal((await transport.mailbox.depth(PUBLISH_SHARD, 0)) % 2, 0);
      await transport.close();
    }
    // Starting twelve processes on a busy machine is what takes long here.
  }).timeout(240_000);

  it("lets another process read all that was acknowledged, while the runner writes on", async () => {
    await (await reopened(path)).close();
    const child = startAppender(path, "runner");
    const exited = once(child, "exit");
    const reader = await openLocal({
      path,
      shardCount: null,
      clock: virtualClock(),
      readOnly: true,
    });
    let checked = 0;
    for await (const text of createInterface({ input: child.stdout })) {
      if (!text.endsWith("}")) continue;
      const line = JSON.parse(text) as Acknowledged;
      if (line.what === "append") {
        while ((await reader.journal.last(line.shard)) < line.last) await setImmediate();
        const [record] = await reader.journal.read(line.shard, line.last, 1);
        assert.equal(typeof record?.text, "string");
        checked += 1;
      }
      if (checked === 300) child.kill("SIGKILL");
    }
    await exited;
    for (const shard of APPEND_SHARDS) await checkBatches(reader, shard);
    await reader.close();
  });

  it("fences two processes that both believe they own the data", async () => {
    const mine = await reopened(path);
    // What a lock file cannot prevent where processes do not see each other.
    await rm(join(path, "runner.lock"));
    const child = startAppender(path, "child");
    const exited = once(child, "exit");
    const [shard] = APPEND_SHARDS;
    const counts = { won: 0, fenced: 0, childWon: 0 };
    let last = 0;
    // Each waits for the other now and then, or one of them would never let the other in.
    for await (const text of createInterface({ input: child.stdout })) {
      if (!text.endsWith("}")) continue;
      const line = JSON.parse(text) as Acknowledged;
      if (line.what === "append" && line.shard === shard) counts.childWon += 1;
      const records = batchAt("parent", last + 1).map((record) => JSON.stringify(record));
      const result = await mine.journal.append(shard, last, records);
      last = result.last;
      if (result.appended) counts.won += 1;
      else counts.fenced += 1;
      if (Math.min(...Object.values(counts)) >= 20) child.kill("SIGKILL");
    }
    await exited;
    assert.ok(Math.min(...Object.values(counts)) >= 20, JSON.stringify(counts));
    await checkBatches(mine, shard);
    await mine.close();
  });
});
