/** Goal: what the watch sees is said, kept and shown, and goes on after a restart. Method: memory store. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { rowsOf, trainModel } from "../../anomaly/index.ts";
import { driftLines } from "../../supervisor/cli/drift.ts";
import { DRIFT_KEY, DriftWatch, pageLine } from "../../supervisor/drift.ts";
import { openMemory } from "../../transports/memory.ts";
import { ordinaryEvents } from "../anomaly/events.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

const HOUR_MS = 3_600_000;
const WINDOW = { fromMs: HOUR_MS, events: 200, alerts: 3, psi: null, deviations: null, cut: null };

describe("supervisor: the watch for drift", () => {
  it("keeps each closed window, and goes on with what it learnt", async () => {
    const { store } = openMemory({ clock: virtualClock() });
    const model = trainModel(ordinaryEvents(1, 400), { seed: 7, trees: 10, sampleSize: 64 });
    const rows = rowsOf(model, ordinaryEvents(2, 200, model.trainedToMs));
    const options = { store, budget: () => 1e-3, say: () => {} };
    const watch = await DriftWatch.open(options, model, "m1");
    for (let hour = 0; hour < 3; hour += 1) {
      for (let i = 0; i < 150; i += 1) {
        const row = rows.subarray(i * 17, i * 17 + 17);
        watch.observe({ model, digest: "m1" }, row, 0.4, hour * HOUR_MS + i, false);
      }
    }
    while ((await store.getBlob("drift/m1")) === null || !(await keptWindows(store, 2)));
    await DriftWatch.open({ ...options, say: (line) => assert.fail(line) }, model, "m1");
    const kept = (await store.get("settings", DRIFT_KEY)) as unknown as (typeof WINDOW)[];
    assert.deepEqual(
      kept.map(({ events }) => events),
      [150, 150],
    );
  });

  it("begins anew where what was kept cannot be used, and says so", async () => {
    const { store } = openMemory({ clock: virtualClock() });
    const model = trainModel(ordinaryEvents(1, 400), { seed: 7, trees: 10, sampleSize: 64 });
    await store.putBlob("drift/m1", new Uint8Array([1, 2, 3]));
    const said: string[] = [];
    await DriftWatch.open(
      { store, budget: () => 1e-3, say: (line) => said.push(line) },
      model,
      "m1",
    );
    assert.match(said.join(), /begins anew/);
  });

  it("names causes and features when it pages, and shows them", () => {
    const page = { causes: ["score" as const], moved: ["rate", "cmd_len"] };
    assert.match(pageLine({ ...WINDOW, page }), /drift of score: rate, cmd_len moved; 3 of 200/);
    const deviations = Array.from({ length: 18 }, (_, i) => i);
    const lines = driftLines([{ ...WINDOW, page, psi: deviations, deviations, cut: 9 }]).join("\n");
    assert.match(lines, /score: rate, cmd_len/);
    assert.match(lines, /score +17\.00 +#+/);
    assert.match(driftLines([]).join(), /No window/);
  });
});

async function keptWindows(
  store: ReturnType<typeof openMemory>["store"],
  count: number,
): Promise<boolean> {
  const kept = await store.get("settings", DRIFT_KEY);
  return Array.isArray(kept) && kept.length >= count;
}
