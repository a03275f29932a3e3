/**
 * The boundary of: kafkajs' errors and ours. Its names and types are read here and nowhere else; a
 * text of its own is passed on only where it says what an operator can do.
 */
import { WatchfloorError } from "../../machines/errors.ts";

export interface Place {
  readonly brokers: string;
  readonly topic: string;
}

/** What kafkajs' errors have in common; all of it may be missing. */
interface Thrown {
  readonly name?: string;
  readonly type?: string;
  readonly code?: string;
  readonly message?: string;
  readonly cause?: unknown;
}

/** A group moved on without us: whatever we say about its offsets is for its next owner to say. */
const OVERTAKEN = new Set([
  "REBALANCE_IN_PROGRESS",
  "ILLEGAL_GENERATION",
  "UNKNOWN_MEMBER_ID",
  "NOT_COORDINATOR_FOR_GROUP",
]);
const UNREACHABLE = new Set([
  "KafkaJSConnectionError",
  "KafkaJSConnectionClosedError",
  "KafkaJSRequestTimeoutError",
  "KafkaJSBrokerNotFound",
  "KafkaJSNoBrokerAvailableError",
  "KafkaJSGroupCoordinatorNotFound",
]);
const REFUSED =
  /_AUTHORIZATION_FAILED$|^SASL_AUTHENTICATION_FAILED$|^UNSUPPORTED_SASL_MECHANISM$|^SECURITY_DISABLED$/;
const UNREADABLE = new Set([
  "KafkaJSNotImplemented",
  "KafkaJSUnsupportedMagicByteInMessageSet",
  "KafkaJSInvalidVarIntError",
  "KafkaJSInvalidLongError",
]);
/** From a certificate that does not fit; also a plain client at a TLS port. */
const TLS_TROUBLE = /certificate|self.signed|SSL|TLS|ERR_TLS|CERT_/i;
const WHY_CHARS_MAX = 200;

/** The error and what caused it, outermost first; bounded, for a cycle would be endless. */
function chainOf(error: unknown): readonly Thrown[] {
  const chain: Thrown[] = [];
  for (let at = error; typeof at === "object" && at !== null && chain.length < 8;) {
    chain.push(at);
    at = (at as Thrown).cause;
  }
  return chain;
}

export function isOvertaken(error: unknown): boolean {
  return chainOf(error).some(({ type }) => type !== undefined && OVERTAKEN.has(type));
}

export function isTopicMissing(error: unknown): boolean {
  return chainOf(error).some(
    ({ name, type }) =>
      type === "UNKNOWN_TOPIC_OR_PARTITION" || name === "KafkaJSTopicMetadataNotLoaded",
  );
}

/** Any failure of the client as one of `kafka_*`. */
export function namedFailure(error: unknown, { brokers, topic }: Place): WatchfloorError {
  const chain = chainOf(error);
  const known = chain.find((thrown) => thrown instanceof WatchfloorError);
  if (known) return known;
  const why = (chain.at(-1)?.message ?? String(error)).slice(0, WHY_CHARS_MAX);
  const more = { cause: error };
  const refused = chain.some(
    ({ name, type }) =>
      name === "KafkaJSSASLAuthenticationError" || (type !== undefined && REFUSED.test(type)),
  );
  if (refused) return new WatchfloorError("kafka_refused", { brokers, why }, more);
  if (isTopicMissing(error)) return new WatchfloorError("kafka_topic_missing", { topic, brokers });
  if (chain.some(({ name }) => name !== undefined && UNREADABLE.has(name))) {
    return new WatchfloorError("kafka_unreadable", { topic, why }, more);
  }
  const connection = chain.some(({ name }) => name !== undefined && UNREACHABLE.has(name));
  if (connection && chain.some(({ message, code }) => TLS_TROUBLE.test(`${code} ${message}`))) {
    return new WatchfloorError("kafka_refused", { brokers, why }, more);
  }
  if (connection) return new WatchfloorError("kafka_unreachable", { brokers, why }, more);
  return new WatchfloorError("kafka_failed", { why }, more);
}
