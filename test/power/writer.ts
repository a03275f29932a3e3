/**
 * The boundary of: a process whose power is cut. Appends, publishes, writes state and trims on a
 * `local` store, and says of each thing on standard output when it was acknowledged, at once.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../transports/clock.ts";
import { openLocal } from "../../transports/local/index.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { recordText, SHARDS } from "./contents.ts";

const [path = "", seedText = "1", roundsText = "20"] = process.argv.slice(2);
const random = seededRandom(Number(seedText));
const transport = await openLocal({ path, shardCount: 4, clock: systemClock });

/** Written by one system call before anything else happens. */
function acknowledged(what: string): void {
  writeSync(1, `ack ${what}\n`);
}

async function appendSome(shard: string): Promise<void> {
  const last = await transport.journal.last(shard);
  const count = 1 + Math.floor(random() * 4);
  const bytes = Math.floor(random() * 6_000);
  const texts = Array.from({ length: count }, (_, n) => recordText(shard, last + 1 + n, bytes));
  const result = await transport.journal.append(shard, last, texts);
  if (result.appended) acknowledged(`journal ${shard} ${result.last} ${count} ${bytes}`);
}

async function writeState(round: number): Promise<void> {
  await transport.store.write([{ table: "settings", key: "round", value: round }]);
  acknowledged(`state round ${round}`);
}

async function trimSome(shard: string): Promise<void> {
  const below = Math.max(0, (await transport.journal.last(shard)) - 10);
  // What is trimmed may be gone from here on; it is said before, so that nobody looks for it.
  writeSync(1, `trim ${shard} ${below}\n`);
  await transport.journal.trim(shard, below);
}

for (let round = 1; round <= Number(roundsText); round++) {
  const work = SHARDS.map((shard) => appendSome(shard));
  if (round % 3 === 0) work.push(writeState(round));
  if (round % 5 === 0) work.push(trimSome(SHARDS[round % SHARDS.length]!));
  await Promise.all(work);
}
await transport.close();
