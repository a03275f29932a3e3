/** The boundary of: the build and the first model. Fits it once, for the default sample, beside the built code. */
import { writeFileSync } from "node:fs";
import { fitBaseline } from "./baseline.ts";
import { builtModel, DEFAULT_SEED } from "./first-model.ts";

writeFileSync(builtModel(DEFAULT_SEED), fitBaseline(DEFAULT_SEED));
