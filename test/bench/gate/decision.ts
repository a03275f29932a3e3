/**
 * The boundary of: a parsed event and the gate's verdict, in time and in memory. One thread, one gate,
 * no store: features, score, p-value, and for what is forwarded its explanation.
 */
import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Screener } from "../../../anomaly/index.ts";
import type { Envelope } from "../../../machines/protocol.ts";
import { builtModule } from "./built.ts";
import { envelopeOf, later, parsedLines, sampleLines } from "./events.ts";

const BATCH = 128;
const DAY_EVENTS = 20_000;

export interface DecisionResult {
  /** Best round, events a second of processor time. */
  readonly batched: number;
  /** One event at a time, us. */
  readonly singleP50: number;
  readonly singleP99: number;
  /** Lines parsed a second, best round: what comes before. */
  readonly parsed: number;
}

async function newGate(): Promise<Screener> {
  const { createScreener, loadModel } =
    await builtModule<typeof import("../../../anomaly/index.ts")>("anomaly/index.js");
  const { fitBaseline } =
    await builtModule<typeof import("../../../supervisor/baseline.ts")>("supervisor/baseline.js");
  const gate = createScreener({ model: loadModel(fitBaseline(1)), budget: 0.0015 });
  gate.restore(null);
  return gate;
}

export async function measureDecision(rounds: number): Promise<DecisionResult> {
  const { parseFalcoLine } = await builtModule<typeof import("../../../transports/falco/parse.ts")>(
    "transports/falco/parse.js",
  );
  const lines = sampleLines(2, DAY_EVENTS);
  const day = parsedLines(lines);
  const gate = await newGate();
  let [best, parse] = [0, 0];
  for (let round = 0; round < rounds; round += 1) {
    const envelopes = day.map((event) => envelopeOf(later(event, round)));
    best = Math.max(
      best,
      perSecond(day.length, () => screen(gate, envelopes, BATCH)),
    );
    parse = Math.max(
      parse,
      perSecond(lines.length, () => {
        for (const line of lines) parseFalcoLine(line, 1);
      }),
    );
  }
  const times = day.slice(0, 10_000).map((event) => {
    const envelope = envelopeOf(later(event, rounds));
    const from = performance.now();
    gate.apply([envelope], [false]);
    return (performance.now() - from) * 1_000;
  });
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { batched: best, singleP50: at(0.5), singleP99: at(0.99), parsed: parse };
}

export interface MemoryResult {
  readonly events: number;
  /** MB in use after a collection, at each tenth of the way. */
  readonly heapMb: readonly number[];
  readonly residentMb: readonly number[];
}

/** After a collection each: what is garbage says nothing about what is kept. */
export async function measureMemory(
  events: number,
  progress: (line: string) => void,
): Promise<MemoryResult> {
  const day = parsedLines(sampleLines(2, DAY_EVENTS));
  const gate = await newGate();
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const [heapMb, residentMb]: [number[], number[]] = [[], []];
  let done = 0;
  for (let n = 0; done < events; n += 1) {
    screen(
      gate,
      day.map((event) => envelopeOf(later(event, n))),
      BATCH,
    );
    done += day.length;
    if (done < (events * (heapMb.length + 1)) / 10) continue;
    collect();
    const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
    heapMb.push((heapUsed + arrayBuffers) / 2 ** 20);
    residentMb.push(rss / 2 ** 20);
    progress(
      `${done} events: ${heapMb.at(-1)?.toFixed(1)} MB kept, ${residentMb.at(-1)?.toFixed(0)} MB resident`,
    );
  }
  return { events: done, heapMb, residentMb };
}

function screen(gate: Screener, envelopes: readonly Envelope[], size: number): void {
  for (let from = 0; from < envelopes.length; from += size) {
    const batch = envelopes.slice(from, from + size);
    gate.apply(
      batch,
      batch.map(() => false),
    );
  }
}

/** Of processor time, all threads together: on a busy machine the clock measures the others. */
function perSecond(count: number, work: () => void): number {
  const from = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(from);
  return (count / (user + system)) * 1e6;
}
