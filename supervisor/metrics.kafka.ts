/**
 * The boundary of: the Kafka source and Prometheus. Partitions are the broker's numbers, not an
 * event's: they may be labels.
 */
import { Counter, Gauge, type Registry } from "prom-client";

export interface KafkaMetrics {
  up(up: boolean): void;
  taken(partition: number, events: number, lag: number): void;
  refused(): void;
  paused(partition: number, paused: boolean): void;
}

export function createKafkaMetrics(registers: Registry[]): KafkaMetrics {
  const counter = (name: string, help: string) =>
    new Counter({ name: `watchfloor_kafka_${name}`, help, registers });
  const gauge = (name: string, help: string, labelNames: string[]) =>
    new Gauge({ name: `watchfloor_kafka_${name}`, help, labelNames, registers });
  const events = counter("events_total", "Records that became durable events, repeats included.");
  const dead = counter("dead_letters_total", "Records that were no event.");
  const up = gauge("up", "1 while this runner is a member of the group.", []);
  const lag = gauge("lag", "Records after the committed offset.", ["partition"]);
  const held = gauge("paused", "1 while a partition waits for room.", ["partition"]);
  return {
    up: (is) => up.set(is ? 1 : 0),
    taken: (partition, count, left) => {
      events.inc(count);
      lag.set({ partition: String(partition) }, left);
    },
    refused: () => dead.inc(),
    paused: (partition, paused) => held.set({ partition: String(partition) }, paused ? 1 : 0),
  };
}
