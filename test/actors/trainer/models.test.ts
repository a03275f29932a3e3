/** Goal: models are kept as versions, and exactly one serves. Method: the memory store, tiny models. */
import assert from "node:assert/strict";
import { before, beforeEach, describe, it } from "mocha";
import { createTrainerCalls } from "../../../actors/trainer/binding.ts";
import { Models, type ModelVersion } from "../../../actors/trainer/models.ts";
import { rowsOf, trainModel, type Model } from "../../../anomaly/index.ts";
import type { Candidate, Comparison, Label } from "../../../machines/calls.ts";
import type { Json } from "../../../machines/protocol.ts";
import { ServingModel } from "../../../supervisor/serving-model.ts";
import { openMemory } from "../../../transports/memory.ts";
import type { StateStore, Transport } from "../../../transports/ports.ts";
import { attackEvents, ordinaryEvents } from "../../anomaly/events.ts";
import { virtualClock } from "../../kit/virtual-clock.ts";

const MADE = { at: 1, source: "baseline", why: "test", labels: 0 } as const;
const PERSON = { user: "alice", uid: 1000, as: null };

describe("trainer: versions of the model", () => {
  let [first, second]: Model[] = [];
  let transport: Transport;
  let store: StateStore;
  let models: Models;
  const clock = virtualClock();

  before(() => {
    first = trainModel(ordinaryEvents(1, 400), { seed: 7, trees: 10, sampleSize: 64 });
    second = trainModel(ordinaryEvents(2, 400), { seed: 7, trees: 10, sampleSize: 64 });
  });
  beforeEach(() => {
    transport = openMemory({ clock });
    store = transport.store;
    models = new Models(store);
  });

  const keep = (model: Model): Promise<ModelVersion> => models.keep(model, MADE);
  const promote = async (model: Model, who: typeof PERSON | null = null): Promise<void> =>
    void (await models.promote(await keep(model), { at: 2, who, why: "because" }));

  it("numbers what is kept, and knows the same model again", async () => {
    assert.equal((await keep(first!)).n, 1);
    assert.equal((await keep(second!)).n, 2);
    assert.equal((await keep(first!)).n, 1);
    assert.deepEqual(
      (await models.versions()).map(({ n }) => n),
      [2, 1],
    );
  });

  it("keeps who made which version serve, why, and which served before", async () => {
    await promote(first!);
    await promote(second!, PERSON);
    await promote(second!, PERSON);
    const changes = await models.changes();
    assert.deepEqual(
      changes.map(({ n, who, before: was }) => [n, who?.user ?? null, was]),
      [
        [2, "alice", 1],
        [1, null, null],
      ],
    );
    assert.equal((await models.serving())?.n, 2);
  });

  it("serves no bytes but those that were stored", async () => {
    await promote(first!);
    const version = await keep(second!);
    await store.putBlob(`model/${version.digest}`, new Uint8Array([1, 2, 3]));
    const cause = { at: 3, who: null, why: "w" };
    await assert.rejects(models.promote(version, cause), { code: "model_unreadable" });
    assert.equal((await models.serving())?.n, 1);
    await assert.rejects(models.version(9), { code: "model_unknown" });
  });

  it("takes over another model within a second, whole, and says so once", async () => {
    await promote(first!);
    const [said, alarms]: string[][] = [[], []];
    const serving = await ServingModel.open(
      {
        store,
        clock,
        changed: ({ n }) => said!.push(`version ${n}`),
        alarm: ({ code }) => alarms!.push(code),
      },
      () => assert.fail("one serves already"),
    );
    serving.watch();
    await promote(second!);
    assert.equal(serving.serving().n, 1);
    await clock.advance(1_000);
    assert.equal(serving.serving().n, 2);
    assert.deepEqual(serving.model().full.calibration, second!.full.calibration);
    await clock.advance(5_000);
    assert.deepEqual([said, alarms], [["version 2"], []]);
    serving.close();
  });

  it("goes on with what it has when what serves cannot be loaded", async () => {
    await promote(first!);
    const alarms: string[] = [];
    const serving = await ServingModel.open(
      { store, clock, changed: () => {}, alarm: ({ code }) => alarms.push(code) },
      () => assert.fail("one serves already"),
    );
    await promote(second!);
    const { digest } = (await models.serving())!;
    await store.putBlob(`model/${digest}`, new Uint8Array());
    await serving.look();
    await serving.look();
    assert.equal(serving.serving().n, 1);
    assert.deepEqual(alarms, ["model_unreadable"]);
  });

  it("fits, compares and promotes a candidate, and refuses one that learnt attacks as ordinary", async () => {
    await promote(first!);
    let recent = new Float32Array();
    let looked = 0;
    const calls = createTrainerCalls({
      store,
      models,
      clock,
      alertBudget: () => 1e-3,
      recentRows: () => recent,
      promoted: async () => void (looked += 1),
    });
    const run = async <T>(name: keyof typeof calls, input: object): Promise<T> =>
      (await calls[name].run(input as Json, {} as never)) as T;
    const candidate = await run<Candidate>("fitCandidate", { labels: [], why: "a week" });
    const good = await run<Comparison>("compareCandidate", { candidate, labels: [] });
    assert.equal(good.worse, false);
    await run("promoteCandidate", { candidate, comparison: good, why: "a week" });
    assert.deepEqual([(await models.serving())?.n, looked], [candidate.version, 1]);

    const attacks = attackEvents("web", first!.trainedToMs + 60_000);
    await store.write(
      attacks.map((event) => ({
        table: "evidence" as const,
        key: event.digest,
        value: event as unknown as Json,
      })),
    );
    const row = rowsOf(first!, attacks);
    recent = Float32Array.from({ length: row.length * 500 }, (_, i) => row[i % row.length]!);
    const poisoned = await run<Candidate>("fitCandidate", { labels: [], why: "verdicts" });
    const label: Label = {
      case: "c-1",
      digests: attacks.map(({ digest }) => digest),
      benign: false,
      dismissal: "true_handled",
      person: PERSON,
      at: 1,
    };
    const input = { candidate: poisoned, labels: [label] };
    assert.equal((await run<Comparison>("compareCandidate", input)).worse, true);
    assert.equal((await models.version(poisoned.version)).state, "refused");
  });
});
