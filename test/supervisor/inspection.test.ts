/**
 * What a viewer of the inspector is told of a floor. The messages are held to the types of
 * Stately's own client when this file is compiled, and read by its own receiver when it runs.
 */
import assert from "node:assert/strict";
import {
  createInspector,
  createWebSocketReceiver,
  type StatelyInspectionEvent,
} from "@statelyai/inspect";
import fc from "fast-check";
import { afterEach, describe, it } from "mocha";
import { createActor, createMachine } from "xstate";
import { MACHINES } from "../../actors/registry.ts";
import { KINDS, type ActorAddress, type Envelope, type Json } from "../../machines/protocol.ts";
import { createInspection, type Inspection } from "../../supervisor/inspection.ts";
import {
  actorMessage,
  definitionOf,
  eventMessage,
  presentable,
  seenTurn,
  snapshotMessage,
  type InspectionMessage,
} from "../../supervisor/inspection.events.ts";
import { shardOf } from "../../supervisor/placement.ts";
import type { JournalRecord, TurnRecord } from "../../supervisor/record.ts";
import { envelopeId } from "../../supervisor/state.ts";
import { systemClock } from "../../transports/clock.ts";
import { anEnvelope } from "../kit/envelopes.ts";
import { Floor } from "../kit/floor.ts";
import { connectClient, type TestClient } from "../kit/inspector-client.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

/** Does not compile when our messages are not what Stately's client reads. */
const readable = (message: InspectionMessage): StatelyInspectionEvent => message;

const open: Inspection[] = [];

async function inspection(clock = systemClock): Promise<Inspection & { port: number }> {
  const opened = await createInspection({ host: "127.0.0.1", port: 0, clock });
  open.push(opened);
  return { ...opened, port: opened.address.port };
}

interface TurnOptions {
  readonly context?: Json;
  readonly case?: string | null;
  readonly turns?: number;
  readonly on?: Envelope;
  readonly outbox?: readonly Envelope[];
}

function aTurn(actor: ActorAddress, options: TurnOptions = {}): TurnRecord {
  const { context = {}, case: caseId = "c-1", turns = 1, on, outbox = [] } = options;
  return {
    r: "turn",
    at: 1_767_571_200_000,
    actor,
    source: on
      ? { from: "shard", shard: on.shard!, seq: on.seq! }
      : { from: "mailbox", first: turns, last: turns },
    event: on?.type ?? "case.event",
    cause: on?.id ?? "edge-1",
    was: "",
    is: "working",
    random: 0.5,
    record: {
      version: 1,
      turns,
      snapshot: { value: "working", context, status: "active" },
      calls: [],
      timers: [],
      case: caseId,
      traceparent: "",
      head: null,
      failedAt: [],
      setAside: null,
    },
    outbox,
    outcomes: [],
    history: null,
    summary: null,
  };
}

function aMessage(from: ActorAddress, to: ActorAddress, data: Json): Envelope {
  const [shard, receiver] = [shardOf(from, 4), shardOf(to, 4)];
  return anEnvelope(envelopeId(shard, receiver, 1), {
    from,
    to,
    type: "gather",
    data,
    shard,
    seq: 1,
  });
}

function commit({ observer }: Inspection, ...records: readonly JournalRecord[]): void {
  for (const record of records) {
    observer.committed?.("actor" in record ? shardOf(record.actor, 4) : "ingest.0", [record]);
  }
}

type Told = { type: string; sessionId: string; snapshot: { context: Record<string, Json> } };
const told = (client: TestClient): Told[] => client.messages as unknown as Told[];
const brief = (client: TestClient): string[] =>
  told(client).map(({ type, sessionId }) => `${type.slice("@xstate.".length)} ${sessionId}`);
const has = (actor: string) => (messages: readonly Record<string, unknown>[]) =>
  messages.some((message) => message["sessionId"] === actor);

