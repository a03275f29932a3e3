/**
 * The boundary of: the settings of Kafka and what its client is given. Which of them need one
 * another, and the files they name, read.
 */
import { WatchfloorError } from "../machines/errors.ts";
import type { KafkaSasl, KafkaTls } from "../transports/kafka/kafkajs-log.ts";
import type { Settings } from "./config.schema.ts";

export interface KafkaConfig {
  /** Null reads no topic. */
  readonly brokers: readonly string[] | null;
  readonly topic: string;
  readonly group: string;
  readonly deadLetterTopic: string;
  readonly sessionTimeoutMs: number;
  readonly tls: KafkaTls | null;
  readonly sasl: KafkaSasl | null;
}

interface Origins {
  origin(name: string): string;
  /** The content of a file. @throws `config_unreadable` */
  text(path: string): string;
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+$/;

/** @throws `config_invalid` for settings that contradict one another, `config_unreadable` */
export function readKafka({ kafka, exitWhenIdle }: Settings, origins: Origins): KafkaConfig {
  const { brokers, topic, group, sessionTimeoutMs } = kafka;
  const refuse = (name: string, rule: string): never => {
    throw new WatchfloorError("config_invalid", {
      origin: origins.origin(name),
      field: name,
      rule,
    });
  };
  const deadLetterTopic = kafka.deadLetterTopic ?? `${topic}.dead-letters`;
  if (deadLetterTopic === topic) refuse("kafka.deadLetterTopic", "must not be kafka.topic");
  if (brokers !== null && exitWhenIdle) {
    refuse("exitWhenIdle", "does not go with kafka.brokers: a topic has no end");
  }
  const tls = readTls(kafka, origins, refuse);
  const sasl = readSasl(kafka, refuse);
  const exposed = tls === null && sasl?.mechanism === "plain";
  if (exposed && brokers?.some((broker) => !LOOPBACK.test(broker))) {
    refuse("kafka.sasl.mechanism", "plain sends the password readably: it needs kafka.tls");
  }
  return { brokers, topic, group, deadLetterTopic, sessionTimeoutMs, tls, sasl };
}

type Refuse = (name: string, rule: string) => never;

function readTls({ tls }: Settings["kafka"], origins: Origins, refuse: Refuse): KafkaTls | null {
  const { enabled, ca, cert, key } = tls;
  if (!enabled && ca === null && cert === null && key === null) return null;
  if (cert !== null && key === null) refuse("kafka.tls.cert", "needs kafka.tls.key");
  if (key !== null && cert === null) refuse("kafka.tls.key", "needs kafka.tls.cert");
  const read = (path: string | null) => (path === null ? null : origins.text(path));
  return { ca: read(ca), cert: read(cert), key: read(key) };
}

function readSasl({ sasl }: Settings["kafka"], refuse: Refuse): KafkaSasl | null {
  const { mechanism, username, password } = sasl;
  if (mechanism === null) {
    if (username !== null) refuse("kafka.sasl.username", "needs kafka.sasl.mechanism");
    if (password !== null) refuse("kafka.sasl.password", "needs kafka.sasl.mechanism");
    return null;
  }
  if (username === null || password === null) {
    return refuse("kafka.sasl.mechanism", "needs kafka.sasl.username and kafka.sasl.password");
  }
  return { mechanism, username, password };
}
