/** Proves that fields which rules leave out are gauges by rule, summed over the runner's gates. */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { createScreener, trainModel } from "../../anomaly/index.ts";
import { watchFieldGaps } from "../../supervisor/metrics.gate.ts";
import { envelopeOf, falcoEvent, inPod, ordinaryEvents } from "../anomaly/events.ts";

describe("supervisor: metrics of the gate", () => {
  it("counts the events of each rule that lacked a field, and nothing that is there", async () => {
    const model = trainModel(ordinaryEvents(1, 200), { seed: 1 });
    const gates = [createScreener({ model }), createScreener({ model })];
    const registry = new Registry();
    watchFieldGaps(registry, () => gates.map((gate) => gate.fieldGaps()));
    const bare = falcoEvent({ rule: "Bare rule", fields: inPod("web", { "user.uid": 0 }) });
    for (const gate of gates) gate.apply([envelopeOf(bare)], []);
    for (let scrape = 0; scrape < 2; scrape += 1) {
      const text = await registry.metrics();
      assert.match(text, /watchfloor_missing_fields\{rule="Bare rule",field="proc.cmdline"\} 2/);
      assert.doesNotMatch(text, /field="container.id"/);
    }
  });
});
