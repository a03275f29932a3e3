/** `npm run chaos -- --seed 1 --scale 1`: every fault on real servers and runners; prints its table. */
import { parseArgs } from "node:util";
import { NatsServers } from "../../kit/nats-server.ts";
import * as faults from "./faults.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    /** 1 is the whole campaign; 0.1 a tenth of it. */
    scale: { type: "string", default: "1" },
    only: { type: "string", default: "" },
  },
});
const seed = Number(values.seed);
const times = (whole: number): number => Math.max(1, Math.round(whole * Number(values.scale)));

const servers = await NatsServers.start();
const all: Record<string, () => Promise<faults.Row>> = {
  killed: () => faults.killed(servers, times(50), seed),
  paused: () => faults.paused(servers, times(20), seed),
  raced: () => faults.raced(times(600)),
  rolled: () => faults.rolled(servers, times(4)),
  server: () => faults.serverKilled(false, times(5)),
  cluster: () => faults.serverKilled(true, times(6)),
  dark: () => faults.cutOff(servers, "dark", times(5)),
  deaf: () => faults.cutOff(servers, "deaf", times(10)),
  repeated: () => faults.repeated(servers, times(500)),
  skewed: () => faults.skewed(servers),
};
const chosen = values.only === "" ? Object.keys(all) : values.only.split(",");
let failed = 0;
process.stdout.write(`seed ${seed}\n`);
for (const name of chosen) {
  try {
    const row = await all[name]!();
    const said = `${row.fault} | ${row.times} times | ${row.jobs} jobs | holds | ${row.measured}`;
    process.stdout.write(`${said}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`${name} | DOES NOT HOLD | ${(error as Error).message}\n`);
  }
}
await servers.stop();
process.exitCode = failed === 0 ? 0 : 1;
