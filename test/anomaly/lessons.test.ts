/**
 * Proves that what people say moves the ranking of what is like it, within bounds: by how much one
 * person counts, for how long, and never so that a critical event is hidden.
 */
import assert from "node:assert/strict";
import {
  createScreener,
  fitCandidate,
  fitForest,
  influencesIn,
  loadModel,
  rowsOf,
  saveModel,
  trainModel,
  type Forest,
  type Lesson,
  type Model,
} from "../../anomaly/index.ts";
import { influences, leafWeights } from "../../anomaly/lessons.ts";
import { seededRandom } from "../../anomaly/random.ts";
import { attackEvents, envelopeOf, ordinaryEvents } from "./events.ts";

const COLUMNS = 4;
const DAY_MS = 86_400_000;
const NOW_MS = 1_000 * DAY_MS;

/** A cloud, and two islands as far from it as from one another. */
const random = seededRandom(1);
const bell = (): number => random.next() + random.next() + random.next() - 1.5;
const cloud = Float32Array.from({ length: 600 * COLUMNS }, bell);
const island = (at: number): Float32Array =>
  Float32Array.from({ length: COLUMNS }, (_, i) => (i >> 1 === at ? 3 : 0) + bell() / 10);
const left = (): Float32Array => island(0);
const right = (): Float32Array => island(1);

function told(row: Float32Array, benign: boolean, more: Partial<Lesson> = {}): Lesson {
  return { row, benign, teacher: "alice", priority: "notice", atMs: NOW_MS, ...more };
}

function many(count: number, lesson: (i: number) => Lesson): Lesson[] {
  return Array.from({ length: count }, (_, i) => lesson(i));
}

