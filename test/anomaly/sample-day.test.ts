/**
 * Proves that the gate does its work on the sample day, by the truth that the sample's maker knows
 * and the gate does not: four slices of entities, as ingest has them, one model.
 */
import assert from "node:assert/strict";
import {
  createScreener,
  entityOf,
  injectionSuspected,
  trainModel,
  type ScreenedItem,
} from "../../anomaly/index.ts";
import { sha256 } from "../../machines/digest.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import { parseFalcoLine } from "../../transports/falco/parse.ts";
import { generateBaseline, generateSampleDay } from "../../transports/sample/day.ts";
import { sampleTruth } from "../../transports/sample/scenarios.ts";
import { envelopeOf } from "./events.ts";

const SLICES = 4;
const SEED = 1;
const BUDGET = 1e-3;

function parsed(lines: Iterable<string>): FalcoEvent[] {
  return [...lines].map((text, index) => parseFalcoLine(text, index + 1));
}

function screenDay(seed: number, day: readonly FalcoEvent[]): readonly ScreenedItem[] {
  const model = trainModel(parsed(generateBaseline(seed)), { seed });
  const slices = Array.from({ length: SLICES }, () => createScreener({ model, budget: BUDGET }));
  const seen = new Set<string>();
  return day.flatMap((event) => {
    const slice = Number.parseInt(sha256(entityOf(event).key).slice(0, 4), 16) % SLICES;
    const known = seen.has(event.digest);
    seen.add(event.digest);
    return slices[slice]!.apply([envelopeOf(event)], [known]).items;
  });
}

describe("anomaly: sample day", function () {
  this.timeout(240_000);
  let items: readonly ScreenedItem[];
  let truth: ReadonlyMap<string, string>;

  let day: readonly FalcoEvent[];

  before(() => {
    day = parsed(generateSampleDay(SEED));
    items = screenDay(SEED, day);
    truth = sampleTruth(SEED);
  });

  it("forwards at most one event in a hundred, attacks included", () => {
    assert.ok(items.length > 20_000);
    assert.ok(items.filter(({ forward }) => forward).length * 100 <= items.length);
  });

  it("reaches at least 36 of the 40 scenarios by its own score", () => {
    const reached = new Set(
      items
        .filter(({ facts }) => facts !== null && facts.pValue <= BUDGET)
        .flatMap(({ digest }) => truth.get(digest) ?? []),
    );
    assert.equal(new Set(truth.values()).size, 40);
    assert.ok(reached.size >= 36, `${reached.size} scenarios`);
  });

  it("starts no learning window for workloads of the baseline", () => {
    assert.equal(items.filter(({ learning }) => learning !== null).length, 0);
  });

  it("suspects no ordinary event of talking to a model", () => {
    const suspected = day.filter((event) => !truth.has(event.digest) && injectionSuspected(event));
    assert.deepEqual(
      suspected.map(({ rule }) => rule),
      [],
    );
  });
});
