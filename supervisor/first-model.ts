/**
 * The boundary of: a first start and its model. The fit is begun before the floor's own modules are
 * loaded, in a thread of its own where the code is built; from source it is done when asked for.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

export type FirstModel = () => Promise<Uint8Array>;

/** Begins the fit if this looks like a first start. The result is asked for at most once. */
export function prepareFirstModel(config: {
  readonly transport: string;
  readonly data: string;
  readonly sampleSeed: number;
}): FirstModel {
  // Of a cluster it is not known before it is asked.
  const { transport, data } = config;
  const first =
    transport !== "nats" && (transport === "memory" || !existsSync(join(data, "data.mdb")));
  const fitting = first && isBuilt() ? inThread(config.sampleSeed) : null;
  // Nobody may ask for it; then its failure is nobody's either.
  fitting?.catch(() => {});
  return async () => fitting ?? (await import("./baseline.ts")).fitBaseline(config.sampleSeed);
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
