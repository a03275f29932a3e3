/**
 * The boundary of: a runner or a command and the place where everything is kept. The one file that
 * opens a transport by its name; what is asked of it is the same whatever it is.
 */
import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import type { WatchfloorError } from "../machines/errors.ts";
import { openLocal } from "../transports/local/index.ts";
import { openMemory } from "../transports/memory.ts";
import type { Clock, Random, Transport } from "../transports/ports.ts";
import type { Config } from "./config.ts";
import { randomHex } from "./hex.ts";
import { loadIdentity } from "./identity.ts";

/** Loaded where it is wanted: most runners start without it. */
async function nats() {
  const [{ openNats }, { readCredentials }] = await Promise.all([
    import("../transports/nats/index.ts"),
    import("../transports/nats/credentials.ts"),
  ]);
  return { openNats, readCredentials };
}

const NATS_URL = "nats://127.0.0.1:4222";

/** Where the data of a command is. */
export type Place =
  | { readonly transport: "local"; readonly dataDir: string }
  | { readonly transport: "nats"; readonly url: string; readonly credentials: string | null };

export type Stored = Transport & { readonly shardCount: number };

/** Where a configuration says that the data is. A floor in memory leaves none. */
export function placeOf({ transport, data, nats }: Config): Place {
  if (transport !== "nats") return { transport: "local", dataDir: data };
  return { transport, url: nats.url ?? NATS_URL, credentials: nats.credentials };
}

/** A name of this process alone, among all that ever ran, for people to recognise. */
export function runnerName(random: Random): string {
  const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, "-");
  return `${host.slice(0, 40)}-${process.pid}-${randomHex(random, 1)}`;
}

export interface RunnerPlace {
  readonly clock: Clock;
  readonly random: Random;
  readonly runnerId: string;
  readonly alarm: (error: WatchfloorError) => void;
}

/** For a runner: makes what is missing. */
export async function openForRunner(config: Config, runner: RunnerPlace): Promise<Transport> {
  if (config.transport === "memory") return openMemory(runner);
  const transport = await openShared(config, runner);
  try {
    // The key that signs evidence exists from the first start on.
    loadIdentity(config.data);
    return transport;
  } catch (error) {
    await transport.close();
    throw error;
  }
}

async function openShared(config: Config, runner: RunnerPlace): Promise<Transport> {
  const { clock, random, runnerId, alarm } = runner;
  const place = placeOf(config);
  const shardCount = config.shards;
  if (place.transport === "local") return openLocal({ path: place.dataDir, shardCount, clock });
  // What a runner keeps for itself: its identity, and the log of its decisions.
  mkdirSync(config.data, { recursive: true, mode: 0o700 });
  const { openNats, readCredentials } = await nats();
  const credentials = readCredentials(place.credentials, config.agents);
  const { url } = place;
  return openNats({ url, ...credentials, shardCount, name: runnerId, clock, random, alarm });
}

/** For a command that reads, beside runners or without one. */
export function openForReading(place: Place, clock: Clock, random: Random): Promise<Stored> {
  if (place.transport === "nats") return openCommand(place, clock, random);
  return openLocal({ path: place.dataDir, shardCount: null, readOnly: true, clock });
}

/** For a command that writes: locally, under the lock of one transaction. */
export function openForWriting(place: Place, clock: Clock, random: Random): Promise<Stored> {
  if (place.transport === "nats") return openCommand(place, clock, random);
  return openLocal({ path: place.dataDir, shardCount: null, lock: false, clock });
}

async function openCommand(
  { url, credentials }: Place & { transport: "nats" },
  clock: Clock,
  random: Random,
): Promise<Stored> {
  const { openNats, readCredentials } = await nats();
  return openNats({
    url,
    ...readCredentials(credentials, []),
    shardCount: null,
    name: `cli-${runnerName(random)}`,
    clock,
    random,
  });
}

/** Whether somebody works the cases there. Only a place that is shared can tell. */
export async function isWorked({ leases }: Stored): Promise<boolean> {
  return leases !== null && (await leases.list("coordinator/runners/")).length > 0;
}
