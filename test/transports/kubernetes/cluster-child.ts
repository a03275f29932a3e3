/** A process that performs effects without end, tells each receipt it was given, and expects to be killed. */
import { action, openEstate, perform, WORKLOAD } from "./estate.ts";

const cluster = await openEstate(process.argv[2] ?? null);
const first = (await cluster.log()).length;
for (let n = first; ; n += 1) {
  const address = `203.0.${Math.floor(n / 250) % 250}.${n % 250}`;
  const receipt = await perform(cluster, action("block_egress", WORKLOAD, { address }), `k${n}`);
  process.stdout.write(`${JSON.stringify(receipt)}\n`);
}
