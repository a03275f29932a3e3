/** Goal: every event gets its one fate and its right case. Method: batches through the chart. */
import assert from "node:assert/strict";
import type { CaseEvent, CaseNotice } from "../../machines/calls.ts";
import {
  caseIdOf,
  SINGLY_MAX,
  STORM_STEP,
  WINDOW_IDLE_MS,
  WINDOW_SPAN_MS,
  WINDOWS_MAX,
  type IngestContext,
} from "../../machines/ingest.grouping.ts";
import { ingestMachine } from "../../machines/ingest.machine.ts";
import type { ScreenedItem } from "../../machines/ingest.types.ts";
import { ENTITY, facts, item } from "../kit/case-parts.ts";
import { Walk } from "../kit/walk.ts";

const start = (): Walk => new Walk(ingestMachine, "ingest/0", null);
const batch = (walk: Walk, ...items: ScreenedItem[]): Walk => walk.send("batch", { items });
const gates = (walk: Walk): string[] => walk.recorded.flat().map((outcome) => outcome.gate);
const at = (n: number, ms: number): ScreenedItem => item(n, { at: ms });
const T0 = facts(0).at;

/** The same entity with another rule. */
const ruled = (n: number, rule: string): ScreenedItem =>
  item(n, { at: T0, rule, facts: facts(n, { rule }) });

describe("ingest", () => {
  it("opens a case with the first event of an entity, and groups the next into it", () => {
    const walk = batch(start(), item(1), item(2));
    assert.deepEqual(gates(walk), ["forwarded", "grouped"]);
    const id = caseIdOf(item(1).digest);
    assert.deepEqual(
      walk.recorded.flat().map((outcome) => outcome.case),
      [id, id],
    );
    assert.deepEqual(
      walk.told.map((message) => [message.to, message.case]),
      [
        [`coordinator/${id}`, id],
        [`coordinator/${id}`, id],
      ],
    );
    assert.equal(walk.recorded.length, 1, "one record a batch");
  });

  it("records what is screened out or internal, and nothing twice", () => {
    const walk = batch(
      start(),
      item(1, { forward: false }),
      item(2, { gate: "internal", facts: null, forward: false }),
      item(3, { gate: "duplicate", facts: null, forward: false }),
    );
    assert.deepEqual(gates(walk), ["screened", "internal"]);
    assert.deepEqual(walk.told, []);
    assert.equal(walk.context<IngestContext>().counters.duplicate, 1);
  });

  it("carries the trace of the event", () => {
    const walk = batch(start(), item(1));
    assert.equal(
      walk.told[0]?.traceparent,
      `00-${item(1).traceId}-${item(1).digest.slice(0, 16)}-01`,
    );
  });

  it("opens a new case after a quiet half hour", () => {
    const walk = batch(
      start(),
      at(1, T0),
      at(2, T0 + WINDOW_IDLE_MS),
      at(3, T0 + 2 * WINDOW_IDLE_MS + 1),
    );
    assert.deepEqual(gates(walk), ["forwarded", "grouped", "forwarded"]);
  });

  it("opens a new case after two hours, however busy the entity is", () => {
    const steps = Array.from({ length: 8 }, (_, n) => at(n, T0 + n * (WINDOW_SPAN_MS / 6)));
    assert.deepEqual(gates(batch(start(), ...steps)), [
      "forwarded",
      "grouped",
      "grouped",
      "grouped",
      "grouped",
      "grouped",
      "grouped",
      "forwarded",
    ]);
  });

  it("groups an event that comes late", () => {
    assert.deepEqual(gates(batch(start(), at(1, T0), at(2, T0 - 60_000))), [
      "forwarded",
      "grouped",
    ]);
  });

  it("keeps entities apart", () => {
    const other = facts(2, { entity: { ...ENTITY, key: "shop/db/pg" } });
    assert.deepEqual(gates(batch(start(), item(1), item(2, { facts: other }))), [
      "forwarded",
      "forwarded",
    ]);
  });

  it("sends one message for a hundred in a storm, and still records each event", () => {
    const total = SINGLY_MAX + 2 * STORM_STEP;
    const walk = start();
    for (let n = 0; n < total; n += 100) {
      batch(walk, ...Array.from({ length: 100 }, (_, i) => at(n + i, T0)));
    }
    assert.equal(gates(walk).length, total);
    const sent = walk.told.map((message) => (message.data as unknown as CaseEvent).events ?? 1);
    assert.deepEqual(sent.slice(SINGLY_MAX), [STORM_STEP, STORM_STEP]);
    assert.equal(
      sent.reduce((sum, n) => sum + n, 0),
      total,
    );
  });

  it("does not let a storm hide a new rule", () => {
    const walk = start();
    for (let n = 0; n <= SINGLY_MAX; n += 100) {
      batch(walk, ...Array.from({ length: 100 }, (_, i) => at(n + i, T0)));
    }
    const before = walk.told.length;
    batch(walk, ruled(9_000, "Rare rule"), ruled(9_001, "Rare rule"));
    assert.equal(walk.told.length, before + 1);
  });

  it("says once how long a workload is learnt", () => {
    const walk = batch(
      start(),
      item(1, { learning: { workload: "shop/cart", untilMs: item(1).at + 86_400_000 } }),
    );
    const notice = walk.toldOf("notice")[0]?.data as unknown as CaseNotice;
    assert.deepEqual(notice.lines, [
      "learning what is ordinary for shop/cart, for 24 h of its events",
    ]);
  });

  it("keeps a bounded number of windows, and forgets the quietest", () => {
    const walk = start();
    const items = Array.from({ length: WINDOWS_MAX + 50 }, (_, n) =>
      item(n, { at: T0 + n, facts: facts(n, { entity: { ...ENTITY, key: `shop/job-${n}` } }) }),
    );
    batch(walk, ...items.slice(0, 300));
    batch(walk, ...items.slice(300));
    const keys = Object.keys(walk.context<IngestContext>().windows);
    assert.equal(keys.length, WINDOWS_MAX);
    assert.ok(!keys.includes("shop/job-0"));
  });

  it("sends a case only the features that drove the score most", () => {
    const features = Array.from({ length: 17 }, (_, n) => ({
      name: `f${n}`,
      value: 1,
      contribution: n / 17,
    }));
    const walk = batch(start(), item(1, { facts: facts(1, { features }) }));
    const sent = (walk.told[0]?.data as unknown as CaseEvent | undefined)?.facts.features ?? [];
    assert.deepEqual(
      sent.map((feature) => feature.name),
      ["f16", "f15", "f14", "f13", "f12"],
    );
  });
});
