/**
 * The boundary of: one row and its process. Runs one measurement, named by its first argument, and
 * prints the result as one JSON line.
 */
import { measureCeiling } from "./ceiling.ts";
import type { LoadOptions } from "./load.ts";
import { TURNS_PER_CASE } from "./six-step.ts";
import { measureSixStep, type TransportName } from "./watchfloor.ts";

export interface ChildSpec {
  readonly measure: "six-step" | "ceiling";
  readonly transport: TransportName;
  readonly load: Omit<LoadOptions, "stepsPerCase">;
}

const spec = JSON.parse(process.argv[2] ?? "{}") as ChildSpec;
const load = { ...spec.load, stepsPerCase: TURNS_PER_CASE };
const measured =
  spec.measure === "ceiling"
    ? await measureCeiling(spec.transport, load)
    : await measureSixStep(spec.transport, load);
process.stdout.write(`${JSON.stringify(measured)}\n`);
