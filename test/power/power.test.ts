/** What is acknowledged survives a power cut: every write and sync of a run is recorded, and the power cut at many of its instants. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { seededRandom } from "../kit/seeded-random.ts";
import { cutPower } from "./cut.ts";
import { traceWriter, type DiskEvent } from "./trace.ts";

const SEED = 1;
const ROUNDS = 12;

describe("local: a power cut", function () {
  this.timeout(120_000);
  let folder: string;
  let events: readonly DiskEvent[];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "watchfloor-power-"));
    events = traceWriter(folder, SEED, ROUNDS);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const options = (share: number) => ({
    folder: join(folder, "cuts"),
    random: seededRandom(SEED),
    share,
    survives: [0, 0.5, 1],
  });

  it("finds everything acknowledged and nothing damaged, whatever of the unsynced is lost", async () => {
    const { cuts, records } = await cutPower(events, options(0.5));
    assert.ok(cuts > 30 && records > 500, `${cuts} cuts, ${records} records compared`);
  });

  it("acknowledges nothing before the sync that makes it durable", () => {
    let unsynced = 0;
    for (const event of events) {
      if (event.event === "sync") unsynced = 0;
      if (event.event === "write" && !event.durable) unsynced++;
      if (event.event === "said" && event.line.startsWith("ack")) assert.equal(unsynced, 0);
    }
  });

  it("would notice a store that acknowledges before it syncs", async () => {
    const unsynced = events.filter(({ event }) => event !== "sync");
    await assert.rejects(cutPower(unsynced, options(0.5)));
  });
});
