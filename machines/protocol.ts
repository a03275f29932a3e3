/**
 * The boundary of: everything that travels. Addresses, envelopes, and the shape in which a machine
 * and its host speak to each other. The words are those of the design; each has one meaning here.
 *
 * - machine: a pure statechart. actor: one durable instance of it, addressed `kind/id`.
 * - runner: a process that hosts actors. shard: a fixed slice of one kind's ids.
 * - envelope: a message. turn: one envelope applied to one actor, committed once.
 * - call: work outside the machine, recorded before it starts; only its outstanding id may answer.
 */

/** JSON as it is stored and sent. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** Actor kinds, in the order in which a case meets them. */
export const KINDS = [
  "ingest",
  "coordinator",
  "detector",
  "analyst",
  "reviewer",
  "remediator",
  "notifier",
  "approval",
  "trainer",
] as const;
export type Kind = (typeof KINDS)[number];

export type ActorAddress = `${Kind}/${string}`;
/** Senders that are not actors: sources, the command line, chat. They have no sequence; their envelopes are known by id. */
type EdgeAddress = `edge/${string}`;

export function kindOf(address: ActorAddress): Kind {
  return address.slice(0, address.indexOf("/")) as Kind;
}

export function idOf(address: ActorAddress): string {
  return address.slice(address.indexOf("/") + 1);
}

/** Where the answer to an ask goes: the asking actor and the call that waits for it. */
export interface ReplyTo {
  readonly actor: ActorAddress;
  readonly callId: string;
}

/** A message between actors, or from an edge to an actor. */
export interface Envelope {
  /** Unique; an edge's id is what repeats are recognised by. */
  readonly id: string;
  readonly from: ActorAddress | EdgeAddress;
  readonly to: ActorAddress;
  readonly type: string;
  readonly data: Json;
  /** W3C trace context of the case or event this belongs to. */
  readonly traceparent: string;
  /** The case, where there is one. */
  readonly case: string | null;
  /** The envelope whose turn sent this one. */
  readonly cause: string | null;
  readonly replyTo: ReplyTo | null;
  /** Sending shard `kind.n` and its sequence to the receiving shard; null from an edge. */
  readonly shard: string | null;
  readonly seq: number | null;
}

/** What a machine asks its host to send: an envelope without ids, which are the host's. */
export interface Outgoing {
  readonly to: ActorAddress;
  readonly type: string;
  readonly data: Json;
  /** Overrides the sender's case; ingest, which has none, names it. */
  readonly case?: string;
  readonly traceparent?: string;
}

/** A reply to an ask. Exactly one of `output` and `error` is meant. */
export interface Reply {
  readonly to: ReplyTo;
  readonly output?: Json;
  readonly error?: FailureData;
}

/** What the host adds to every event, since a machine has no clock, no randomness and no ids. */
export interface EventMeta {
  /** Envelope id. */
  readonly id: string;
  readonly from: string;
  /** Wall clock of the turn, in ms since the epoch. */
  readonly at: number;
  /** Uniform in [0, 1), drawn once for this turn and recorded with it. */
  readonly random: number;
  readonly case: string | null;
  readonly traceparent: string;
  readonly replyTo: ReplyTo | null;
}

/** The input of every machine: who it is. */
export interface ActorInput {
  readonly address: ActorAddress;
  readonly case: string | null;
  readonly traceparent: string;
  readonly at: number;
}

/** An event made of an envelope: its type, its data, and the host's meta. */
export interface MachineEvent<T extends string, D> {
  readonly type: T;
  readonly data: D;
  readonly meta: EventMeta;
}

/** What `onDone` of an invoke sees as `event.output`. */
export interface CallResult<O> {
  readonly value: O;
  readonly at: number;
  readonly random: number;
  readonly durationMs: number;
}

/** Why a call failed, as data: a code of the error table and bounded, safe facts. */
export interface FailureData {
  readonly code: string;
  /** One safe sentence, at most 300 characters, without text from events. */
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
  /** What the failed attempt still cost or learnt (token usage, say). */
  readonly data: Json;
}

/** What `onError` of an invoke sees as `event.error`. */
export interface CallFailure extends FailureData {
  readonly at: number;
  readonly random: number;
  readonly durationMs: number;
}

/** Input of an invoke that asks another actor; its reply is the call's value. */
export interface AskInput {
  readonly to: ActorAddress;
  readonly type: string;
  readonly data: Json;
  /** After this the call fails with `ask_timeout`; null waits for ever (a human's answer). */
  readonly timeoutMs: number | null;
}
