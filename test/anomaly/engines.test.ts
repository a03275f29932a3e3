/**
 * Proves that what answers is chosen by batch size and platform, and what is answered is not: every
 * engine gives the same sums to the last bit, on shapes from one column to hundreds.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { engineFor } from "../../anomaly/engine/engine.ts";
import { plainEngine, type Engine, type FlatForest } from "../../anomaly/engine/flat.ts";
import { platformSupport } from "../../anomaly/engine/platform.ts";
import { vectorEngine } from "../../anomaly/engine/vector.ts";
import { walkEngine } from "../../anomaly/engine/walk.ts";
import { powerOfMinus } from "../../anomaly/exponent.ts";
import { fitForest, type Forest, type ForestOptions } from "../../anomaly/index.ts";
import { seededRandom, type SeededRandom } from "../../anomaly/random.ts";

interface Shape extends ForestOptions {
  readonly columns: number;
  readonly rows: number;
}

/** Values as data has them: even, heavy-tailed, repeated, flags, constant, tiny and huge. */
const DRAWS: readonly ((random: SeededRandom) => number)[] = [
  (random) => random.next(),
  (random) => Math.exp(12 * random.next()) - 1,
  (random) => random.below(5),
  (random) => Number(random.next() < 0.02),
  () => 7,
  (random) => (random.next() - 0.5) * 1e-30,
  (random) => (random.next() - 0.5) * 6e38,
  (random) => (random.next() < 0.5 ? -0 : random.next()),
];

function drawn({ columns, rows }: Shape, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: columns * rows }, (_, i) =>
    DRAWS[(i % columns) % DRAWS.length]!(random),
  );
}

function sumsOf(engine: Engine, rows: Float32Array, count: number): Int32Array {
  const sums = new Int32Array(count);
  engine.sumBatch(rows, sums);
  return sums;
}

function flatOf(forest: Forest): FlatForest {
  return forest.flat;
}

const SHAPES: readonly Shape[] = [
  { columns: 17, rows: 3000 },
  { columns: 1, rows: 700 },
  { columns: 2, rows: 2, trees: 3 },
  { columns: 3, rows: 5, trees: 7 },
  { columns: 5, rows: 900, trees: 1, sampleSize: 1024 },
  { columns: 300, rows: 400, trees: 40 },
  { columns: 17, rows: 3000, sampleSize: 1000, trees: 30 },
  { columns: 17, rows: 1000, oblique: true },
  { columns: 1, rows: 300, oblique: true, trees: 10 },
];

describe("anomaly: engines", () => {
  for (const shape of SHAPES) {
    const { columns, rows, trees = 100, sampleSize = 256, oblique = false } = shape;
    const kind = oblique ? "oblique" : "plain";
    it(`agree on ${rows} x ${columns}, ${trees} ${kind} trees of ${sampleSize}`, () => {
      const flat = flatOf(fitForest(drawn(shape, 1), columns, { ...shape, seed: 3 }));
      const asked = drawn({ columns, rows: 531 }, 2);
      const wanted = sumsOf(plainEngine(flat), asked, 531);
      assert.deepEqual(sumsOf(walkEngine(flat), asked, 531), wanted);
      const vector = vectorEngine(flat);
      assert.equal(vector === null, oblique);
      if (vector !== null) assert.deepEqual(sumsOf(vector, asked, 531), wanted);
      const one = walkEngine(flat);
      for (let i = 0; i < 20; i += 1) assert.equal(one.sumOne(asked, i * columns), wanted[i]);
    });
  }

  it("agree on values that are the thresholds themselves, and the next ones to either side", () => {
    const flat = flatOf(fitForest(drawn({ columns: 2, rows: 300 }, 4), 2, { seed: 4, trees: 20 }));
    const cuts = [...flat.thresholds].filter(Number.isFinite);
    const word = new Float32Array(1);
    const bits = new Int32Array(word.buffer);
    const asked = Float32Array.from(
      cuts.flatMap((cut) =>
        [-1, 0, 1].flatMap((step) => {
          word[0] = cut;
          bits[0]! += step;
          return [word[0], word[0]];
        }),
      ),
    ).map((value) => (Number.isFinite(value) ? value : 0));
    const wanted = sumsOf(plainEngine(flat), asked, cuts.length * 3);
    assert.deepEqual(sumsOf(vectorEngine(flat)!, asked, cuts.length * 3), wanted);
    assert.deepEqual(sumsOf(walkEngine(flat), asked, cuts.length * 3), wanted);
  });

  it("agree for any finite rows", () => {
    const flat = flatOf(fitForest(drawn({ columns: 3, rows: 200 }, 5), 3, { seed: 5, trees: 10 }));
    const [plain, walk, vector] = [plainEngine(flat), walkEngine(flat), vectorEngine(flat)!];
    const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(finite, finite, finite), { minLength: 1 }), (values) => {
        const rows = Float32Array.from(values.flat());
        const wanted = sumsOf(plain, rows, values.length);
        assert.deepEqual(sumsOf(walk, rows, values.length), wanted);
        assert.deepEqual(sumsOf(vector, rows, values.length), wanted);
      }),
    );
  });

  it("give the same row the same score in any batch", () => {
    const shape = { columns: 17, rows: 3000 };
    const rows = drawn(shape, 6);
    const forest = fitForest(rows, 17, { seed: 6 });
    const whole = new Float32Array(3000);
    forest.scoreBatch(rows, whole);
    for (const size of [1, 2, 23, 24, 100, 257]) {
      const part = new Float32Array(size);
      forest.scoreBatch(rows.subarray(17 * 40, 17 * (40 + size)), part);
      assert.deepEqual(part, whole.slice(40, 40 + size));
    }
    assert.equal(Math.fround(forest.scoreOne(rows.subarray(0, 17))), whole[0]);
  });

  it("answer the same without SIMD and without WebAssembly", () => {
    const rows = drawn({ columns: 17, rows: 2500 }, 7);
    const flat = flatOf(fitForest(rows, 17, { seed: 7 }));
    const wanted = sumsOf(engineFor(flat, { wasm: true, simd: true }), rows, 2500);
    for (const support of [
      { wasm: true, simd: false },
      { wasm: false, simd: false },
    ]) {
      assert.deepEqual(sumsOf(engineFor(flat, support), rows, 2500), wanted);
    }
    assert.deepEqual(platformSupport(), { wasm: true, simd: true });
  });

  it("score in a process whose WebAssembly is switched off as in one that has it", () => {
    const built = pathToFileURL(join(import.meta.dirname, "../../dist/anomaly/index.js")).href;
    const script = `
      const { fitForest } = await import(${JSON.stringify(built)});
      const rows = Float32Array.from({ length: 17 * 400 }, (_, i) => Math.sin(i * i));
      const out = new Float32Array(400);
      fitForest(rows, 17, { seed: 1, trees: 20 }).scoreBatch(rows, out);
      process.stdout.write(Buffer.from(out.buffer).toString("hex"));`;
    const run = (...flags: string[]): string =>
      execFileSync(process.execPath, [...flags, "--input-type=module", "-e", script], {
        encoding: "utf8",
        env: { ...process.env, NODE_OPTIONS: "" },
      });
    assert.equal(run("--jitless"), run());
  });

  it("have the power of two to the last places, and exactly at whole numbers", () => {
    for (let i = -40; i <= 40; i += 1) assert.equal(powerOfMinus(i), 2 ** -i);
    for (let i = 0; i < 2000; i += 1) {
      const x = (i - 500) / 97;
      assert.ok(Math.abs(powerOfMinus(x) / 2 ** -x - 1) < 4e-16);
    }
  });
});
