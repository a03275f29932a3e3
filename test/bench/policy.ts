/**
 * The boundary of: `npm run policy:bench`. What a decision and a reload cost, in
 * this process and, beside it and in the same run, by an OPA server over REST.
 *
 *     npm run policy:bench -- [--decisions N] [--reloads N] [--no-opa]
 */
import { parseArgs } from "node:util";
import { decide, type PolicyEngine } from "../../policies/engine.ts";
import { connectRestEngine } from "../../policies/rest-engine.ts";
import { ServingPolicy } from "../../policies/serving.ts";
import { loadWasmEngine } from "../../policies/wasm-engine.ts";
import { OpaServer, signedBundle } from "../kit/opa-server.ts";
import { ask, ENFORCING, NOW } from "../policies/fixtures.ts";

const { values } = parseArgs({
  options: {
    decisions: { type: "string", default: "100000" },
    reloads: { type: "string", default: "1000" },
    opa: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const DECISIONS = Number(values.decisions);
const RELOADS = Number(values.reloads);
const REST_DECISIONS = 2_000;
const WARM_UP = 2_000;

const row = (name: string, value: string): void =>
  void process.stdout.write(`${name.padEnd(52)}${value}\n`);
const micros = (ms: number): string => `${(ms * 1_000).toFixed(0)} us`;
const millis = (ms: number): string => `${ms.toFixed(2)} ms`;
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function timed(count: number, work: (n: number) => Promise<unknown>): Promise<Float64Array> {
  const times = new Float64Array(count);
  for (let n = 0; n < count; n += 1) {
    const begun = performance.now();
    await work(n);
    times[n] = performance.now() - begun;
  }
  return times.toSorted();
}

function memory(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

function show(name: string, times: Float64Array, unit: (ms: number) => string): void {
  const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
  row(name, `p50 ${unit(p50)}   p99 ${unit(p99)}`);
}

const deciding = (engine: () => PolicyEngine) => async (n: number) => {
  const input = ask({ question: { events: n % 50 } });
  const { verdict } = await decide(engine(), input, NOW);
  if (verdict !== "auto_execute") throw new Error(`decision ${n}: ${verdict}`);
};

async function embedded(): Promise<void> {
  const serving = await ServingPolicy.start(loadWasmEngine, ENFORCING, () => 0);
  const decision = deciding(() => serving.engine());
  await timed(WARM_UP, decision);
  const before = memory();
  show(`embedded: ${DECISIONS} decisions`, await timed(DECISIONS, decision), micros);
  const after = memory();
  row("embedded: resident memory before, after", `${mebibytes(before)}, ${mebibytes(after)}`);
  await timed(20, () => serving.reload());
  const settled = memory();
  let decided = 0;
  const reloads = await timed(RELOADS, async (n) => {
    await serving.reload();
    if (n % 10 === 0) await decision((decided += 1));
  });
  show(`embedded: ${RELOADS} reloads, smoke vectors and all`, reloads, millis);
  row("embedded: resident memory before, after", `${mebibytes(settled)}, ${mebibytes(memory())}`);
  const changed = await timed(200, async () => {
    const comeIntoForce = await serving.prepare(ENFORCING);
    comeIntoForce();
  });
  show("embedded: 200 changes of parameters", changed, millis);
}

async function overRest(): Promise<void> {
  const { archive, keyFile } = signedBundle();
  const server = await OpaServer.start(archive, keyFile);
  try {
    const engine = await connectRestEngine(ENFORCING, server.client);
    const decision = deciding(() => engine);
    await timed(200, decision);
    show(
      `OPA over REST: ${REST_DECISIONS} decisions`,
      await timed(REST_DECISIONS, decision),
      micros,
    );
  } finally {
    await server.close();
  }
}

await embedded();
if (values.opa) await overRest();
