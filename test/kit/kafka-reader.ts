/**
 * The boundary of: a Kafka source in a test. It takes events as a floor does, and keeps what it was
 * told; what it accepted can be waited for.
 */
import { systemClock } from "../../transports/clock.ts";
import { openKafkaLog, type KafkaOptions } from "../../transports/kafka/kafkajs-log.ts";
import { startKafkaSource, type KafkaSource } from "../../transports/kafka/source.ts";
import { pause } from "../../supervisor/replay.ts";

/** One event, told from others by its number. */
export function falcoLine(n: number): string {
  return JSON.stringify({
    time: `2026-10-14T00:00:00.${String(n).padStart(9, "0")}Z`,
    rule: "Terminal shell in container",
    priority: "Notice",
    hostname: "worker-1",
    output_fields: { "proc.name": `p${n}`, "container.id": "host" },
  });
}

/** The same as falcosidekick sends it: a new uuid each time, zeros of the time trimmed. */
export function sidekickLine(n: number): string {
  const event = JSON.parse(falcoLine(n)) as { time: string };
  const time = event.time.replace(/0+Z$/, "Z").replace(".Z", "Z");
  return JSON.stringify({ uuid: `${n}-${n}`, ...event, time, source: "syscalls", tags: null });
}

export interface ReaderOptions extends Partial<KafkaOptions> {
  readonly brokers: readonly string[];
  readonly topic: string;
  /** Before an event counts as accepted. */
  readonly accept?: () => Promise<void>;
}

export class KafkaReader {
  /** Names of the processes of accepted events, in order, repeats included. */
  readonly accepted: string[] = [];
  readonly digests: string[] = [];
  readonly failures: string[] = [];
  readonly alarms: string[] = [];
  readonly refused: string[] = [];
  partitions: readonly number[] = [];
  joins = 0;
  readonly #source: KafkaSource;

  constructor(options: ReaderOptions) {
    const { topic, brokers, accept = async () => {}, ...more } = options;
    const shape = { group: "floor", tls: null, sasl: null, sessionTimeoutMs: 2_000, ...more };
    this.#source = startKafkaSource({
      topic,
      brokers: brokers.join(", "),
      deadLetterTopic: `${topic}.dead-letters`,
      clock: systemClock,
      open: () => openKafkaLog({ brokers, topic, ...shape }),
      accept: async (events) => {
        await accept();
        this.accepted.push(...events.map(({ fields }) => String(fields["proc.name"])));
        this.digests.push(...events.map(({ digest }) => digest));
      },
      observer: {
        up: (partitions) => {
          this.joins += 1;
          this.partitions = partitions;
        },
        down: ({ code }) => this.failures.push(code),
        alarm: ({ code }) => this.alarms.push(code),
        taken: () => {},
        refused: (_, { code }) => this.refused.push(code),
        paused: () => {},
      },
    });
  }

  /** Different events accepted so far. */
  get distinct(): number {
    return new Set(this.accepted).size;
  }

  close(): Promise<void> {
    return this.#source.close(5_000);
  }
}

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = systemClock.steady() + 60_000;
  while (!(await holds())) {
    if (systemClock.steady() > giveUpAt) throw new Error(`never: ${what}`);
    await pause(systemClock);
  }
}
