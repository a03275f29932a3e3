/** What leaves memory while it waits, and that nothing of it is lost, early or done twice. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Json } from "../../machines/protocol.ts";
import { shardOf } from "../../supervisor/placement.ts";
import { LIMITS } from "../../supervisor/limits.ts";
import { Floor } from "../kit/floor.ts";

const HOUR_MS = 3_600_000;
const question = { to: "detector/w" as const, job: "j1", timeoutMs: HOUR_MS };
const silent = {
  timeoutMs: 10 * HOUR_MS,
  run: (): Promise<Json> => new Promise<Json>(() => {}),
};

async function waitingFloor(): Promise<Floor> {
  const floor = await new Floor({ work: silent }).start();
  await floor.send("coordinator/c", "ask", question);
  await floor.settle(2 * LIMITS.passivateAfterMs + 1_000);
  return floor;
}

function errorsOf(floor: Floor): string[] {
  return floor.turnsOf("coordinator/c").filter((turn) => turn.includes("error"));
}

describe("supervisor: passivation", () => {
  it("lets idle actors leave memory, and their timers with them", async () => {
    const floor = await waitingFloor();
    const { residents, timers } = floor.runner.gauges();
    assert.deepEqual({ residents, timers }, { residents: 0, timers: 0 });
    assert.equal((await floor.transport.store.list("timers", "")).length, 1);
  });

  it("fires the timer of an actor that left when it is due, once", async () => {
    const floor = await waitingFloor();
    await floor.clock.advance(HOUR_MS - 2 * LIMITS.passivateAfterMs - 5_000);
    assert.deepEqual(errorsOf(floor), [], "not early");
    await floor.settle(10_000);
    assert.deepEqual(errorsOf(floor), ["xstate.error.actor.ask -> idle"]);
    await floor.clock.advance(2 * HOUR_MS);
    assert.equal(errorsOf(floor).length, 1, "once");
    assert.deepEqual(await floor.transport.store.list("timers", ""), [], "nothing is left of it");
  });

  it("fires it after a restart, at once where it passed meanwhile", async () => {
    const floor = await waitingFloor();
    floor.crash();
    await floor.clock.advance(2 * HOUR_MS);
    assert.deepEqual(errorsOf(floor), []);
    await floor.start();
    await floor.settle(1_000);
    assert.equal(errorsOf(floor).length, 1);
  });

  it("fires one that was armed and not yet written when the horizon reached it", async () => {
    const floor = await new Floor({ work: silent }).start();
    // Due just beyond what is kept in memory, armed just before the horizon moves.
    await floor.clock.advance(LIMITS.timersAheadMs / 2 - 300);
    const timeoutMs = LIMITS.timersAheadMs + 100;
    await floor.send("coordinator/c", "ask", { ...question, timeoutMs });
    await floor.settle(10);
    assert.equal(floor.runner.gauges().timers, 0, "beyond the horizon");
    await floor.settle(timeoutMs + 100);
    assert.equal(errorsOf(floor).length, 1);
  });

  it("takes the next input of an actor that left from where it was", async () => {
    const floor = await new Floor().start();
    await floor.send("detector/w", "note", null);
    await floor.settle(2 * LIMITS.passivateAfterMs + 1_000);
    assert.equal(floor.runner.gauges().residents, 0);
    await floor.send("detector/w", "note", null);
    await floor.settle();
    const { snapshot } = await floor.stored("detector/w");
    assert.equal(snapshot.context["tries"], 2);
  });

  it("removes from the index what a turn in the tail disarmed before the crash", async () => {
    let answer: (value: Json) => void = () => {};
    const run = (): Promise<Json> => new Promise((resolve) => (answer = resolve));
    const floor = await new Floor({ work: { ...silent, run } }).start();
    await floor.send("coordinator/c", "ask", question);
    await floor.settle(2_000);
    assert.equal((await floor.transport.store.list("timers", "")).length, 1, "written behind");
    answer("done");
    await floor.settle(10);
    floor.crash();
    await floor.start();
    await floor.settle(2_000);
    assert.deepEqual(await floor.transport.store.list("timers", ""), []);
  });

  it("keeps no more actors in memory than the bound", async () => {
    const floor = await new Floor().start();
    const ids = Array.from(
      { length: 5 * LIMITS.residentsMax },
      (_, n) => `detector/w${n}` as const,
    );
    const ofOne = ids.filter((id) => shardOf(id, 4) === "detector.0");
    for (const id of ofOne) await floor.send(id, "note", null);
    await floor.settle(2_000);
    assert.ok(ofOne.length > LIMITS.residentsMax);
    assert.equal(floor.records.filter((record) => record.r === "turn").length, ofOne.length);
    assert.equal(floor.runner.gauges().residents, LIMITS.residentsMax);
  });
});
