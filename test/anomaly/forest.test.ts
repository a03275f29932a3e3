/** Proves that the forest is the published algorithm, repeatable, explained, and refuses bad input whole. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { fitForest, loadForest, saveForest, type Forest } from "../../anomaly/index.ts";
import { meanDepth } from "../../anomaly/forest.ts";
import { seededRandom } from "../../anomaly/random.ts";
import { WatchfloorError } from "../../machines/errors.ts";

const COLUMNS = 4;

function cloud(seed: number, count: number): Float32Array {
  const random = seededRandom(seed);
  const bell = (): number => random.next() + random.next() + random.next() - 1.5;
  return Float32Array.from({ length: count * COLUMNS }, bell);
}

function coded(code: string): (error: unknown) => boolean {
  return (error) => error instanceof WatchfloorError && error.code === code;
}

/** Walks each tree by the definition of its arrays, without the tricks of the fast paths. */
function scoreByWalking(forest: Forest, row: Float32Array): number {
  const { trees, features, thresholds, sizes, sampleSize, depth } = forest.trees;
  const inner = 2 ** depth - 1;
  let sum = 0;
  for (let tree = 0; tree < trees; tree += 1) {
    const size = (node: number): number => sizes[tree * (2 * inner + 1) + node] ?? 0;
    let node = 0;
    let steps = 0;
    while (node < inner && size(2 * node + 1) + size(2 * node + 2) > 0) {
      const at = tree * inner + node;
      node = 2 * node + (row[features[at]!]! <= thresholds[at]! ? 1 : 2);
      steps += 1;
    }
    sum += steps + meanDepth(size(node));
  }
  return 2 ** (-(sum / trees) / meanDepth(sampleSize));
}

