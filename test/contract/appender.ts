/**
 * A process to be killed: appends to three shards and publishes and writes beside them, without
 * end, and prints what was acknowledged, one JSON line each. Its arguments are the data directory
 * and the name it signs with.
 */
import { openLocal, type LocalTransport } from "../../transports/local/index.ts";
import { anEnvelope } from "../kit/envelopes.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

export const APPEND_SHARDS = ["analyst.0", "analyst.1", "coordinator.0"] as const;
export const PUBLISH_SHARD = "notifier.0";
/** Two keys that are always written together. */
export const PAIR = ["left", "right"] as const;

export type Acknowledged =
  | { readonly what: "append" | "publish"; readonly shard: string; readonly last: number }
  | { readonly what: "fenced"; readonly shard: string; readonly last: number }
  | { readonly what: "write"; readonly value: number };

/** One of `of` records that were appended together; `first` is the position of the first of them. */
export interface BatchRecord {
  readonly by: string;
  readonly first: number;
  readonly of: number;
  readonly filler: string;
}

export function batchAt(by: string, first: number): readonly BatchRecord[] {
  const of = 1 + (first % 5);
  const filler = "x".repeat((first * 37) % 900);
  return Array.from({ length: of }, () => ({ by, first, of, filler }));
}

/** Waits for the pipe: a parent that reads slowly is not lied to by a buffer that dies with us. */
function acknowledge(line: Acknowledged): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(`${JSON.stringify(line)}\n`, () => resolve());
  });
}

async function appendForEver(by: string, { journal }: LocalTransport, shard: string) {
  let last = await journal.last(shard);
  for (;;) {
    const records = batchAt(by, last + 1).map((record) => JSON.stringify(record));
    const result = await journal.append(shard, last, records);
    last = result.last;
    await acknowledge({ what: result.appended ? "append" : "fenced", shard, last });
  }
}

async function publishForEver({ mailbox }: LocalTransport) {
  for (;;) {
    const last = await mailbox.publish(PUBLISH_SHARD, [anEnvelope("1"), anEnvelope("2")]);
    await acknowledge({ what: "publish", shard: PUBLISH_SHARD, last });
  }
}

async function writeForEver({ store }: LocalTransport) {
  let value = Number((await store.get("settings", PAIR[0])) ?? 0);
  for (;;) {
    value += 1;
    const puts = PAIR.map((key) => ({ table: "settings" as const, key, value }));
    await store.write(puts);
    await acknowledge({ what: "write", value });
  }
}

async function main(path: string, by: string): Promise<void> {
  const transport = await openLocal({ path, shardCount: 4, clock: virtualClock() });
  await Promise.all([
    ...APPEND_SHARDS.map((shard) => appendForEver(by, transport, shard)),
    publishForEver(transport),
    writeForEver(transport),
  ]);
}

const [path, by] = process.argv.slice(2);
if (process.argv[1]?.endsWith("appender.ts") === true && path !== undefined) {
  await main(path, by ?? "child");
}
