/**
 * The boundary of: simulations from the command line. `npm run sim -- --seeds 10000 --seed 1` runs
 * many and prints what broke, each with its seed; `--seeds 1 --seed N --timeline` shows one;
 * `--mutations` breaks the runtime on purpose and shows whether that is noticed.
 */
import { parseArgs } from "node:util";
import { runMutations } from "./mutations.ts";
import { simulate, type Outcome } from "./world.ts";

const HELP = `npm run sim -- [options]

  --seeds N      how many seeds (1000)
  --seed S       the first (1)
  --timeline     print what happened, for every seed
  --mutations    break the runtime in each known way, and see how soon it is noticed
  --only NAME    of the mutations, those whose name contains this
  --json         one JSON value a line

Exit code 1 when a rule was broken, or a mutation was not noticed.

  npm run sim -- --seeds 10000
  npm run sim -- --seeds 1 --seed 4711 --timeline
  npm run sim -- --mutations --seeds 500`;

const PROGRESS_EVERY = 250;

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    seed: { type: "string", default: "1" },
    timeline: { type: "boolean", default: false },
    mutations: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);

if (values.help) print(HELP);
else if (values.mutations) process.exitCode = (await mutated()) ? 0 : 1;
else process.exitCode = (await simulated()) ? 0 : 1;

async function simulated(): Promise<boolean> {
  const [first, count] = [Number(values.seed), Number(values.seeds ?? 1_000)];
  let [broken, records, effects] = [0, 0, 0];
  const began = process.hrtime.bigint();
  for (let n = 0; n < count; n++) {
    const outcome = await simulate(first + n, values.timeline);
    records += outcome.records;
    effects += outcome.effects;
    if (outcome.violations.length > 0) broken++;
    if (outcome.violations.length > 0 || values.timeline) show(outcome);
    if ((n + 1) % PROGRESS_EVERY === 0 && !values.json)
      process.stderr.write(`${n + 1} of ${count} seeds, ${broken} broken\n`);
  }
  const ms = Number(process.hrtime.bigint() - began) / 1e6;
  const summary = {
    seeds: count,
    first,
    broken,
    records,
    effects,
    msPerSeed: Math.round(ms / count),
  };
  if (values.json) print(JSON.stringify(summary));
  else
    print(
      `${count} seeds from ${first}: ${broken} broken; ${records} records, ${effects} effects, ${summary.msPerSeed} ms a seed`,
    );
  return broken === 0;
}

function show(outcome: Outcome): void {
  if (values.json) return print(JSON.stringify(outcome));
  for (const line of outcome.timeline) print(line);
  print(`seed ${outcome.seed}: ${outcome.violations.join("\n  ") || "no rule broken"}`);
}

async function mutated(): Promise<boolean> {
  const results = await runMutations({
    seeds: Number(values.seeds ?? 500),
    only: values.only,
    done: ({ name, seed, violation }) => {
      if (values.json) return print(JSON.stringify({ name, seed, violation }));
      print(
        seed === null
          ? `NOT NOTICED  ${name}`
          : `seed ${String(seed).padStart(4)}  ${name.padEnd(58)} ${violation}`,
      );
    },
  });
  const missed = results.filter(({ seed }) => seed === null).length;
  if (!values.json) print(`${results.length} mutations, ${results.length - missed} noticed`);
  return missed === 0;
}
