/**
 * The boundary of: `npm run bench -- gate`. From a line, a parsed event or a Kafka topic to the gate's
 * verdict: what was promised of each, and whether it held on this machine. Ten million events for
 * the memory take minutes: only `--only memory` asks for them.
 */
import { cpus } from "node:os";
import type { BenchOptions, Bound, Report, Table } from "../suite.ts";
import { build } from "./built.ts";
import { measureDecision, measureMemory } from "./decision.ts";
import { measureDrift } from "./drift.ts";
import { quality, speed, verdicts } from "./forest.ts";
import { measureKafka } from "./kafka.ts";

const KAFKA_EVENTS = 40_000;
const MEMORY_EVENTS = 10_000_000;
/** What is kept may grow by this much between the first tenth and the last: tables fill up. */
const GROWTH_MAX = 1.1;
const ROUNDS = 6;

interface Part {
  readonly name: string;
  readonly run: (
    options: BenchOptions,
    say: (line: string) => void,
  ) => Promise<{ readonly table: Table; readonly bounds: readonly Bound[] }>;
}

const PARTS: readonly Part[] = [
  { name: "quality", run: quality },
  { name: "speed", run: speed },
  { name: "verdicts", run: verdicts },
  { name: "drift", run: async (_, say) => measureDrift(say) },
  { name: "decision", run: decision },
  { name: "kafka", run: kafka },
  { name: "memory", run: memory },
];

export async function run(options: BenchOptions, say: (line: string) => void): Promise<Report> {
  const asked = PARTS.filter(({ name }) =>
    options.only === "" ? name !== "memory" : name.includes(options.only),
  );
  build();
  const tables: Table[] = [];
  const bounds: Bound[] = [];
  for (const part of asked) {
    say(`measuring: ${part.name}`);
    const found = await part.run(options, say);
    tables.push(found.table);
    bounds.push(...found.bounds);
  }
  const processor = cpus()[0]?.model ?? "unknown";
  return {
    suite: "gate",
    setting: { node: process.version, processors: cpus().length, processor },
    tables,
    bounds,
  };
}

async function decision({ rounds }: BenchOptions) {
  const result = await measureDecision(rounds * ROUNDS);
  const { batched, singleP50, singleP99, parsed } = result;
  return {
    table: {
      title: "one thread, the best of all rounds; a second is one of processor time",
      columns: ["from", "to", "events/s", "p50 us", "p99 us"],
      rows: [
        ["line", "parsed event", parsed, null, null],
        ["parsed event", "verdict, in batches", batched, null, null],
        ["parsed event", "verdict, one by one", null, singleP50, singleP99],
      ],
    },
    bounds: [
      {
        what: "parsed event to verdict, in batches: at least 40,000 events/s",
        measured: `${batched.toFixed(0)} events/s`,
        holds: batched >= 40_000,
      },
      {
        what: "parsed event to verdict, one by one: p99 under 1 ms",
        measured: `${singleP99.toFixed(0)} us`,
        holds: singleP99 < 1_000,
      },
    ],
  };
}

async function kafka({ rounds }: BenchOptions, say: (line: string) => void) {
  const result = await measureKafka(rounds * KAFKA_EVENTS, say);
  const { events, perSecond, consumerCores, brokerCores } = result;
  const share = (brokerCores / Math.max(0.01, brokerCores + consumerCores)) * 100;
  return {
    table: {
      title: "a topic of one partition to the committed verdict; the consumer on one core",
      columns: ["events", "events/s", "consumer cores", "broker cores", "broker's share %"],
      rows: [[String(events), perSecond, consumerCores, brokerCores, share]],
    },
    bounds: [
      {
        what: "Kafka to committed verdict, one partition, one core: at least 20,000 events/s",
        measured: `${perSecond.toFixed(0)} events/s`,
        holds: perSecond >= 20_000,
      },
    ],
  };
}

async function memory(_: BenchOptions, say: (line: string) => void) {
  const { events, heapMb, residentMb } = await measureMemory(MEMORY_EVENTS, say);
  const [first = 0, last = 0] = [heapMb[0], heapMb.at(-1)];
  return {
    table: {
      title: `memory of a gate over ${events} events`,
      columns: ["tenth", "kept MB", "resident MB"],
      rows: heapMb.map((kept, i) => [String(i + 1), kept, residentMb[i] ?? null]),
    },
    bounds: [
      {
        what: "memory is flat over 10 million events",
        measured: `${first.toFixed(1)} MB kept after a tenth, ${last.toFixed(1)} MB in the end`,
        holds: last <= first * GROWTH_MAX,
      },
    ],
  };
}
