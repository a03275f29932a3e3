/**
 * The boundary of: a Kafka topic and a running floor. Joins the source to the intake, and says what
 * an operator has to know, once for each change.
 */
import { systemClock } from "../transports/clock.ts";
import { startKafkaSource, type KafkaObserver } from "../transports/kafka/source.ts";
import type { Floor } from "./compose.ts";
import type { Config } from "./config.ts";
import { LIMITS } from "./limits.ts";

/** Of refused records, the first and then every so many are said; all are counted. */
const SAID_EACH = 1_000;

/** Begins to read the configured topic; null where none is. The result stops it. */
export async function openKafka(
  config: Config,
  floor: Floor,
): Promise<(() => Promise<void>) | null> {
  const { brokers, topic, group, tls, sasl, sessionTimeoutMs, deadLetterTopic } = config.kafka;
  if (brokers === null || !floor.runner.hosts("ingest")) return null;
  // A seventh of all modules: loaded where a topic is configured.
  const { openKafkaLog } = await import("../transports/kafka/kafkajs-log.ts");
  const source = startKafkaSource({
    topic,
    brokers: brokers.join(", "),
    deadLetterTopic,
    clock: systemClock,
    open: () => openKafkaLog({ brokers, topic, group, tls, sasl, sessionTimeoutMs }),
    accept: (events) => floor.intake.accept(events, "live", "kafka"),
    observer: observerOf(config, floor),
  });
  return () => source.close(LIMITS.drainMs / 2);
}

function observerOf({ kafka }: Config, floor: Floor): KafkaObserver {
  const { metrics } = floor;
  let [refused, said] = [0, ""];
  const say = (line: string): void => {
    if (line !== said) floor.say(line);
    said = line;
  };
  return {
    up: (partitions) => {
      metrics.kafka.up(true);
      const own = partitions.length === 0 ? "no partition" : `partitions ${partitions.join(", ")}`;
      say(`Reading Kafka's topic ${kafka.topic} as group ${kafka.group}: ${own}.`);
    },
    down: (error) => {
      metrics.kafka.up(false);
      say(`Not reading Kafka: ${error.code}: ${error.message}; trying again.`);
    },
    alarm: (error) => floor.say(`Alarm: ${error.code}: ${error.message}`),
    taken: (partition, events, lag) => metrics.kafka.taken(partition, events, lag),
    paused: (partition, paused) => metrics.kafka.paused(partition, paused),
    refused: (partition, error) => {
      metrics.rejected();
      metrics.kafka.refused();
      refused += 1;
      if (refused % SAID_EACH !== 1) return;
      const where = `${kafka.topic}/${partition}`;
      const why = error.message.replace(/^line (\d+)/, "offset $1");
      floor.say(
        `A record of ${where} is no event and went to ${kafka.deadLetterTopic}: ${error.code}: ${why}. ${refused} so far.`,
      );
    },
  };
}
