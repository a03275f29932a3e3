/**
 * The boundary of: the contract suite and the adapters it is run over. A place is what a transport
 * is opened on, and outlives it; opening it again is a restart.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLocal } from "../../transports/local/index.ts";
import { MemoryDisk, openMemory } from "../../transports/memory.ts";
import type { Transport } from "../../transports/ports.ts";
import { virtualClock, type VirtualClock } from "../kit/virtual-clock.ts";

interface Place {
  readonly clock: VirtualClock;
  open(): Promise<Transport>;
  remove(): Promise<void>;
}

interface Adapter {
  readonly name: Transport["name"];
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
];

/** An empty directory of its own for one test. */
export function dataDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "watchfloor-"));
}
