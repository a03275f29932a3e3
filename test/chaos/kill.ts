/** `npm run kill -- --kills 200 --seed 1`: the long campaign; prints its table. */
import { parseArgs } from "node:util";
import { killCampaign } from "./kill-campaign.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    events: { type: "string", default: "5000" },
    seed: { type: "string", default: "1" },
    life: { type: "string", default: "1500" },
  },
});
const result = await killCampaign({
  seed: Number(values.seed),
  kills: Number(values.kills),
  events: Number(values.events),
  lifeMsMax: Number(values.life),
  progress: (done) => {
    if (done % 10 === 0) process.stderr.write(`${done} kills\n`);
  },
});
process.stdout.write(`seed ${values.seed}\n`);
for (const [name, value] of Object.entries(result))
  process.stdout.write(`${name.padEnd(14)} ${JSON.stringify(value)}\n`);
