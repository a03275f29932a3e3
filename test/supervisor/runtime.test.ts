/** What the runtime promises of one actor and of two, under directed faults. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Json } from "../../machines/protocol.ts";
import { LIMITS } from "../../supervisor/limits.ts";
import { shardOf } from "../../supervisor/placement.ts";
import { Floor } from "../kit/floor.ts";

const ask = { to: "detector/w" as const, job: "j1", timeoutMs: null };

describe("supervisor: a turn", () => {
  it("commits, asks, works and answers", async () => {
    const floor = await new Floor().start();
    await floor.send("coordinator/c", "ask", ask);
    await floor.settle();
    const { snapshot } = await floor.stored("coordinator/c");
    assert.deepEqual(snapshot.context["answers"], [{ did: "j1" }]);
  });

  it("applies an envelope of the edge once, whatever is read again", async () => {
    const floor = await new Floor().start();
    await floor.send("detector/w", "note", null);
    await floor.settle();
    floor.crash();
    await floor.start();
    await floor.settle();
    assert.equal(floor.turnsOf("detector/w").length, 1);
  });

  it("retries a failed call after the chart's own delay", async () => {
    let calls = 0;
    const run = async (input: Json): Promise<Json> => {
      if (++calls === 1) throw new Error("first try");
      return input;
    };
    const floor = await new Floor({ work: { run } }).start();
    await floor.send("coordinator/c", "ask", ask);
    await floor.settle();
    assert.equal(calls, 1);
    await floor.settle(1_100);
    assert.equal(calls, 2);
    const { snapshot } = await floor.stored("coordinator/c");
    assert.deepEqual(snapshot.context["answers"], ["j1"]);
  });

  it("ends a call that outlives its time", async () => {
    const floor = await new Floor({ work: { run: () => new Promise(() => {}) } }).start();
    await floor.send("coordinator/c", "ask", ask);
    await floor.settle(5_500);
    assert.ok(floor.turnsOf("detector/w").includes("xstate.error.actor.work -> pausing"));
  });

  it("fails an ask that nobody answers in time, and drops the late answer", async () => {
    let answer: (value: Json) => void = () => {};
    const run = (): Promise<Json> => new Promise((resolve) => (answer = resolve));
    const floor = await new Floor({ work: { run } }).start();
    await floor.send("coordinator/c", "ask", { ...ask, timeoutMs: 300 });
    await floor.settle(400);
    answer("late");
    await floor.settle();
    const { snapshot } = await floor.stored("coordinator/c");
    assert.equal(snapshot.context["error"], "ask_timeout");
    assert.deepEqual(snapshot.context["answers"], []);
  });
});

describe("supervisor: a crash", () => {
  for (const [recovery, runs] of [
    ["retry", 2],
    ["escalate", 1],
  ] as const) {
    it(`treats a call begun before it as its tool declares: ${recovery}`, async () => {
      let calls = 0;
      const keys = new Set<string>();
      const floor = await new Floor({
        work: {
          recovery,
          run: (input, { idempotencyKey }) => {
            keys.add(idempotencyKey);
            return ++calls === 1 ? new Promise(() => {}) : Promise.resolve(input);
          },
        },
      }).start();
      await floor.send("coordinator/c", "ask", ask);
      await floor.settle();
      floor.crash();
      await floor.start();
      await floor.settle();
      assert.equal(calls, runs);
      assert.equal(keys.size, 1);
      const { snapshot } = await floor.stored("detector/w");
      assert.equal(
        snapshot.context["error"],
        recovery === "escalate" ? "call_outcome_unknown" : null,
      );
    });
  }

  it("asks the target what happened, and does not act again, where the tool says reconcile", async () => {
    let calls = 0;
    const floor = await new Floor({
      work: {
        recovery: "reconcile",
        run: () => (calls++, new Promise(() => {})),
        reconcile: async () => "it had happened",
      },
    }).start();
    await floor.send("coordinator/c", "ask", ask);
    await floor.settle();
    floor.crash();
    await floor.start();
    await floor.settle();
    assert.equal(calls, 1);
    const { snapshot } = await floor.stored("coordinator/c");
    assert.deepEqual(snapshot.context["answers"], ["it had happened"]);
  });

  it("keeps a timer's due time, and fires it once", async () => {
    let calls = 0;
    const run = async (): Promise<Json> => {
      if (++calls === 1) throw new Error("first try");
      return calls;
    };
    const floor = await new Floor({ work: { run } }).start();
    await floor.send("coordinator/c", "ask", ask);
    await floor.settle(500);
    floor.crash();
    await floor.start();
    await floor.settle(300);
    assert.equal(calls, 1, "not early");
    await floor.settle(400);
    assert.equal(calls, 2);
    await floor.settle(5_000);
    assert.equal(calls, 2, "once");
  });

  it("fires a timer that a wrong clock armed soon after the clock is set right", async () => {
    let calls = 0;
    const run = async (): Promise<Json> => {
      if (++calls === 1) throw new Error("first try");
      return calls;
    };
    const floor = new Floor({ work: { run } });
    const rightNow = floor.clock.now.bind(floor.clock);
    floor.clock.now = () => rightNow() - 3_600_000;
    await floor.start();
    await floor.send("coordinator/c", "ask", ask);
    await floor.settle(10);
    floor.clock.now = () => rightNow() + 3_600_000;
    await floor.settle(LIMITS.timerLookMs);
    assert.equal(calls, 2);
  });

  it("loses nothing at any operation of the transport, and applies nothing twice", async () => {
    for (let at = 1; at <= 60; at++) {
      let operations = 0;
      const floor = new Floor({
        before: () => {
          operations++;
          // The process dies here: this operation and all after it never return.
          return operations >= at && operations < 1_000
            ? new Promise<void>(() => {})
            : Promise.resolve();
        },
      });
      const started = floor.start().then(
        async () => {
          await floor.send("coordinator/c", "ask", ask);
          await floor.settle(700);
        },
        () => {},
      );
      // It either finishes, or hangs at the operation where the process died.
      let finished = false;
      void started.then(() => (finished = true));
      for (let turn = 0; turn < 400 && !finished; turn++) await new Promise(setImmediate);
      operations = 1_000;
      floor.runner.halt();
      floor.records.length = 0;
      await floor.start();
      await floor.send("coordinator/c2", "ask", { ...ask, to: "detector/w2" });
      await floor.settle(700);
      const { snapshot } = await floor.stored("coordinator/c2");
      assert.deepEqual(snapshot.context["answers"], [{ did: "j1" }], `operation ${at}`);
      const first = (await floor.transport.store.get("actors", "coordinator/c")) as {
        snapshot: typeof snapshot;
      } | null;
      if (first)
        assert.deepEqual(first.snapshot.context["answers"], [{ did: "j1" }], `operation ${at}`);
    }
  });
});

describe("supervisor: an envelope that cannot be applied", () => {
  it("becomes a dead letter after its tries, and always raises a case for people", async () => {
    const floor = await new Floor().start();
    await floor.send("detector/w", "poison", null);
    await floor.settle(20_000);
    const dead = floor.records.filter((record) => record.r === "dead");
    assert.equal(dead.length, 1);
    assert.equal(
      floor.records.filter((record) => record.r === "failure").length,
      0,
      "it had no turn before",
    );
    const raised = floor.records.filter(
      (record) => record.r === "turn" && record.event === "case.fault",
    );
    assert.equal(raised.length, 1);
  });

  it("counts failures durably, and leaves other actors of the shard alone", async () => {
    const floor = await new Floor().start();
    await floor.send("detector/w", "note", null);
    await floor.send("detector/w", "poison", null);
    await floor.send("detector/w", "note", null);
    await floor.settle(20_000);
    assert.equal(floor.records.filter((record) => record.r === "failure").length, 2);
    assert.equal(floor.turnsOf("detector/w").length, 2);
  });

  it("of an unknown version of its machine is set aside with an alarm, never reset", async () => {
    const floor = await new Floor({ workerVersion: 2 }).start();
    await floor.send("detector/w", "note", null);
    await floor.settle();
    await floor.runner.drain();
    const older = new Floor({ workerVersion: 1 });
    Object.assign(older, { disk: floor.disk });
    await older.start();
    await older.send("detector/w", "note", null);
    await older.settle();
    assert.deepEqual(older.alarms, ["unknown_version"]);
    assert.equal(older.records.filter((record) => record.r === "dead").length, 1);
  });
});

describe("supervisor: ownership", () => {
  it("stops an owner whose shard another runner claimed", async () => {
    const floor = await new Floor().start();
    const successor = new Floor();
    Object.assign(successor, { disk: floor.disk });
    await successor.start();
    await floor.send("detector/w", "note", null);
    await floor.settle(1_100);
    await successor.settle(1_100);
    assert.deepEqual(floor.lost, ["fenced"]);
    assert.equal(successor.turnsOf("detector/w").length, 1);
  });
});

describe("supervisor: cold actors", () => {
  it("applies nothing to an actor that is not loaded, whatever arrives while others load", async () => {
    let slow = false;
    let release = (): void => {};
    const before = (operation: { port: string; method: string; target: string }): Promise<void> => {
      if (!slow || operation.method !== "getMany" || operation.target !== "actors")
        return Promise.resolve();
      slow = false;
      return new Promise((resolve) => (release = resolve));
    };
    const floor = await new Floor({ before }).start();
    // All on one shard, so that one pack loads while the next arrives.
    const ids = Array.from({ length: 40 }, (_, n) => `detector/w${n}` as const).filter(
      (id) => shardOf(id, 4) === "detector.0",
    );
    for (const id of ids) await floor.send(id, "note", null);
    await floor.settle(1_100);
    await floor.runner.drain();
    await floor.start();
    slow = true;
    await floor.send(ids[0]!, "note", null);
    await floor.settle(1_100);
    for (const id of ids.slice(1)) await floor.send(id, "note", null);
    await floor.settle(1_100);
    release();
    await floor.settle(1_100);
    await floor.runner.drain();
    for (const id of ids) {
      const record = (await floor.transport.store.get("actors", id)) as { turns: number };
      assert.equal(record.turns, 2, id);
    }
  });
});
