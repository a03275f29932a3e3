/**
 * The boundary of: a closed loop and what it measures. The same loop drives every engine: so many
 * cases in flight, a new one begun when one ends, warmed up first, then measured for a while.
 */
import { performance } from "node:perf_hooks";

export interface LoadOptions {
  readonly concurrency: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Durable steps of one case. */
  readonly stepsPerCase: number;
}

export interface LoadResult {
  readonly casesPerSecond: number;
  readonly turnsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMsPerCase: number;
  readonly cases: number;
}

/** @param runCase resolves when the case with this number has ended as it should; rejects otherwise. */
export async function closedLoop(
  options: LoadOptions,
  runCase: (n: number) => Promise<void>,
): Promise<LoadResult> {
  const state = { next: 0, stopped: false, latencies: [] as number[] };
  const worker = async (): Promise<void> => {
    while (!state.stopped) {
      // An engine that never leaves the microtask queue would keep the timers below from firing.
      await new Promise((resolve) => void setImmediate(resolve));
      const began = performance.now();
      await runCase(state.next++);
      state.latencies.push(performance.now() - began);
    }
  };
  const workers = Promise.all(Array.from({ length: options.concurrency }, worker));
  await Promise.race([workers, delay(options.warmUpMs)]);
  state.latencies = [];
  const cpu = process.cpuUsage();
  const began = performance.now();
  await Promise.race([workers, delay(options.measureMs)]);
  const elapsedMs = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const latencies = state.latencies.toSorted((a, b) => a - b);
  state.stopped = true;
  await workers;
  const cases = latencies.length;
  return {
    casesPerSecond: (cases / elapsedMs) * 1_000,
    turnsPerSecond: ((cases * options.stepsPerCase) / elapsedMs) * 1_000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    cpuMsPerCase: (user + system) / 1_000 / Math.max(1, cases),
    cases,
  };
}

/** Of sorted values; NaN of none. */
export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
