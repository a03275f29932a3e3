/**
 * The boundary of: what is written in a journal. One record is one turn, or one of the few other
 * facts a shard's owner states about it. JSON text, so that an operator can read it with stock tools.
 */
import { z } from "zod";
import type { ActorAddress, Envelope, FailureData, Json } from "../machines/protocol.ts";
import type { CaseSummary, EventOutcome } from "../machines/vocabulary.ts";

export type CallOutcome =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly failure: FailureData };

/** What a turn is taken on. */
export type TurnInput =
  | { readonly input: "envelope"; readonly envelope: Envelope }
  | { readonly input: "result"; readonly call: OutstandingCall; readonly result: CallOutcome }
  | { readonly input: "timer"; readonly timer: ArmedTimer };

/** Of the records below. A runner that meets a higher one leaves the shard alone. */
export const RECORD_FORMAT = 1;

/** What is left of an XState snapshot when its actor is not in memory. */
export interface PersistedSnapshot {
  readonly value: Json;
  readonly context: Json;
  readonly status: "active" | "done";
  readonly historyValue?: Json;
}

/** A call that was begun and whose result has not been applied. */
export interface OutstandingCall {
  readonly id: string;
  /** Invoke id in the chart: the result comes back under it. */
  readonly invoke: string;
  readonly src: string;
  readonly kind: "tool" | "ask";
  /** A tool's input, for recovery starts it again; an ask's addressee. */
  readonly input: Json;
  readonly at: number;
}

/** A timer of the chart (`xstate.after…`) or of an ask (`ask:<call id>`). */
export interface ArmedTimer {
  readonly name: string;
  readonly dueAt: number;
  /** Tells this arming from an earlier one of the same name. */
  readonly armedInTurn: number;
}

/** Everything durable about one actor. */
export interface ActorRecord {
  readonly version: number;
  readonly turns: number;
  readonly snapshot: PersistedSnapshot | null;
  readonly calls: readonly OutstandingCall[];
  readonly timers: readonly ArmedTimer[];
  readonly case: string | null;
  readonly traceparent: string;
  /** End of the case's history chain; coordinators only. */
  readonly head: { readonly n: number; readonly hash: string } | null;
  /** Times of recent failures: restart intensity survives a restart. */
  readonly failedAt: readonly number[];
  /** The actor takes no envelopes until a person retries or drops its dead letters. */
  readonly setAside: FailureData | null;
}

/** Where a turn's input came from: what must not be applied twice. */
export type Source =
  | { readonly from: "shard"; readonly shard: string; readonly seq: number }
  | {
      readonly from: "mailbox";
      readonly first: number;
      readonly last: number;
      /** The envelope crossed runners: its sender's number is applied with it. */
      readonly also?: { readonly shard: string; readonly seq: number };
    }
  | { readonly from: "call"; readonly callId: string }
  | { readonly from: "timer"; readonly name: string };

/** One entry of a case's history; `hash` covers all other fields, `prev` included. */
export interface HistoryEntry {
  readonly case: string;
  readonly n: number;
  readonly prev: string;
  readonly at: number;
  readonly turn: number;
  readonly event: string;
  readonly from: string;
  readonly to: string;
  readonly cause: string;
  readonly data: Json;
  readonly hash: string;
}

export interface TurnRecord {
  readonly r: "turn";
  readonly at: number;
  readonly actor: ActorAddress;
  readonly source: Source;
  readonly event: string;
  readonly cause: string;
  /** State of the chart before and after, for people. */
  readonly was: string;
  readonly is: string;
  readonly random: number;
  readonly record: ActorRecord;
  readonly outbox: readonly Envelope[];
  readonly outcomes: readonly EventOutcome[];
  readonly history: HistoryEntry | null;
  readonly summary: CaseSummary | null;
}

/** An envelope that changed nothing: its actor had ended, or nobody waited for it any more. */
interface DropRecord {
  readonly r: "drop";
  readonly at: number;
  readonly actor: ActorAddress;
  readonly source: Source;
  readonly event: string;
  readonly why: string;
  readonly outbox: readonly Envelope[];
}

/** A failed turn that will be tried again: counted durably, or a crash loop would reset it. */
interface FailureRecord {
  readonly r: "failure";
  readonly at: number;
  readonly actor: ActorAddress;
  readonly record: ActorRecord;
}

export interface DeadLetter {
  readonly id: string;
  readonly actor: ActorAddress;
  readonly case: string | null;
  /** What could not be applied, so that a retry can apply it. */
  readonly input: TurnInput;
  readonly event: string;
  readonly cause: FailureData;
  readonly at: number;
}

interface DeadRecord {
  readonly r: "dead";
  readonly at: number;
  readonly actor: ActorAddress;
  readonly source: Source;
  readonly letter: DeadLetter;
  readonly record: ActorRecord | null;
  readonly outbox: readonly Envelope[];
}

/** A person resolved a dead letter; a retry is followed by the turn itself in the same append. */
interface ResolvedRecord {
  readonly r: "resolved";
  readonly at: number;
  readonly actor: ActorAddress;
  readonly source: Source;
  readonly letter: string;
  readonly how: "retried" | "dropped";
  readonly record: ActorRecord | null;
}

interface ClaimRecord {
  readonly r: "claim";
  readonly at: number;
  readonly format: number;
  readonly runner: string;
}

export interface Mark {
  /** Everything up to here was applied. */
  readonly mark: number;
  /** Ranges applied beyond the mark, out of order: first and last; a number is a range of one. */
  readonly ahead: readonly (number | readonly [number, number])[];
}

/** State up to position `upTo` is in the state store; what it does not hold is here. */
export interface CheckpointRecord {
  readonly r: "checkpoint";
  readonly at: number;
  readonly upTo: number;
  readonly marks: Readonly<Record<string, Mark>>;
  readonly sent: Readonly<Record<string, number>>;
  readonly unsettled: readonly Envelope[];
}

export type JournalRecord =
  | TurnRecord
  | DropRecord
  | FailureRecord
  | DeadRecord
  | ResolvedRecord
  | ClaimRecord
  | CheckpointRecord;

const recordHead = z.looseObject({
  r: z.enum(["turn", "drop", "failure", "dead", "resolved", "claim", "checkpoint"]),
  at: z.number(),
});

export function encodeRecord(record: JournalRecord): string {
  return JSON.stringify(record);
}

/** A turn whose actor's record is encoded already: the state store is given the same text. */
export function encodeTurn(turn: TurnRecord, recordText: string): string {
  const { record: _, ...rest } = turn;
  return `${JSON.stringify(rest).slice(0, -1)},"record":${recordText}}`;
}

/** Whom a record was about that cannot be read: its bytes mostly still say so. */
export function actorIn(damaged: string): ActorAddress | null {
  const found = /"actor":"([a-z]+\/[^"\\]{1,200})"/.exec(damaged)?.[1];
  return found === undefined ? null : (found as ActorAddress);
}

/** A record of a journal, or why it cannot be read. Only its own runner wrote it: the head is checked, not each field. */
export function decodeRecord(text: string | null): JournalRecord | { readonly unreadable: string } {
  if (text === null) return { unreadable: "its bytes are damaged" };
  try {
    const parsed: unknown = JSON.parse(text);
    const head = recordHead.safeParse(parsed);
    if (!head.success) return { unreadable: "it is of an unknown kind" };
    return parsed as JournalRecord;
  } catch {
    return { unreadable: "it is not JSON" };
  }
}
