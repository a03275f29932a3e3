/** The boundary of: one runner process of a simulation. It can die, be stopped, drain, and be followed. */
import type { Kind } from "../../machines/protocol.ts";
import { LIMITS } from "../../supervisor/limits.ts";
import { Runner } from "../../supervisor/runner.ts";
import { openMemory, type MemoryDisk } from "../../transports/memory.ts";
import type { Random } from "../../transports/ports.ts";
import type { Faults } from "./faults.ts";
import type { Ledger } from "./ledger.ts";
import { definitionsFor, type Place, type Target } from "./team.ts";
import { ProcessTime, type WorldTime } from "./time.ts";
import { connect } from "./transport.ts";

export interface Surroundings {
  readonly world: WorldTime;
  readonly faults: Faults;
  readonly ledger: Ledger;
  readonly disk: MemoryDisk;
  readonly target: Target;
  readonly random: Random;
  readonly shardCount: number;
}

export interface ProcessOptions {
  readonly id: string;
  readonly kinds: readonly Kind[];
  readonly weight: number;
  died(): void;
}

export class Process {
  readonly id: string;
  readonly time: ProcessTime;
  readonly runner: Runner;
  readonly #around: Surroundings;
  readonly #options: ProcessOptions;
  /** Steady clock: when the last renewal that was answered was begun, by kind. */
  readonly #renewed = new Map<string, number>();

  constructor(around: Surroundings, options: ProcessOptions) {
    this.#around = around;
    this.#options = options;
    this.id = options.id;
    const { world, random, disk, shardCount, ledger } = around;
    this.time = new ProcessTime(world, random);
    const place = this.#place(openMemory({ clock: this.time, disk, shared: true }));
    this.runner = new Runner({
      transport: connect(place),
      definitions: definitionsFor(place, options.kinds),
      shardCount,
      clock: this.time,
      random,
      runnerId: options.id,
      weight: options.weight,
      observers: [
        {
          alarm: (error) => {
            ledger.alarms.push(error.code);
            ledger.note(world.now, this.id, () => `alarm ${error.message}`);
          },
        },
      ],
    });
  }

  start(): void {
    const { ledger, world } = this.#around;
    ledger.note(world.now, this.id, () => `starts with ${this.#options.kinds.join(",")}`);
    this.runner.start().catch((error: unknown) => {
      ledger.violate("a runner starts", String(error));
    });
  }

  /** Nothing is going on: so nothing may be kept but a few actors a shard. */
  checkBounds(shardCount: number): void {
    const { ledger } = this.#around;
    const { residents, unsettled, backlog, calls } = this.runner.gauges();
    const residentsMax = LIMITS.residentsMax * shardCount * this.#options.kinds.length;
    if (residents > residentsMax)
      ledger.violate("idle actors leave memory", `${residents} in ${this.id}`);
    if (unsettled + backlog + calls > 0)
      ledger.violate(
        "a runner at rest keeps nothing",
        `${this.id}: ${unsettled} unsettled, ${backlog} waiting, ${calls} calls`,
      );
  }

  /** Nothing leaves it from now on and nothing reaches it. */
  die(): void {
    if (this.time.dead) return;
    this.time.dead = true;
    this.runner.halt();
    this.#options.died();
  }

  async drain(): Promise<void> {
    const { ledger, world } = this.#around;
    ledger.note(world.now, this.id, () => "is told to stop");
    await this.runner.drain();
    if (this.time.dead) return;
    ledger.note(world.now, this.id, () => "has stopped");
    this.die();
  }

  #place(server: Place["server"]): Place {
    const { world, faults, ledger, target } = this.#around;
    return {
      id: this.id,
      world,
      time: this.time,
      faults,
      ledger,
      server,
      target,
      die: () => this.die(),
      renewed: (kind, beganAt) => this.#renewed.set(kind, beganAt),
      leaseEnds: (kind) => (this.#renewed.get(kind) ?? -Infinity) + LIMITS.leaseMs,
    };
  }
}
