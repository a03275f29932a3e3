/**
 * The boundary of: a first start and its model. The default sample's is fitted by the build and only
 * read; another is fitted in a thread of its own, begun before the floor's own modules are loaded.
 * From source it is fitted when asked for.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

export type FirstModel = () => Promise<Uint8Array>;

/** Of the bundled sample, where none is configured. */
export const DEFAULT_SEED = 1;

/** Where the build leaves the model of a sample: beside the code that fitted it. */
export function builtModel(seed: number): string {
  return join(import.meta.dirname, `first-model.${seed}.bin`);
}

/** Begins to make the model if this looks like a first start. The result is asked for at most once. */
export function prepareFirstModel(config: {
  readonly transport: string;
  readonly data: string;
  readonly sampleSeed: number;
}): FirstModel {
  const { transport, data, sampleSeed } = config;
  // Of a cluster it is not known before it is asked.
  const first =
    transport !== "nats" && (transport === "memory" || !existsSync(join(data, "data.mdb")));
  const making = first ? make(sampleSeed) : null;
  // Nobody may ask for it; then its failure is nobody's either.
  making?.catch(() => {});
  return async () =>
    making ?? make(sampleSeed) ?? (await import("./baseline.ts")).fitBaseline(sampleSeed);
}

function make(seed: number): Promise<Uint8Array> | null {
  if (existsSync(builtModel(seed))) return readFile(builtModel(seed));
  return isBuilt() ? inThread(seed) : null;
}

function isBuilt(): boolean {
  return import.meta.filename.endsWith(".js");
}

function inThread(seed: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./baseline.worker.js", import.meta.url), {
      workerData: { seed },
    });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}
