/** Several runners: who has a shard, how it moves, and what becomes of what was under way. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Json } from "../../machines/protocol.ts";
import { LIMITS } from "../../supervisor/limits.ts";
import { shardOf } from "../../supervisor/placement.ts";
import type { MemoryOperation } from "../../transports/memory-gate.ts";
import { openMemory } from "../../transports/memory.ts";
import { Fleet } from "../kit/fleet.ts";

const ask = { to: "detector/w" as const, job: "j1", timeoutMs: null };
/** A lease, its grace, and the rounds that follow. */
const TAKE_OVER_MS = LIMITS.leaseMs + LIMITS.leaseGraceMs + 600;

describe("supervisor: ownership of shards", () => {
  let fleet: Fleet;
  beforeEach(() => {
    fleet = new Fleet();
  });
  afterEach(() => fleet.close());

  it("gives every shard to the first runner, and opens it", async () => {
    const { runner } = await fleet.join("a");
    assert.deepEqual(await fleet.counts(), { a: 4 });
    assert.ok(runner.ready);
    await fleet.send("coordinator/c", "ask", ask);
    await fleet.clock.advance(1_100);
    assert.equal(fleet.turnsOf("coordinator/c"), 2);
  });

  it("shares among those who come, a shard at a time", async () => {
    await fleet.join("a");
    await fleet.join("b");
    assert.deepEqual(await fleet.counts(), { a: 4 });
    for (let step = 0; step < 2_000; step++) {
      await fleet.clock.advance(5);
      const free = Object.values(await fleet.owners()).filter((owner) => owner === null);
      assert.ok(free.length <= LIMITS.movesMax);
    }
    assert.deepEqual(await fleet.counts(), { a: 2, b: 2 });
    assert.deepEqual(await fleet.counts("coordinator"), { a: 2, b: 2 });
  });

  it("shares by weight", async () => {
    await fleet.join("a", { weight: 3 });
    await fleet.join("b", { weight: 1 });
    await fleet.clock.advance(10_000);
    assert.deepEqual(await fleet.counts(), { a: 3, b: 1 });
  });

  it("lets one of three win a race for a shard; the others leave nothing behind", async () => {
    await Promise.all(["a", "b", "c"].map((id) => fleet.join(id)));
    const transport = fleet.members.get("a")!.transport;
    for (let n = 0; n < 4; n++) {
      const records = await transport.journal.read(`detector.${n}`, 0, 100);
      const claims = records.filter(({ text }) => text?.includes('"r":"claim"'));
      assert.equal(claims.length, 1, `detector.${n}`);
    }
    const held = Object.values(await fleet.counts()).reduce((sum, count) => sum + count, 0);
    assert.equal(held, 4);
  });

  it("takes over what a killed runner had, after its lease and not before", async () => {
    await fleet.join("a");
    await fleet.join("b");
    await fleet.clock.advance(10_000);
    const owners = await fleet.owners();
    fleet.crash("a");
    await fleet.clock.advance(LIMITS.leaseMs - LIMITS.leaseRenewMs);
    assert.deepEqual(await fleet.owners(), owners);
    await fleet.clock.advance(TAKE_OVER_MS);
    assert.deepEqual(await fleet.counts(), { b: 4 });
  });

  it("goes on with a killed runner's calls, with the same key", async () => {
    const keys: string[] = [];
    let answers = false;
    const run = (input: Json, { idempotencyKey }: { idempotencyKey: string }): Promise<Json> => {
      keys.push(idempotencyKey);
      return answers ? Promise.resolve(input) : new Promise(() => {});
    };
    await fleet.join("a", { work: { run } });
    await fleet.send("coordinator/c", "ask", ask);
    await fleet.clock.advance(1_100);
    assert.equal(keys.length, 1);
    answers = true;
    fleet.crash("a");
    await fleet.join("b", { work: { run } });
    await fleet.clock.advance(TAKE_OVER_MS);
    assert.equal(new Set(keys).size, 1);
    assert.equal(keys.length, 2);
    assert.equal(fleet.turnsOf("coordinator/c"), 1, "the answer was applied once, by b");
  });

  it("hands over within a second when it is told to stop", async () => {
    const a = await fleet.join("a");
    await fleet.join("b");
    await fleet.clock.advance(10_000);
    const stopped = a.runner.drain();
    await fleet.clock.advance(900);
    await stopped;
    assert.deepEqual(await fleet.counts(), { b: 4 });
    assert.deepEqual(a.alarms, []);
  });

  it("finishes what crosses runners while shards move", async () => {
    await fleet.join("a");
    await fleet.join("b");
    for (let n = 0; n < 40; n++) {
      await fleet.send(`coordinator/c${n}`, "ask", { ...ask, to: `detector/w${n}` });
      await fleet.clock.advance(250);
    }
    await fleet.clock.advance(5_000);
    for (let n = 0; n < 40; n++) {
      assert.equal(fleet.turnsOf(`coordinator/c${n}`), 2, `c${n} has its answer`);
      assert.equal(fleet.turnsOf(`detector/w${n}`), 2, `w${n} worked once`);
    }
    for (const { alarms } of fleet.members.values()) assert.deepEqual(alarms, []);
  });

  it("stops before its lease ends when the registers cannot be written, and comes back", async () => {
    let cut = false;
    const before = ({ port, method }: { port: string; method: string }): Promise<void> =>
      cut && port === "leases" && method !== "subscribe"
        ? Promise.reject(new Error("cut off"))
        : Promise.resolve();
    const a = await fleet.join("a", { before });
    cut = true;
    await fleet.clock.advance(LIMITS.leaseMs);
    await fleet.send("detector/w", "note", null);
    await fleet.clock.advance(2_000);
    assert.equal(fleet.turnsOf("detector/w"), 0, "nothing is run without a lease");
    assert.equal(a.runner.ready, false);
    cut = false;
    await fleet.clock.advance(3_000);
    assert.equal(fleet.turnsOf("detector/w"), 1);
    assert.equal(a.runner.ready, true);
  });

  it("leaves a shard that a newer version wrote, and says so", async () => {
    const a = await fleet.join("a");
    await fleet.clock.advance(100);
    fleet.crash("a");
    const last = await a.transport.journal.last("detector.1");
    const claim = JSON.stringify({ r: "claim", at: 0, format: 99, runner: "newer" });
    await a.transport.journal.append("detector.1", last, [claim]);
    const b = await fleet.join("b");
    await fleet.clock.advance(TAKE_OVER_MS + 5_000);
    assert.deepEqual(await fleet.counts(), { b: 3 });
    assert.deepEqual(b.alarms, ["data_newer"]);
  });

  it("gives up quietly when its successor has trimmed its claim already", async () => {
    let hold: (() => void) | null = null;
    let holding = true;
    const before = ({ port, method, target }: MemoryOperation): Promise<void> => {
      if (!holding || port !== "journal" || method !== "read" || target !== "detector.0")
        return Promise.resolve();
      return new Promise((resolve) => (hold = resolve));
    };
    const joining = fleet.join("a", { before });
    while (hold === null) await new Promise((resolve) => setImmediate(resolve));
    const { journal } = openMemory({ clock: fleet.clock, disk: fleet.disk });
    const followed = [
      { r: "claim", at: 0, format: 1, runner: "b" },
      { r: "checkpoint", at: 0, upTo: 2, marks: {}, sent: {}, unsettled: [] },
    ];
    const last = await journal.last("detector.0");
    await journal.append(
      "detector.0",
      last,
      followed.map((record) => JSON.stringify(record)),
    );
    await journal.trim("detector.0", 3);
    holding = false;
    (hold as () => void)();
    const a = await joining;
    await fleet.clock.advance(5_000);
    assert.deepEqual(a.alarms, []);
    assert.deepEqual(await fleet.counts(), { a: 4 }, "it takes the free shard in its turn");
  });

  it("sends nothing of a turn that is not appended when its receiver moves", async () => {
    let hold: (() => void) | null = null;
    let holding = false;
    const before = ({ method, target }: MemoryOperation): Promise<void> => {
      if (!holding || method !== "append" || !target.startsWith("coordinator."))
        return Promise.resolve();
      return new Promise((resolve) => (hold = resolve));
    };
    const a = await fleet.join("a", { before });
    holding = true;
    await fleet.send("coordinator/c", "ask", ask);
    await fleet.clock.advance(1_100);
    assert.ok(hold !== null, "the append is on its way");
    const receiver = shardOf("detector/w", 4);
    const register = fleet.disk.registers.read(receiver.replace(".", "/shards/"));
    fleet.disk.registers.write(
      register!.key,
      register!.revision,
      JSON.stringify({ runner: "b", refusedBy: [] }),
    );
    await fleet.clock.advance(600);
    assert.equal(await a.transport.mailbox.depth(receiver, 0), 0);
    holding = false;
    (hold as () => void)();
    await fleet.clock.advance(600);
    assert.equal(fleet.turnsOf("coordinator/c"), 2, "it goes on once it is appended");
  });
});
