/**
 * The boundary of: what the server or the client calls a failure, and our names for it. Two kinds
 * stay apart: a refusal, after which nothing was done, and an answer that did not come.
 */
import { errors } from "@nats-io/transport-node";
import { JetStreamApiError } from "@nats-io/jetstream";
import { WatchfloorError } from "../../machines/errors.ts";

/** Codes of the server's error table. */
const CODES = {
  wrongLastSequence: new Set([10071, 10164]),
  /** No room on the disk, or within the account's limits. */
  full: new Set([10002, 10023, 10028, 10047]),
  storeFailed: new Set([10077]),
  /** No leader for now. */
  unavailable: new Set([10008, 10009]),
  payload: new Set([10054, 10103]),
  streamUnknown: new Set([10059]),
  jetstreamOff: new Set([10039, 10076]),
} as const;

/** What was being done, for the message. */
export interface Deed {
  /** Without its password. */
  readonly url: string;
  /** A stream or a subject. */
  readonly target: string;
}

export function isWrongLastSequence(error: unknown): boolean {
  return error instanceof JetStreamApiError && CODES.wrongLastSequence.has(error.code);
}

export function isStreamUnknown(error: unknown): boolean {
  return error instanceof JetStreamApiError && CODES.streamUnknown.has(error.code);
}

/** Nothing says whether it was done: no answer, or a connection that broke. */
export function isUnanswered(error: unknown): boolean {
  if (error instanceof WatchfloorError) return error.code === "nats_unanswered";
  const root = rootOf(error);
  if (root instanceof JetStreamApiError) return CODES.unavailable.has(root.code);
  return !(
    root instanceof errors.AuthorizationError ||
    root instanceof errors.UserAuthenticationExpiredError ||
    root instanceof errors.PermissionViolationError
  );
}

/** Any failure of a use of the server as a named one. */
export function namedFailure({ url, target }: Deed, error: unknown): WatchfloorError {
  if (error instanceof WatchfloorError) return error;
  const cause = rootOf(error);
  const more = { cause };
  if (cause instanceof JetStreamApiError && !CODES.unavailable.has(cause.code)) {
    if (isFull(cause)) return new WatchfloorError("nats_full", { target }, more);
    if (CODES.payload.has(cause.code))
      return new WatchfloorError("nats_payload", { target, why: cause.message }, more);
    if (CODES.jetstreamOff.has(cause.code))
      return new WatchfloorError("nats_jetstream_off", { url }, more);
    return new WatchfloorError("nats_failed", { target, why: cause.message }, more);
  }
  if (cause instanceof errors.PermissionViolationError)
    return new WatchfloorError(
      "nats_forbidden",
      { operation: cause.operation, target: cause.subject },
      more,
    );
  if (isRefused(cause)) return new WatchfloorError("nats_refused", { url }, more);
  return new WatchfloorError("nats_unanswered", { target, url, why: whyOf(cause) }, more);
}

function isFull(error: JetStreamApiError): boolean {
  if (CODES.full.has(error.code)) return true;
  return CODES.storeFailed.has(error.code) && /space|maximum|exceed/i.test(error.message);
}

/** A failed attempt to connect. */
export function connectFailure(url: string, error: unknown): WatchfloorError {
  const cause = rootOf(error);
  if (isRefused(cause)) return new WatchfloorError("nats_refused", { url }, { cause });
  return new WatchfloorError("nats_unreachable", { url, why: whyOf(cause) }, { cause });
}

function isRefused(error: unknown): boolean {
  return (
    error instanceof errors.AuthorizationError ||
    error instanceof errors.UserAuthenticationExpiredError
  );
}

/** Of a request: no responders, or what broke it. */
function rootOf(error: unknown): unknown {
  return error instanceof errors.RequestError && error.cause !== undefined ? error.cause : error;
}

function whyOf(error: unknown): string {
  if (error instanceof errors.TimeoutError) return "no answer in time";
  if (isNotEnabled(error) || error instanceof errors.NoRespondersError)
    return "JetStream is not answering";
  if (error instanceof AggregateError && error.errors[0] !== undefined)
    return whyOf(error.errors[0]);
  if (!(error instanceof Error)) return "the reason is unknown";
  const { code } = error as NodeJS.ErrnoException;
  return code ?? error.message;
}

/** What the client makes of a request that nobody listens to; it exports no class for it. */
function isNotEnabled(error: unknown): boolean {
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}
