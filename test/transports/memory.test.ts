/**
 * What only `memory` promises: a seam for faults, and a disk that outlives its transport.
 */
import assert from "node:assert/strict";
import type { MemoryOperation } from "../../transports/memory-gate.ts";
import { MemoryDisk, openMemory } from "../../transports/memory.ts";
import { anEnvelope } from "../kit/envelopes.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

const SHARD = "reviewer.0";

describe("transport memory", () => {
  it("names each operation before it is done", async () => {
    const seen: MemoryOperation[] = [];
    const before = async (operation: MemoryOperation) => void seen.push(operation);
    const { journal, store, mailbox } = openMemory({ clock: virtualClock(), before });
    await journal.append(SHARD, 0, ["a"]);
    await store.write([{ table: "cases", key: "k", value: 1 }]);
    await store.getBlob("model");
    await mailbox.publish(SHARD, [anEnvelope("1")]);
    assert.deepEqual(seen, [
      { port: "journal", method: "append", target: SHARD },
      { port: "store", method: "write", target: "cases" },
      { port: "store", method: "getBlob", target: "model" },
      { port: "mailbox", method: "publish", target: SHARD },
    ]);
  });

  it("does nothing of an operation that was failed, and goes on with the next", async () => {
    let failures = 1;
    const before = async () => {
      failures -= 1;
      if (failures >= 0) throw new Error("no disk today");
    };
    const { journal } = openMemory({ clock: virtualClock(), before });
    await assert.rejects(journal.append(SHARD, 0, ["lost"]), /no disk today/);
    assert.deepEqual(await journal.append(SHARD, 0, ["kept"]), { appended: true, last: 1 });
  });

  it("keeps the order of writes when one is delayed by the clock", async () => {
    const clock = virtualClock();
    const before = ({ method }: MemoryOperation) =>
      new Promise<void>((resolve) => void clock.after(method === "append" ? 500 : 1, resolve));
    const { journal, store } = openMemory({ clock, before });
    const order: string[] = [];
    const appended = journal.append(SHARD, 0, ["a"]).then(() => order.push("append"));
    const written = store
      .write([{ table: "cases", key: "k", value: 1 }])
      .then(() => order.push("write"));
    await clock.advance(499);
    assert.deepEqual(order, []);
    await clock.advance(2);
    await Promise.all([appended, written]);
    assert.deepEqual(order, ["append", "write"]);
  });

  it("lets two runners meet on one disk: one is fenced, and each hears the other's publish", async () => {
    const clock = virtualClock();
    const disk = new MemoryDisk();
    const [one, other] = [openMemory({ clock, disk }), openMemory({ clock, disk })];
    let rings = 0;
    other.mailbox.subscribe(SHARD, () => (rings += 1));
    assert.ok((await one.journal.append(SHARD, 0, ["one"])).appended);
    assert.deepEqual(await other.journal.append(SHARD, 0, ["other"]), { appended: false, last: 1 });
    await one.mailbox.publish(SHARD, [anEnvelope("1")]);
    await clock.advance(1_000);
    assert.equal(rings, 1);
  });
});
