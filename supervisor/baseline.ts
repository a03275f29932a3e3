/**
 * The boundary of: the bundled baseline and the first model. Pure work of about a second: from the
 * same seed the same bytes.
 */
import { saveModel, trainModel } from "../anomaly/index.ts";
import { parseFalcoLine } from "../transports/falco/parse.ts";
import { generateBaseline } from "../transports/sample/day.ts";

export function fitBaseline(seed: number): Uint8Array {
  const events = [...generateBaseline(seed)].map((text, index) => parseFalcoLine(text, index + 1));
  return saveModel(trainModel(events, { seed }));
}