describe("supervisor: inspection", () => {
  afterEach(async () => {
    await Promise.all(open.splice(0).map((opened) => opened.close()));
  });

  it("tells Stately's own receiver of every actor, its events and its states, in order", async () => {
    const watched = await inspection();
    const messages: StatelyInspectionEvent[] = [];
    let heard: (() => void) | null = null;
    createWebSocketReceiver({ server: `ws://127.0.0.1:${watched.port}` }).subscribe((message) => {
      messages.push(message);
      heard?.();
    });
    commit(watched, aTurn("ingest/0", { case: null }));
    while (messages.length < 1) await new Promise<void>((resolve) => (heard = resolve));
    const floor = await new Floor().start();
    await floor.send("coordinator/c", "ask", { to: "detector/w", job: "j1", timeoutMs: null });
    await floor.settle();
    floor.crash();
    commit(watched, ...floor.records);
    while (messages.length < 9) await new Promise<void>((resolve) => (heard = resolve));
    const seen = messages.map(({ type, sessionId }) => `${type} ${sessionId}`);
    assert.deepEqual(seen.slice(0, 2), ["@xstate.actor ingest/0", "@xstate.actor coordinator/c"]);
    assert.ok(seen.indexOf("@xstate.actor detector/w") < seen.indexOf("@xstate.event detector/w"));
    const job = messages.find(
      ({ type, sessionId }) => type === "@xstate.event" && sessionId === "detector/w",
    );
    assert.ok(job?.type === "@xstate.event");
    assert.equal(job.sourceId, "coordinator/c");
    assert.equal(job.event.type, "job");
    assert.equal(job.event["data"], "j1");
    assert.equal(job.rootId, "coordinator/c");
    const last = messages.findLast(({ sessionId }) => sessionId === "coordinator/c");
    assert.ok(last?.type === "@xstate.snapshot");
    assert.deepEqual((last.snapshot as unknown as Told["snapshot"]).context["answers"], [
      { did: "j1" },
    ]);
  });

  it("gives with each actor a chart from which its machine can be made again", async () => {
    for (const kind of KINDS) {
      const { machine } = MACHINES[kind];
      const again = createMachine(JSON.parse(definitionOf(machine)) as never);
      assert.deepEqual(Object.keys(again.states), Object.keys(machine.states), kind);
    }
  });

  it("leaves a chart's first context out of its definition", () => {
    const machine = createMachine({
      context: { token: "s3cret" },
      initial: "a",
      states: { a: {} },
    });
    assert.ok(createActor(machine).getSnapshot().context["token"]);
    assert.doesNotMatch(definitionOf(machine), /s3cret|context/);
  });

  describe("a late viewer", () => {
    it("is told first who is there, in the state they are in, then what happens", async () => {
      const watched = await inspection();
      commit(watched, aTurn("coordinator/c-1", { context: { n: 1 } }));
      commit(watched, aTurn("coordinator/c-1", { context: { n: 2 }, turns: 2 }));
      const client = await connectClient(watched.port);
      await client.until(has("coordinator/c-1"));
      commit(watched, aTurn("coordinator/c-1", { context: { n: 3 }, turns: 3 }));
      await client.until((messages) => messages.length === 3);
      assert.deepEqual(brief(client), [
        "actor coordinator/c-1",
        "event coordinator/c-1",
        "snapshot coordinator/c-1",
      ]);
      assert.deepEqual(
        told(client).map(({ snapshot }) => snapshot?.context["n"]),
        [2, undefined, 3],
      );
    });

    it("is told of a case before those who work for it", async () => {
      const watched = await inspection();
      commit(
        watched,
        aTurn("coordinator/c-1"),
        aTurn("detector/c-1.1"),
        aTurn("ingest/0", { case: null }),
      );
      commit(watched, aTurn("coordinator/c-1", { turns: 2 }));
      const client = await connectClient(watched.port);
      await client.until((messages) => messages.length === 3);
      assert.deepEqual(brief(client), [
        "actor coordinator/c-1",
        "actor detector/c-1.1",
        "actor ingest/0",
      ]);
      const [root, worker, gate] = client.messages;
      assert.deepEqual([root!["rootId"], root!["parentId"]], ["coordinator/c-1", undefined]);
      assert.deepEqual(
        [worker!["rootId"], worker!["parentId"]],
        ["coordinator/c-1", "coordinator/c-1"],
      );
      assert.deepEqual([gate!["rootId"], gate!["parentId"]], ["ingest/0", undefined]);
    });

    it("is told of the 500 actors that changed last, and of no more", async () => {
      const watched = await inspection();
      for (let n = 0; n < 700; n++) commit(watched, aTurn(`ingest/${n}`, { case: null }));
      commit(watched, aTurn("ingest/0", { case: null, turns: 2 }));
      const client = await connectClient(watched.port);
      await client.until(has("ingest/0"));
      assert.equal(client.messages.length, 500);
      assert.equal(told(client)[0]!.sessionId, "ingest/201");
    });

    it("changes nothing for one who watches already", async () => {
      const watched = await inspection();
      const early = await connectClient(watched.port);
      commit(watched, aTurn("coordinator/c-1"));
      await early.until((messages) => messages.length === 3);
      const late = await connectClient(watched.port);
      await late.until(has("coordinator/c-1"));
      commit(watched, aTurn("coordinator/c-1", { turns: 2 }));
      await early.until((messages) => messages.length === 5);
      assert.equal(brief(early).filter((line) => line.startsWith("actor")).length, 1);
    });
  });

  describe("the runner", () => {
    it("pays nothing for what nobody watches: no context is read", async () => {
      const watched = await inspection();
      let reads = 0;
      const context = Object.defineProperty({}, "n", { enumerable: true, get: () => ++reads });
      for (let turns = 1; turns < 100; turns++)
        commit(watched, aTurn("coordinator/c-1", { context, turns }));
      assert.equal(reads, 0);
    });

    it("does not build a message within its commit", async () => {
      const clock = virtualClock();
      const watched = await inspection(clock);
      commit(watched, aTurn("coordinator/c-0", { case: "c-0" }));
      const client = await connectClient(watched.port);
      while (!has("coordinator/c-0")(client.messages)) await clock.advance(20);
      let reads = 0;
      const context = Object.defineProperty({}, "n", { enumerable: true, get: () => ++reads });
      commit(watched, aTurn("coordinator/c-1", { context }));
      assert.equal(reads, 0);
      await clock.advance(20);
      await client.until(has("coordinator/c-1"));
      assert.ok(reads > 0);
    });

    it("is not waited for: under a flood each viewer ends with every actor's newest state", async () => {
      const watched = await inspection();
      const client = await connectClient(watched.port);
      for (let n = 0; n < 6_000; n++) {
        const actor: ActorAddress = `coordinator/c-${n % 30}`;
        commit(watched, aTurn(actor, { context: { n }, case: `c-${n % 30}`, turns: n }));
      }
      await client.until(() => told(client).at(-1)?.snapshot?.context["n"] === 5_999);
      const newest = new Map(told(client).map((m) => [m.sessionId, m.snapshot?.context["n"]]));
      for (let n = 5_970; n < 6_000; n++) assert.equal(newest.get(`coordinator/c-${n % 30}`), n);
      assert.ok(client.messages.length < 12_000);
    });

    it("keeps what it had not shown when the last viewer leaves", async () => {
      const watched = await inspection();
      const first = await connectClient(watched.port);
      for (let n = 0; n < 3_000; n++)
        commit(watched, aTurn("coordinator/c-1", { context: { n }, turns: n }));
      first.socket.terminate();
      await first.closed;
      const second = await connectClient(watched.port);
      await second.until(() => told(second).at(-1)?.snapshot?.context["n"] === 2_999);
    });
  });

  describe("what never reaches a viewer", () => {
    it("is what people wrote in their own words, in a context or in a message", async () => {
      const watched = await inspection();
      const client = await connectClient(watched.port);
      const person = { user: "ops", uid: 1000, as: "personal words" };
      const answer = { answer: "approve", person, reason: "personal words" };
      const message = aMessage("coordinator/c-1", "approval/c-1.1", answer);
      commit(
        watched,
        aTurn("coordinator/c-1", {
          context: { approval: answer, undo: [answer] },
          outbox: [message],
        }),
      );
      commit(watched, aTurn("approval/c-1.1", { on: message, context: { answers: [answer] } }));
      await client.until((messages) => messages.length === 6);
      const text = JSON.stringify(client.messages);
      assert.doesNotMatch(text, /personal words/);
      const asked = client.messages.find(
        (m) => m["type"] === "@xstate.event" && m["sourceId"] === "coordinator/c-1",
      );
      assert.deepEqual((asked!["event"] as { data: Json }).data, {
        answer: "approve",
        person: { user: "ops", uid: 1000 },
      });
    });

    const text = fc.string({ unit: "grapheme", maxLength: 250, size: "max" });
    const longTexts = fc.dictionary(text, fc.oneof(text, fc.array(text, { maxLength: 3 })), {
      maxKeys: 3,
    });

    it("is a string over 200 characters, wherever it is", () => {
      fc.assert(
        fc.property(longTexts, (value) => {
          const walk = (seen: Json | undefined): void => {
            if (typeof seen === "string")
              assert.ok(seen.length <= 200 && !/[\uD800-\uDBFF]$/.test(seen));
            if (seen === null || typeof seen !== "object") return;
            for (const [key, inner] of Object.entries(seen)) {
              assert.ok(key.length <= 200);
              walk(inner);
            }
          };
          walk(presentable(value));
        }),
      );
      assert.equal(presentable("x".repeat(201)), `${"x".repeat(199)}…`);
      assert.equal(presentable("x".repeat(200)), "x".repeat(200));
      assert.equal(presentable(`${"x".repeat(198)}😀${"x".repeat(10)}`), `${"x".repeat(198)}…`);
    });

    it("is more of a list, or more depth, than a context has", () => {
      assert.equal((presentable(Array.from({ length: 10_000 }, () => 1)) as Json[]).length, 200);
      let deep: Json = "bottom";
      for (let n = 0; n < 1_000; n++) deep = { deep };
      assert.doesNotMatch(JSON.stringify(presentable(deep)), /bottom/);
    });

    it("is the rest of a record: calls, their inputs, timers, outcomes", async () => {
      const watched = await inspection();
      const client = await connectClient(watched.port);
      const turn = aTurn("analyst/c-1.1");
      const call = {
        id: "k",
        invoke: "read",
        src: "read",
        kind: "tool",
        input: "hidden",
        at: 0,
      } as const;
      commit(watched, {
        ...turn,
        record: { ...turn.record, calls: [call], traceparent: "hidden" },
      });
      await client.until((messages) => messages.length === 3);
      assert.doesNotMatch(JSON.stringify(client.messages), /hidden/);
    });
  });

  it("says where it listens, how to look, and what that needs", async () => {
    const { announcement, port } = await inspection();
    for (const said of [
      `http://127.0.0.1:${port}/`,
      `ws://127.0.0.1:${port}/`,
      "https://stately.ai/inspect",
      "internet",
    ]) {
      assert.ok(announcement.includes(said), said);
    }
    assert.ok(!announcement.includes("\n"));
  });

  it("speaks in messages with the very fields of Stately's own, whose types they have", async () => {
    const genuine = new Map<string, string[]>();
    const spoken = new Promise<void>((resolve) => {
      const send = (message: StatelyInspectionEvent): void => {
        genuine.set(message.type, Object.keys(message).toSorted());
        if (message.type === "@xstate.snapshot") resolve();
      };
      const machine = createMachine({ initial: "a", states: { a: {} } });
      createActor(machine, { inspect: createInspector({ send }).inspect }).start();
    });
    await spoken;
    const seen = seenTurn(aTurn("coordinator/c-1"), null);
    const messages = [actorMessage(seen, "{}"), eventMessage(seen), snapshotMessage(seen)].map(
      readable,
    );
    const ours = new Map(
      messages.map((message) => [message.type, Object.keys(message).toSorted()]),
    );
    assert.deepEqual(ours, genuine);
  });
});
