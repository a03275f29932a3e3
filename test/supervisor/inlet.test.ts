/** A shard and its mailbox, where the gate's memory is in between. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { ActorDefinition, Companion } from "../../actors/define.ts";
import { ingestMachine } from "../../machines/ingest.machine.ts";
import { Inlet } from "../../supervisor/inlet.ts";
import type { Item } from "../../supervisor/item.ts";
import { ShardState } from "../../supervisor/state.ts";
import { openMemory } from "../../transports/memory.ts";
import { edgeEnvelope } from "../kit/floor.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

describe("supervisor: the gate's memory", () => {
  it("is not stored ahead of the journal, however long the evidence takes to be stored", async () => {
    const clock = virtualClock();
    let stored: (() => void) | null = null;
    const transport = openMemory({
      clock,
      before: ({ method }) =>
        method === "write" ? new Promise((resolve) => (stored = resolve)) : Promise.resolve(),
    });
    const items: Item[] = [];
    const state = new ShardState("ingest.0");
    const host = {
      transport,
      clock,
      congested: () => false,
      failed: assert.fail,
      alarm: assert.fail,
    };
    const inlet = new Inlet(state, definitionWith(keeping()), host, (taken) =>
      items.push(...taken),
    );
    await inlet.open();
    await transport.mailbox.publish("ingest.0", [edgeEnvelope("ingest/0", "falco.event", 1, "d1")]);
    inlet.begin();
    await clock.advance(10);
    assert.ok(stored !== null, "the evidence is on its way");
    assert.equal(inlet.takeCheckpoint(true), null);
    (stored as () => void)();
    await clock.advance(10);
    assert.equal(items.length, 1);
    assert.equal(inlet.takeCheckpoint(true), null, "its turn is not committed");
    state.markApplied(items[0]!.source);
    inlet.committed();
    assert.equal(inlet.takeCheckpoint(true)?.position, 1);
    inlet.stop();
    await transport.close();
  });
});

function keeping(): Companion {
  return {
    restore: () => {},
    apply: () => null,
    checkpoint: () => new Uint8Array(),
    keep: () => [{ key: "d1", value: 1 }],
  };
}

function definitionWith(companion: Companion): ActorDefinition {
  return {
    kind: "ingest",
    version: 1,
    machine: ingestMachine,
    calls: {},
    companion: () => companion,
  };
}
