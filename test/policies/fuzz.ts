/**
 * The boundary of: `npm run policy:fuzz`. A million mutated inputs, and a table of what became of
 * them; fails if one was executed that should not have been, or one crashed.
 *
 *     npm run policy:fuzz -- [--inputs N] [--seed N]
 */
import { parseArgs } from "node:util";
import { fuzz, openJudge } from "./fuzzing.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
  },
});
// Most inputs are refused by an error, and nobody looks at where.
Error.stackTraceLimit = 0;
const begun = performance.now();
const report = await fuzz(await openJudge(), {
  inputs: Number(values.inputs),
  seed: Number(values.seed),
  progress: (done) => {
    if (done % 100_000 === 0) process.stderr.write(`${done} inputs\n`);
  },
});
const row = (name: string, value: unknown): void =>
  void process.stdout.write(`${name.padEnd(28)}${String(value)}\n`);
row("seed", report.seed);
row("inputs", report.inputs);
for (const [verdict, count] of Object.entries(report.verdicts)) row(verdict, count);
for (const [verdict, count] of Object.entries(report.bareVerdicts))
  row(`${verdict} (Rego alone)`, count);
row("crashes", report.crashes.length);
row("unsafe auto_execute", report.unsafe.length);
row("seconds", ((performance.now() - begun) / 1_000).toFixed(1));
for (const example of [...report.crashes, ...report.unsafe]) process.stdout.write(`${example}\n`);
process.exitCode = report.crashes.length + report.unsafe.length === 0 ? 0 : 1;
