/**
 * A runner to be killed, stopped and cut off. It hosts coordinators and detectors on NATS; the work of
 * a detector is an effect on a world outside, a folder with a file for each idempotency key. Prints
 * what it committed, one JSON line each. Its one argument is JSON: see RunnerSpec.
 */
import { existsSync, linkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WatchfloorError } from "../../../machines/errors.ts";
import type { Json } from "../../../machines/protocol.ts";
import type { JournalRecord } from "../../../supervisor/record.ts";
import { Runner } from "../../../supervisor/runner.ts";
import { systemClock, systemRandom } from "../../../transports/clock.ts";
import { openNats } from "../../../transports/nats/index.ts";
import type { Clock } from "../../../transports/ports.ts";
import { definitionsWith } from "../../kit/floor.ts";

export interface RunnerSpec {
  readonly id: string;
  readonly url: string;
  /** The world: a file for each key that took effect, and a folder of drafts. */
  readonly world: string;
  /** Added to the wall clock. */
  readonly skewMs: number;
}

export type Said =
  | { readonly said: "ready" }
  | { readonly said: "alarm"; readonly code: string }
  | {
      readonly said: "commit";
      readonly shard: string;
      readonly at: number;
      readonly done: string[];
    };

/** One effect that took place. */
export interface Effect {
  readonly job: Json;
  readonly key: string;
  readonly by: string;
  /** Steady ms that were left of the lease when it was checked. */
  readonly leftMs: number;
}

function say(said: Said): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

/** Coordinators whose question was answered in these records. */
function doneIn(records: readonly JournalRecord[]): string[] {
  return records.flatMap((record) =>
    record.r === "turn" && record.actor.startsWith("coordinator/") && record.was === "asking"
      ? [record.actor]
      : [],
  );
}

async function main({ id, url, world, skewMs }: RunnerSpec): Promise<void> {
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + skewMs };
  const transport = await openNats({
    url,
    shardCount: 4,
    clock,
    random: systemRandom,
    name: id,
    alarm: ({ code }) => say({ said: "alarm", code }),
  });
  const fileOf = (key: string): string => join(world, encodeURIComponent(key));
  const runner = new Runner({
    transport,
    definitions: definitionsWith({
      recovery: "reconcile",
      timeoutMs: 30_000,
      concurrencyMax: 64,
      reconcile: async (_, { idempotencyKey }) =>
        existsSync(fileOf(idempotencyKey)) ? { did: "before" } : null,
      run: async (job, context) => {
        const key = context.idempotencyKey;
        const leftMs = context.actUntil() - clock.steady();
        if (leftMs <= 0) throw new WatchfloorError("lease_passed", { shard: id });
        const effect: Effect = { job, key, by: id, leftMs };
        const draft = join(world, "drafts", `${id}-${encodeURIComponent(key)}`);
        writeFileSync(draft, JSON.stringify(effect));
        try {
          // It takes effect whole or not at all, and a key that is known changes nothing more.
          linkSync(draft, fileOf(key));
          return { did: job };
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === "EEXIST") return { did: "before" };
          throw error;
        }
      },
    }),
    shardCount: 4,
    clock,
    random: systemRandom,
    runnerId: id,
    observers: [
      {
        committed: (shard, records) =>
          say({ said: "commit", shard, at: Date.now(), done: doneIn(records) }),
        alarm: ({ code }) => say({ said: "alarm", code }),
      },
    ],
  });
  process.once("SIGTERM", () => {
    void runner
      .drain()
      .then(() => transport.close())
      .then(() => process.exit(0));
  });
  // Nobody listens any more: whoever started us is gone.
  process.stdout.on("error", () => process.exit(1));
  await runner.start();
  say({ said: "ready" });
}

const [spec] = process.argv.slice(2);
if (process.argv[1]?.endsWith("runner.ts") === true && spec !== undefined)
  await main(JSON.parse(spec) as RunnerSpec);