describe("anomaly: lessons", () => {
  const forest = fitForest(cloud, COLUMNS, { seed: 1 });
  const cloudScores = new Float32Array(600);
  forest.scoreBatch(cloud, cloudScores);
  const unusual = cloudScores.toSorted()[540]!;
  const taught = (lessons: readonly Lesson[]): Forest =>
    forest.taught(leafWeights(forest, lessons, unusual, NOW_MS));

  it("raises what is like an attack and lowers what is like the benign, and tells them apart", () => {
    const after = taught([
      ...many(5, () => told(left(), false)),
      ...many(5, () => told(right(), true)),
    ]);
    const [seen, other] = [left(), right()];
    assert.ok(after.scoreOne(seen) > forest.scoreOne(seen) + 0.02);
    assert.ok(after.scoreOne(other) < forest.scoreOne(other) - 0.005);
    const ordinary = new Float32Array(COLUMNS);
    assert.ok(Math.abs(after.scoreOne(ordinary) - forest.scoreOne(ordinary)) < 0.05);
  });

  it("is the same for the same lessons in any order, and nothing without any", () => {
    const lessons = many(6, (i) => told(left(), i % 3 === 0, { atMs: NOW_MS - i }));
    const weights = leafWeights(forest, lessons, unusual, NOW_MS);
    assert.deepEqual(leafWeights(forest, lessons.toReversed(), unusual, NOW_MS), weights);
    assert.equal(leafWeights(forest, [], unusual, NOW_MS), null);
  });

  it("scores alike in every engine, and survives being stored, with what it was taught", () => {
    const after = taught(many(40, (i) => told(i % 2 === 0 ? left() : right(), i % 2 === 1)));
    const scores = new Float32Array(600);
    after.scoreBatch(cloud, scores);
    for (let i = 0; i < 600; i += 29) {
      const row = cloud.subarray(i * COLUMNS, (i + 1) * COLUMNS);
      assert.equal(Math.fround(after.scoreOne(row)), scores[i]);
    }
  });

  it("fades: a verdict of a year ago does less than half", () => {
    const shift = (atMs: number): number => {
      const row = right();
      return forest.scoreOne(row) - taught([told(row, true, { atMs })]).scoreOne(row);
    };
    const fresh = shift(NOW_MS);
    assert.ok(fresh > 0);
    assert.ok(shift(NOW_MS - 365 * DAY_MS) < fresh / 2);
  });

  it("lets no number of repetitions hide an event by more than the bound", () => {
    const row = left();
    const depth = (one: Forest): number => one.depthAt(one.scoreOne(row));
    const moved = depth(taught(many(500, () => told(row, true)))) - depth(forest);
    assert.ok(moved > 0 && moved <= 8);
  });

  it("lets one person move no more than all others together", () => {
    const lessons = [
      ...many(30, () => told(left(), false, { teacher: "bob" })),
      ...many(200, () => told(left(), true, { teacher: "mallory" })),
    ];
    const [first, second] = influences(forest, lessons, unusual, NOW_MS);
    assert.ok(first!.share <= 0.75 && second!.share >= 0.25);
    assert.deepEqual(new Set([first!.teacher, second!.teacher]), new Set(["bob", "mallory"]));
    const row = left();
    const contained = taught(lessons).scoreOne(row);
    assert.ok(contained > taught(lessons.slice(30)).scoreOne(row));
  });

  it("is as if a person had never spoken once their lessons are left out", () => {
    const honest = many(4, () => told(left(), false, { teacher: "bob" }));
    const lies = many(50, () => told(left(), true, { teacher: "mallory" }));
    const reverted = [...honest, ...lies].filter(({ teacher }) => teacher !== "mallory");
    assert.deepEqual(
      leafWeights(forest, reverted, unusual, NOW_MS),
      leafWeights(forest, honest, unusual, NOW_MS),
    );
  });

  it("learns nothing from benign about a critical event", () => {
    for (const priority of ["critical", "alert", "emergency"] as const) {
      const lessons = [told(left(), true, { priority })];
      assert.equal(leafWeights(forest, lessons, unusual, NOW_MS), null);
      assert.deepEqual(influences(forest, lessons, unusual, NOW_MS), [
        { teacher: "alice", counted: 0, ignored: 1, share: 0 },
      ]);
    }
    assert.notEqual(
      leafWeights(forest, [told(left(), false, { priority: "critical" })], unusual, NOW_MS),
      null,
    );
  });

  describe("in a model", () => {
    const nothing = { rows: new Float32Array(0), labels: [] };
    let serving: Model;
    let row: Float32Array;
    let afterMs: number;

    before(() => {
      serving = trainModel(ordinaryEvents(1, 1500), { seed: 7 });
      afterMs = serving.trainedToMs + 60_000;
      const [shell] = attackEvents("web", afterMs);
      row = rowsOf(serving, [shell!]);
    });

    it("counts in the next model's scores, is given again, and is shown by person", () => {
      const teaching = { lessons: many(30, () => told(row, true)), nowMs: NOW_MS };
      const candidate = fitCandidate(serving, nothing, { seed: 7 }, teaching);
      assert.ok(candidate.full.forest.scoreOne(row) < serving.full.forest.scoreOne(row));
      assert.equal(candidate.full.untaught.scoreOne(row), serving.full.forest.scoreOne(row));
      assert.deepEqual(
        influencesIn(candidate, teaching).map(({ teacher, counted }) => [teacher, counted]),
        [["alice", 30]],
      );
      const again = fitCandidate(candidate, nothing, { seed: 7 }, teaching);
      assert.deepEqual(saveModel(again), saveModel(candidate));
      assert.deepEqual(saveModel(loadModel(saveModel(candidate))), saveModel(candidate));
    });

    it("makes a critical event no less unusual, whatever was said of others like it", () => {
      const teaching = { lessons: many(60, () => told(row, true)), nowMs: NOW_MS };
      const candidate = fitCandidate(serving, nothing, { seed: 7 }, teaching);
      const shell = attackEvents("web", afterMs)[0]!;
      const score = (model: Model, priority: "notice" | "critical"): number =>
        createScreener({ model }).apply([envelopeOf({ ...shell, priority })], []).items[0]!.facts!
          .score;
      assert.ok(score(candidate, "notice") < score(serving, "notice"));
      assert.equal(score(candidate, "critical"), score(serving, "critical"));
    });
  });
});
