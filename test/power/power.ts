/** The boundary of: `npm run power -- --runs 20 --seed 1`. Many histories of the local store, each cut at all of its instants. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../kit/seeded-random.ts";
import { cutPower } from "./cut.ts";
import { traceWriter } from "./trace.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    rounds: { type: "string", default: "40" },
  },
});
let [cuts, records] = [0, 0];
for (let run = 0; run < Number(values.runs); run++) {
  const seed = Number(values.seed) + run;
  const folder = mkdtempSync(join(tmpdir(), "watchfloor-power-"));
  try {
    const events = traceWriter(folder, seed, Number(values.rounds));
    const random = seededRandom(seed);
    const options = { folder: join(folder, "cuts"), random, share: 1, survives: [0, 0.3, 0.7, 1] };
    const result = await cutPower(events, options);
    cuts += result.cuts;
    records += result.records;
    process.stdout.write(`seed ${seed}: ${result.cuts} cuts, ${result.records} records compared\n`);
  } catch (error) {
    process.stdout.write(`seed ${seed} FAILED; again: npm run power -- --runs 1 --seed ${seed}\n`);
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
process.stdout.write(`${cuts} cuts, ${records} records compared, nothing lost\n`);
