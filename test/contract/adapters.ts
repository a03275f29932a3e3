/**
 * The boundary of: the contract suite and the adapters it is run over. A place is what a transport
 * is opened on, and outlives it; opening it again is a restart.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLocal } from "../../transports/local/index.ts";
import { MemoryDisk, openMemory } from "../../transports/memory.ts";
import { virtualClock } from "../kit/virtual-clock.ts";
import { natsPlaces } from "./nats-places.ts";
import type { Place } from "./place.ts";

interface Adapter {
  readonly name: string;
  /** Several may be open on one place at once. */
  readonly shared: boolean;
  place(): Promise<Place>;
}

export const ADAPTERS: readonly Adapter[] = [
  {
    name: "memory",
    shared: true,
    place: async () => {
      const clock = virtualClock();
      const disk = new MemoryDisk();
      return {
        clock,
        open: async () => openMemory({ clock, disk, shared: true }),
        remove: async () => {},
      };
    },
  },
  {
    name: "local",
    shared: false,
    place: async () => {
      const clock = virtualClock();
      const path = await dataDirectory();
      return {
        clock,
        open: () => openLocal({ path, shardCount: 4, clock }),
        remove: () => rm(path, { recursive: true }),
      };
    },
  },
  { name: "nats", shared: true, place: natsPlaces({}) },
  { name: "nats 2.9", shared: true, place: natsPlaces({ tool: "nats-server-2.9" }) },
  { name: "nats R3", shared: true, place: natsPlaces({ servers: 3 }) },
];

/** An empty directory of its own for one test. */
export function dataDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "watchfloor-"));
}
