/** The simulated cluster outlives whoever asked it: a killed process loses no effect and repeats none. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Receipt } from "../../../machines/vocabulary.ts";
import { action, keyed, openEstate, perform, POD } from "./estate.ts";

const CHILD = fileURLToPath(new URL("cluster-child.ts", import.meta.url));

/** Runs the child until it told of `count` effects, then kills it; what it told. */
async function killAfter(path: string, count: number): Promise<Receipt[]> {
  const child = spawn(process.execPath, ["--import", "tsx", CHILD, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const told: Receipt[] = [];
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.endsWith("}")) told.push(JSON.parse(line) as Receipt);
    if (told.length === count) child.kill("SIGKILL");
  }
  await exited;
  return told;
}

describe("transports: simulated cluster on disk", () => {
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), "cluster."));
  });
  afterEach(() => rm(path, { recursive: true, force: true }));

  it("keeps every effect it gave a receipt for when the process is killed, and performs none twice", async () => {
    const told = [...(await killAfter(path, 7)), ...(await killAfter(path, 5))];
    const cluster = await openEstate(path);
    const log = await cluster.log();
    assert.deepEqual(
      log.map(({ n, idempotencyKey }) => [n, idempotencyKey]),
      log.map((_, index) => [index + 1, `k${index}`]),
    );
    for (const receipt of told) {
      assert.deepEqual(await cluster.lookup(receipt.idempotencyKey), receipt);
    }
    const facts = await cluster.workload("shop", "web");
    assert.equal(
      facts?.addressesBlocked.length,
      log.length,
      "an effect without its log entry, or the other way",
    );
    await cluster.close();
  });

  it("answers a repeat with the same receipt after it was opened again, and can undo it", async () => {
    const before = await openEstate(path);
    const receipt = await perform(before, action("isolate", POD), "k");
    await before.close();
    const after = await openEstate(path);
    assert.deepEqual(await perform(after, action("isolate", POD), "k"), receipt);
    await after.revert(receipt, keyed("u"));
    assert.equal((await after.pod("shop", "web-abc-1"))?.isolated, false);
    await after.close();
  });

  it("leaves nothing of an effect that it refused", async () => {
    const cluster = await openEstate(path);
    const late = { ...keyed("k"), deadline: 0 };
    const request = {
      action: action("isolate", POD),
      actionDigest: "d",
      versionExpected: "1",
      decisionId: "d",
    };
    await assert.rejects(cluster.perform(request, late), { code: "deadline_passed" });
    assert.deepEqual(await cluster.log(), []);
    assert.equal(await cluster.lookup("k"), null);
    await cluster.close();
  });

  it("says what is wrong with a folder that it cannot use", async () => {
    const file = join(path, "file");
    await writeFile(file, "");
    await assert.rejects(openEstate(join(file, "below")), { code: "data_unusable" });
  });
});
