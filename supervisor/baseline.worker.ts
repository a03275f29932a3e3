/** The boundary of: the thread that fits the first model while the rest of the floor starts. */
import { parentPort, workerData } from "node:worker_threads";
import { fitBaseline } from "./baseline.ts";

parentPort?.postMessage(fitBaseline((workerData as { seed: number }).seed));
