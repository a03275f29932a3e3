/**
 * The boundary of: the built forest and a stopwatch. Answers "fit", "batch", "hundred" and "one", a
 * line each, with the least seconds a call of several, until its input ends.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const built = "../../../dist/anomaly/index.js";
const { fitForest } = (await import(built)) as typeof import("../../../anomaly/index.ts");

const COLUMNS = 17;
const bytes = readFileSync(join(process.argv[2]!, "speed.f32"));
const rows = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const options = { seed: 0, trees: 100, sampleSize: 256 };
const forest = fitForest(rows, COLUMNS, options);
const [ten, hundred] = [10_000, 100].map((count) => rows.slice(0, count * COLUMNS));
const [tenScores, hundredScores] = [new Float32Array(10_000), new Float32Array(100)];
const single = Array.from({ length: 1000 }, (_, i) => rows.slice(i * COLUMNS, (i + 1) * COLUMNS));

/** Keeps what is computed from being optimised away. */
let kept = 0;

const CALLS: Readonly<Record<string, { call(): void; times: number; per: number }>> = {
  fit: {
    call: () => void (kept += fitForest(rows, COLUMNS, options).trees.trees),
    times: 20,
    per: 1,
  },
  batch: { call: () => forest.scoreBatch(ten!, tenScores), times: 40, per: 1 },
  hundred: { call: () => forest.scoreBatch(hundred!, hundredScores), times: 1000, per: 1 },
  one: {
    call: () => {
      for (const row of single) kept += forest.scoreOne(row);
    },
    times: 20,
    per: single.length,
  },
};

for await (const line of createInterface(process.stdin)) {
  const { times, per, ...measured } = CALLS[line]!;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i += 1) {
    const start = performance.now();
    measured.call();
    least = Math.min(least, performance.now() - start);
  }
  process.stdout.write(`${least / 1000 / per}\n`);
}
if (Number.isNaN(kept)) process.exitCode = 1;
