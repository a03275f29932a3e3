/**
 * Goal: an offset is committed only when all before it is taken. Method: a lane on a log that is
 * played here, under virtual time; no broker.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { WatchfloorError } from "../../../machines/errors.ts";
import type { FalcoEvent } from "../../../machines/vocabulary.ts";
import { Lane } from "../../../transports/kafka/lane.ts";
import type { EventLog, LogBatch, LogRecord } from "../../../transports/kafka/event-log.ts";
import { virtualClock } from "../../kit/virtual-clock.ts";

function line(n: number): string {
  return JSON.stringify({
    time: `2026-10-14T00:00:00.${String(n).padStart(9, "0")}Z`,
    rule: "Terminal shell in container",
    priority: "Notice",
    output_fields: { "proc.name": `p${n}` },
  });
}

function record(offset: number, text: string | null): LogRecord {
  const value = text === null ? null : Buffer.from(text);
  return { offset: String(offset), key: Buffer.from("k"), value, headers: { trace: "t" } };
}

interface World {
  readonly lane: Lane;
  readonly clock: ReturnType<typeof virtualClock>;
  /** What happened, in order. */
  readonly seen: string[];
  readonly buried: Omit<LogRecord, "offset">[];
  readonly batch: (from: number, texts: readonly (string | null)[]) => LogBatch;
}

function world(accept: (events: readonly FalcoEvent[], n: number) => Promise<void>): World {
  const clock = virtualClock();
  const seen: string[] = [];
  const buried: Omit<LogRecord, "offset">[] = [];
  let calls = 0;
  const log = {
    commit: async (_, offset) => void seen.push(`commit ${offset}`),
    pause: () => void seen.push("pause"),
    resume: () => void seen.push("resume"),
    append: async (topic, records) => {
      seen.push(`append ${topic} ${records.length}`);
      buried.push(...records);
    },
  } as Partial<EventLog> as EventLog;
  const lane = new Lane({
    topic: "falco",
    partition: 3,
    deadLetterTopic: "dead",
    log,
    clock,
    accept: async (events) => {
      calls += 1;
      seen.push(`accept ${events.length}`);
      await accept(events, calls);
      seen.push("taken");
    },
    observer: { taken: () => {}, refused: () => {}, paused: () => {} },
  });
  const batch = (from: number, texts: readonly (string | null)[]): LogBatch => ({
    partition: 3,
    records: texts.map((text, i) => record(from + i, text)),
    nextOffset: String(from + texts.length),
    lag: 0,
    alive: async () => void seen.push("alive"),
  });
  return { lane, clock, seen, buried, batch };
}

const full = (): WatchfloorError =>
  new WatchfloorError("mailbox_full", { shard: "ingest.0", depth: 1 });

describe("kafka: a partition's lane", () => {
  it("commits a batch only after its events are durable", async () => {
    let durable = (): void => {};
    const taking = new Promise<void>((resolve) => (durable = resolve));
    const { lane, seen, batch } = world(() => taking);
    await lane.take(batch(7, [line(1), line(2)]));
    assert.deepEqual(seen, ["accept 2"]);
    durable();
    await lane.settled();
    assert.deepEqual(seen, ["accept 2", "taken", "commit 9"]);
  });

  it("takes the next batch only after the one before, and stays in its group meanwhile", async () => {
    let durable = (): void => {};
    const first = new Promise<void>((resolve) => (durable = resolve));
    const { lane, clock, seen, batch } = world((_, n) => (n === 1 ? first : Promise.resolve()));
    await lane.take(batch(0, [line(1)]));
    const second = lane.take(batch(1, [line(2)]));
    await clock.advance(2_500);
    assert.deepEqual(seen, ["accept 1", "alive", "alive"]);
    durable();
    await second;
    await lane.settled();
    assert.deepEqual(seen.slice(3), ["taken", "commit 1", "accept 1", "taken", "commit 2"]);
  });

  it("pauses while there is no room, tries the same events again, and resumes", async () => {
    const { lane, clock, seen, batch } = world(async (_, n) => {
      if (n < 3) throw full();
    });
    await lane.take(batch(0, [line(1)]));
    await clock.advance(1_000);
    await lane.settled();
    assert.deepEqual(seen, [
      "accept 1",
      "pause",
      "accept 1",
      "accept 1",
      "taken",
      "resume",
      "commit 1",
    ]);
  });

  it("buries what is no event with its cause and its place, whole, before it commits", async () => {
    const { lane, seen, buried, batch } = world(async () => {});
    await lane.take(batch(40, ["{", line(1), null, "[]", `"${"x".repeat(70_000)}"`]));
    await lane.settled();
    assert.deepEqual(seen, ["accept 1", "taken", "append dead 4", "commit 45"]);
    const causes = buried.map(({ headers }) => headers["watchfloor-cause"]);
    assert.deepEqual(causes, ["not_json", "not_falco", "not_falco", "line_too_long"]);
    assert.deepEqual(buried[0], {
      key: Buffer.from("k"),
      value: Buffer.from("{"),
      headers: {
        trace: "t",
        "watchfloor-cause": "not_json",
        "watchfloor-cause-text": "not JSON",
        "watchfloor-topic": "falco",
        "watchfloor-partition": "3",
        "watchfloor-offset": "40",
      },
    });
  });

  it("commits nothing once the partition is another's, though its events are taken", async () => {
    let durable = (): void => {};
    const taking = new Promise<void>((resolve) => (durable = resolve));
    const { lane, seen, batch } = world(() => taking);
    await lane.take(batch(0, [line(1)]));
    lane.end();
    durable();
    await lane.settled();
    assert.deepEqual(seen, ["accept 1", "taken"]);
    await assert.rejects(lane.take(batch(1, [line(2)])), { code: "kafka_failed" });
  });

  it("hands on a failure that no waiting cures, and reads no further", async () => {
    const { lane, seen, batch } = world(async () => {
      throw new WatchfloorError("data_unusable", { path: "p", why: "w" });
    });
    await lane.take(batch(0, [line(1)]));
    await assert.rejects(lane.take(batch(1, [line(2)])), { code: "data_unusable" });
    assert.deepEqual(seen, ["accept 1"]);
  });

  it("lets go of a batch it waits for when the group has moved on", async () => {
    const { lane, clock, batch } = world(() => new Promise(() => {}));
    await lane.take(batch(0, [line(1)]));
    const overtaken = new Error("rebalance");
    const second = lane.take({ ...batch(1, [line(2)]), alive: () => Promise.reject(overtaken) });
    const refused = assert.rejects(second, overtaken);
    await clock.advance(1_000);
    await refused;
  });
});
