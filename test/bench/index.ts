/**
 * The boundary of: `npm run bench`. Finds the suite that was asked for, shows what it prints, and
 * ends with an exit code. A suite is one file that exports `run`.
 */
import type { BenchOptions, Suite } from "./suite.ts";
import { asJson, asText } from "./table.ts";

const SUITES: Readonly<Record<string, { readonly help: string; load(): Promise<Suite> }>> = {
  speed: {
    help: "turns, cases, latency and CPU, beside LangGraph.js and the bare ceiling (the default)",
    load: () => import("./speed.ts"),
  },
  waiting: {
    help: "memory, decisions and restart with 10,000 and 100,000 waiting cases",
    load: () => import("./waiting.ts"),
  },
  gate: {
    help: "from a line, an event or a Kafka topic to the gate's verdict (--only memory: ten million)",
    load: () => import("./gate/suite.ts"),
  },
};

const HELP = `npm run bench -- [suite] [options]

Suites:
${Object.entries(SUITES)
  .map(([name, { help }]) => `  ${name.padEnd(10)} ${help}`)
  .join("\n")}

Options:
  --json         one JSON object instead of tables
  --seconds <n>  how long each row is measured (default 3)
  --rounds <n>   times each row is measured; the median counts (default 1)
  --only <text>  only rows whose name contains this
  --no-peers     without the rows of other engines
  --transport nats   with the rows on NATS: one server that syncs always, and a cluster of three

Examples:
  npm run bench
  npm run bench -- speed --rounds 3 --json
  npm run bench -- gate --only decision
`;

function parse(argv: readonly string[]): { suite: string; options: BenchOptions } | null {
  const options = { json: false, seconds: 3, rounds: 1, only: "", peers: true, nats: false };
  let suite = "speed";
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--json") options.json = true;
    else if (word === "--no-peers") options.peers = false;
    else if (word === "--seconds") options.seconds = Number(rest.shift());
    else if (word === "--rounds") options.rounds = Number(rest.shift());
    else if (word === "--transport" && rest.shift() === "nats") options.nats = true;
    else if (word === "--only") options.only = rest.shift() ?? "";
    else if (word in SUITES) suite = word;
    else return null;
  }
  return options.seconds > 0 && options.rounds >= 1 ? { suite, options } : null;
}

const asked = parse(process.argv.slice(2));
if (asked === null) {
  process.stdout.write(HELP);
  process.exitCode = process.argv.includes("--help") ? 0 : 2;
} else {
  const suite = await SUITES[asked.suite]!.load();
  const report = await suite.run(asked.options, (line) => process.stderr.write(`${line}\n`));
  process.stdout.write(asked.options.json ? asJson(report) : asText(report));
}