describe("anomaly: forest", () => {
  it("scores far points above every point of the cloud they are far from", () => {
    const rows = cloud(1, 1000);
    const forest = fitForest(rows, COLUMNS, { seed: 1 });
    const scores = new Float32Array(1000);
    forest.scoreBatch(rows, scores);
    const far = forest.scoreOne(Float32Array.of(4, -4, 4, -4));
    assert.ok(far > Math.max(...scores));
    assert.ok(far > 0.7 && far < 1);
    assert.ok(scores.reduce((sum, score) => sum + score, 0) / 1000 < 0.5);
  });

  it("adds the published correction for leaves that hold several rows", () => {
    assert.deepEqual([0, 1, 2].map(meanDepth), [0, 0, 1]);
    assert.ok(Math.abs(meanDepth(256) - 10.244770920116851) < 1e-9);
  });

  it("gives the depth that walking its nodes one by one gives", () => {
    const rows = Float32Array.from(cloud(2, 400), (value) => Math.round(value * 64));
    const forest = fitForest(rows, COLUMNS, { seed: 2, trees: 20, sampleSize: 100 });
    for (let i = 0; i < 50; i += 1) {
      const row = rows.slice(i * COLUMNS, (i + 1) * COLUMNS);
      assert.ok(Math.abs(forest.scoreOne(row) - scoreByWalking(forest, row)) < 1e-6);
    }
  });

  it("draws each tree's rows without replacement and splits every sample completely", () => {
    const rows = Float32Array.from({ length: 64 }, (_, i) => i);
    const { sizes, depth, trees } = fitForest(rows, 1, { seed: 3, trees: 10 }).trees;
    assert.equal(depth, 6);
    const all = 2 ** (depth + 1) - 1;
    for (let tree = 0; tree < trees; tree += 1) {
      const own = sizes.subarray(tree * all, (tree + 1) * all);
      assert.equal(own[0], 64);
      for (let node = 0; 2 * node + 2 < all; node += 1) {
        const children = own[2 * node + 1]! + own[2 * node + 2]!;
        assert.ok(children === 0 || children === own[node]);
      }
    }
  });

  it("never splits on a column that is constant, and still uses the others", () => {
    const rows = cloud(4, 300);
    for (let i = 1; i < rows.length; i += COLUMNS) rows[i] = 7;
    const { features, thresholds } = fitForest(rows, COLUMNS, { seed: 4 }).trees;
    const used = new Set([...features].filter((_, node) => Number.isFinite(thresholds[node])));
    assert.deepEqual(used, new Set([0, 2, 3]));
  });

  it("is the same forest for the same seed and another for another", () => {
    const rows = cloud(5, 500);
    const bytes = (seed: number): Uint8Array => saveForest(fitForest(rows, COLUMNS, { seed }));
    assert.deepEqual(bytes(1), bytes(1));
    assert.notDeepEqual(bytes(1), bytes(2));
  });

  it("scores a batch as it scores each row", () => {
    const rows = cloud(6, 200);
    const forest = fitForest(rows, COLUMNS, { seed: 6 });
    const out = new Float32Array(200);
    forest.scoreBatch(rows, out);
    out.forEach((score, i) => {
      const one = forest.scoreOne(rows.slice(i * COLUMNS, (i + 1) * COLUMNS));
      assert.equal(Math.fround(one), score);
    });
  });

  it("explains a score by the features that isolate the row", () => {
    const forest = fitForest(cloud(7, 1000), COLUMNS, { seed: 7 });
    const shares = forest.explain(Float32Array.of(0, 0, 9, 0));
    assert.equal(shares.indexOf(Math.max(...shares)), 2);
    const sum = shares.reduce((total, share) => total + Math.abs(share), 0);
    assert.ok(Math.abs(sum - 1) < 1e-5);
  });

  it("judges a row by the trees that never saw it where some did", () => {
    const forest = fitForest(cloud(8, 300), COLUMNS, { seed: 8, trees: 10 });
    const row = Float32Array.of(0.1, 0.2, 0.3, 0.4);
    const judged = (drawn: Uint8Array): number => {
      const out = new Float32Array(1);
      forest.scoreUnseen(row, drawn, out);
      return out[0]!;
    };
    assert.equal(judged(new Uint8Array(10)), Math.fround(forest.scoreOne(row)));
    assert.notEqual(judged(new Uint8Array(10).fill(1, 0, 5)), judged(new Uint8Array(10)));
    assert.ok(Number.isNaN(judged(new Uint8Array(10).fill(1))));
  });

  it("survives being stored, and refuses bytes that are not whole, not its own, or newer", () => {
    const forest = fitForest(cloud(9, 300), COLUMNS, { seed: 9, trees: 5 });
    const bytes = saveForest(forest);
    const row = Float32Array.of(1, -1, 0, 2);
    assert.equal(loadForest(bytes).scoreOne(row), forest.scoreOne(row));
    const newer = bytes.slice();
    newer[8] = 99;
    const spoilt = bytes.slice();
    spoilt[200]! ^= 1;
    for (const bad of [newer, spoilt, bytes.slice(0, -1), new Uint8Array(0), new Uint8Array(99)]) {
      assert.throws(() => loadForest(bad), coded("model_unreadable"));
    }
  });

  it("names what is wrong with rows it cannot use", () => {
    const fit = (rows: number[], columns = 2): Forest =>
      fitForest(Float32Array.from(rows), columns, { seed: 1 });
    assert.throws(() => fit([1, 2]), coded("rows_too_few"));
    assert.throws(() => fit([]), coded("rows_too_few"));
    assert.throws(() => fit([1, 2, 3]), coded("row_width"));
    assert.throws(() => fit([1, 2, NaN, 4]), coded("row_not_finite"));
    assert.throws(() => fit([1, 2, 3, -Infinity]), coded("row_not_finite"));
    assert.throws(() => fit([1, 2, 1, 2, 1, 2]), coded("rows_constant"));
    assert.throws(() => fit([1, 2, 3, 4], 0), coded("option_invalid"));
    const options = { seed: 1, trees: 0 };
    assert.throws(() => fitForest(cloud(1, 9), COLUMNS, options), coded("option_invalid"));
  });

  it("writes nothing when one row of a batch is bad", () => {
    const forest = fitForest(cloud(10, 100), COLUMNS, { seed: 10 });
    const out = new Float32Array(2).fill(-1);
    const rows = Float32Array.of(1, 1, 1, 1, 1, NaN, 1, 1);
    assert.throws(() => forest.scoreBatch(rows, out), coded("row_not_finite"));
    assert.throws(() => forest.scoreOne(Float32Array.of(1, 2, 3)), coded("row_width"));
    assert.deepEqual([...out], [-1, -1]);
  });

  it("gives a score in (0, 1) for every finite row", () => {
    const forest = fitForest(cloud(11, 200), COLUMNS, { seed: 11, trees: 10 });
    const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(finite, { minLength: COLUMNS, maxLength: COLUMNS }), (values) => {
        const score = forest.scoreOne(Float32Array.from(values));
        return score > 0 && score < 1;
      }),
    );
  });
});
