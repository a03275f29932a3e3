/**
 * The boundary of: the real runtime under load. A runner with its supervision, routing, timers and
 * checkpoints on a real transport and the real clock; a case is done when its last turn is durable.
 */
import { rmSync, statSync } from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Runner, type Observer } from "../../supervisor/runner.ts";
import { systemClock, systemRandom } from "../../transports/clock.ts";
import { openLocal } from "../../transports/local/index.ts";
import { openMemory } from "../../transports/memory.ts";
import { openNats } from "../../transports/nats/index.ts";
import type { Transport } from "../../transports/ports.ts";
import { NatsServers } from "../kit/nats-server.ts";
import { closedLoop, type LoadOptions, type LoadResult } from "./load.ts";
import { beginCase, sixStepActor, sixStepDefinition, STEPS } from "./six-step.ts";

export type TransportName = "memory" | "local" | "nats" | "nats-cluster";

/** As at a first start without a configuration. */
export const SHARDS = 4;

interface Place {
  readonly transport: Transport;
  readonly folder: string | null;
  close(): Promise<void>;
}

export async function openPlace(name: TransportName): Promise<Place> {
  if (name === "memory") {
    const transport = openMemory({ clock: systemClock });
    return { transport, folder: null, close: () => transport.close() };
  }
  if (name !== "local") return openNatsPlace(name === "nats" ? 1 : 3);
  const folder = mkdtempSync(join(tmpdir(), "watchfloor-bench-"));
  const transport = await openLocal({ path: folder, shardCount: SHARDS, clock: systemClock });
  const close = async (): Promise<void> => {
    await transport.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { transport, folder, close };
}

/** One server has each write on the disk before it is acknowledged; of three, two have it. */
async function openNatsPlace(count: 1 | 3): Promise<Place> {
  const servers = await NatsServers.start({ servers: count, syncAlways: count === 1 });
  const transport = await openNats({
    url: servers.url(servers.account()),
    shardCount: SHARDS,
    clock: systemClock,
    random: systemRandom,
    name: "bench",
  });
  const close = async (): Promise<void> => {
    await transport.close();
    await servers.stop();
  };
  return { transport, folder: null, close };
}

export interface WatchfloorResult extends LoadResult {
  readonly checkpoints: number;
  readonly appends: number;
  readonly diskBytes: number | null;
}

export async function measureSixStep(
  name: TransportName,
  options: LoadOptions,
): Promise<WatchfloorResult> {
  const place = await openPlace(name);
  const waiting = new Map<string, { done: () => void; failed: (error: unknown) => void }>();
  const counts = { checkpoints: 0, appends: 0 };
  const transport = counted(place.transport, counts);
  const observer: Observer = {
    committed: (_, records) => {
      for (const record of records) {
        if (record.r !== "turn" || record.is !== "done") continue;
        const { results } = record.record.snapshot!.context as unknown as { results: unknown[] };
        const known = waiting.get(record.actor);
        waiting.delete(record.actor);
        if (results.length === STEPS.length) known?.done();
        else known?.failed(new Error(`${record.actor} ended with ${results.length} results`));
      }
    },
    lost: (shard, error) => {
      for (const { failed } of waiting.values()) failed(new Error(`${shard}: ${String(error)}`));
    },
  };
  const runner = new Runner({
    transport,
    definitions: new Map([["detector", sixStepDefinition]]),
    shardCount: SHARDS,
    clock: systemClock,
    random: systemRandom,
    runnerId: "bench",
    observers: [observer],
  });
  await runner.start();
  const load = await closedLoop(options, async (n) => {
    const ended = new Promise<void>((done, failed) =>
      waiting.set(sixStepActor(n), { done, failed }),
    );
    const { shard, envelope } = beginCase(n, SHARDS);
    await transport.mailbox.publish(shard, [envelope]);
    await ended;
  });
  await runner.drain();
  const diskBytes = place.folder ? statSync(join(place.folder, "data.mdb")).size : null;
  await place.close();
  return { ...load, ...counts, diskBytes };
}

/** Counts what reaches the journals: appends, and the checkpoints among them. */
function counted(
  transport: Transport,
  counts: { checkpoints: number; appends: number },
): Transport {
  const { journal } = transport;
  return {
    ...transport,
    journal: {
      ...(journal.appendBytesMax === undefined ? {} : { appendBytesMax: journal.appendBytesMax }),
      append: (shard, expected, records) => {
        counts.appends++;
        for (const text of records) if (text.startsWith('{"r":"checkpoint"')) counts.checkpoints++;
        return journal.append(shard, expected, records);
      },
      read: (shard, from, limit) => journal.read(shard, from, limit),
      last: (shard) => journal.last(shard),
      trim: (shard, below) => journal.trim(shard, below),
    },
  };
}
