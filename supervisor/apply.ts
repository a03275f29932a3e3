/**
 * The boundary of: an input and what is appended for it. Decides among turn, drop, failure and dead
 * letter; performs nothing and awaits nothing.
 */
import type { ActorDefinition } from "../actors/define.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress, Envelope, FailureData } from "../machines/protocol.ts";
import { askFailure } from "./calls.ts";
import { restore } from "./chart.ts";
import type { ApplyContext, Item } from "./item.ts";
import { deadLetter, escalation, eventName, failureOf, refusals, senderOf } from "./letters.ts";
import { LIMITS } from "./limits.ts";
import { lostRecord } from "./load.ts";
import { shardOf } from "./placement.ts";
import {
  encodeRecord,
  encodeTurn,
  type ActorRecord,
  type DeadLetter,
  type JournalRecord,
  type OutstandingCall,
  type TurnInput,
  type TurnRecord,
} from "./record.ts";
import { decideRestart, rememberFailure, RESTART } from "./restart.ts";
import { envelopeId, type Resident, type ShardState } from "./state.ts";
import {
  caseOfActor,
  freshRecord,
  isTerminal,
  REPLY_TYPE,
  takeTurn,
  type Draft,
  type ReplyData,
  type Turn,
} from "./turn.ts";

export interface Applied {
  readonly records: readonly JournalRecord[];
  readonly texts: readonly string[];
  readonly bytes: number;
  readonly actor: ActorAddress;
  readonly started: readonly OutstandingCall[];
  readonly cancelled: readonly OutstandingCall[];
  /** The actor waits this long before its next input; the item is tried again then. */
  readonly retryAfterMs: number | null;
}

/** Envelopes of one turn may make at most this many others. */
const FAN_OUT_MAX = 5_000;

/** Null: nothing durable changes (a timer that no longer holds, a result nobody waits for). */
export function applyItem(context: ApplyContext, state: ShardState, item: Item): Applied | null {
  if (item.lost) return lostTurn(context, state, item, item.lost);
  const resolution = resolutionOf(item);
  if (resolution) return resolved(context, state, item, resolution);
  const resident = state.residents.get(item.actor) ?? null;
  const record = resident?.record ?? null;
  const input = resolveInput(record, item.input);
  if (input === null) return lapsed(context, state, item, "nobody waits for it");
  if (record && isTerminal(record)) return lapsed(context, state, item, "its actor has ended");
  if (record?.setAside) return dead(context, state, item, record, record.setAside);
  try {
    return turned(context, state, item, resident, input);
  } catch (error) {
    return failed(context, state, item, record, failureOf(item, error));
  }
}

/** Types of the two envelopes by which a person resolves a dead letter; data: `{ letter }`. */
export const RETRY_TYPE = "wf.retry";
export const DROP_TYPE = "wf.drop";

function resolutionOf(item: Item): { letter: DeadLetter; how: "retried" | "dropped" } | null {
  if (item.input.input !== "envelope") return null;
  const { type, data } = item.input.envelope;
  if (type !== RETRY_TYPE && type !== DROP_TYPE) return null;
  const { letter } = data as unknown as { letter: DeadLetter };
  return { letter, how: type === RETRY_TYPE ? "retried" : "dropped" };
}

/** Frees the actor; a retry then applies the letter's input as if it had just come. */
function resolved(
  context: ApplyContext,
  state: ShardState,
  item: Item,
  { letter, how }: { letter: DeadLetter; how: "retried" | "dropped" },
): Applied {
  const before = state.residents.get(item.actor)?.record ?? null;
  const record = before ? { ...before, setAside: null, failedAt: [] } : null;
  const { actor, source } = item;
  const first = appended(state, item, [
    { r: "resolved", at: context.at, actor, source, letter: letter.id, how, record },
  ]);
  if (how === "dropped") return first;
  const again = applyItem(context, state, {
    ...item,
    input: letter.input,
    attempts: RESTART.attemptsMax,
  });
  if (again === null) return first;
  const { started, cancelled, retryAfterMs } = again;
  const records = [...first.records, ...again.records];
  return {
    records,
    texts: [...first.texts, ...again.texts],
    bytes: first.bytes + again.bytes,
    actor,
    started,
    cancelled,
    retryAfterMs,
  };
}

/** A reply or an ask's timer becomes the result of the call it belongs to; a stale one becomes nothing. */
function resolveInput(record: ActorRecord | null, input: TurnInput): TurnInput | null {
  if (input.input === "envelope") {
    if (input.envelope.type !== REPLY_TYPE) return input;
    const reply = input.envelope.data as unknown as ReplyData;
    const call = record?.calls.find((candidate) => candidate.id === reply.callId);
    if (!call) return null;
    const result = reply.error
      ? ({ ok: false, failure: reply.error } as const)
      : ({ ok: true, value: reply.output ?? null } as const);
    return { input: "result", call, result };
  }
  if (input.input === "result") {
    return record?.calls.some((call) => call.id === input.call.id) ? input : null;
  }
  const { timer } = input;
  const holds = record?.timers.some(
    (t) => t.name === timer.name && t.armedInTurn === timer.armedInTurn,
  );
  if (!record || !holds) return null;
  if (!timer.name.startsWith("ask:")) return input;
  const call = record.calls.find((candidate) => candidate.id === timer.name.slice(4));
  if (!call) return null;
  const failure = askFailure("ask_timeout", call.input as string, timer.dueAt - call.at);
  return { input: "result", call, result: { ok: false, failure } };
}

function turned(
  context: ApplyContext,
  state: ShardState,
  item: Item,
  resident: Resident | null,
  input: TurnInput,
): Applied {
  const { definition, at } = context;
  const before = resident?.record ?? bornBy(definition, item);
  const random = context.random();
  const live =
    resident?.snapshot ?? (before.snapshot ? restore(definition.machine, before.snapshot) : null);
  const turn = takeTurn({ definition, address: item.actor, at, random }, before, live, input);
  if (turn.drafts.length > FAN_OUT_MAX) {
    throw new WatchfloorError("record_too_large", {
      actor: item.actor,
      bytes: turn.drafts.length,
      limit: FAN_OUT_MAX,
    });
  }
  const record = turnRecord(context, state, item, turn, random);
  const recordText = JSON.stringify(turn.record);
  const text = encodeTurn(record, recordText);
  const bytes = Buffer.byteLength(text);
  if (bytes > LIMITS.recordBytesMax) {
    throw new WatchfloorError("record_too_large", {
      actor: item.actor,
      bytes,
      limit: LIMITS.recordBytesMax,
    });
  }
  state.absorb(record, { snapshot: turn.snapshot, text: recordText });
  const { started, cancelled } = turn;
  return {
    records: [record],
    texts: [text],
    bytes,
    actor: item.actor,
    started,
    cancelled,
    retryAfterMs: null,
  };
}

function bornBy(definition: ActorDefinition, item: Item): ActorRecord {
  if (item.input.input !== "envelope")
    throw new WatchfloorError("unknown_actor_kind", { actor: item.actor });
  const record = freshRecord(definition, item.input.envelope);
  return { ...record, case: caseOfActor(item.actor, item.input.envelope) };
}

function turnRecord(
  context: ApplyContext,
  state: ShardState,
  item: Item,
  turn: Turn,
  random: number,
): TurnRecord {
  const { definition } = context;
  return {
    r: "turn",
    at: context.at,
    actor: item.actor,
    source: item.source,
    event: turn.event,
    cause: turn.cause,
    was: turn.was,
    is: turn.is,
    random,
    record: turn.record,
    outbox: address(context, state, item.actor, turn.record, turn.cause, turn.drafts),
    outcomes: turn.outcomes,
    history: turn.history,
    summary: definition.summary?.(turn.is, turn.record.snapshot?.context) ?? null,
  };
}

/** Numbers the outbox: sequences run from this shard to each receiving shard. */
function address(
  context: ApplyContext,
  state: ShardState,
  from: ActorAddress,
  sender: { readonly case: string | null; readonly traceparent: string },
  cause: string,
  drafts: readonly Draft[],
): Envelope[] {
  const next = new Map<string, number>();
  return drafts.map((draft) => {
    const receiver = shardOf(draft.to, context.shardCount);
    const seq = (next.get(receiver) ?? state.sent[receiver] ?? 0) + 1;
    next.set(receiver, seq);
    return {
      id: envelopeId(state.shard, receiver, seq),
      from,
      to: draft.to,
      type: draft.type,
      data: draft.data,
      traceparent: draft.traceparent ?? sender.traceparent,
      case: draft.case ?? sender.case,
      cause,
      replyTo: draft.replyTo,
      shard: state.shard,
      seq,
    };
  });
}

/** Nothing to apply. What came by mailbox or shard still counts as received; an asker is told. */
function lapsed(context: ApplyContext, state: ShardState, item: Item, why: string): Applied | null {
  if (item.source.from === "call" || item.source.from === "timer") return null;
  const record: JournalRecord = {
    r: "drop",
    at: context.at,
    actor: item.actor,
    source: item.source,
    event: eventName(item.input),
    why,
    outbox: address(
      context,
      state,
      item.actor,
      senderOf(item),
      eventName(item.input),
      refusals(item),
    ),
  };
  return appended(state, item, [record]);
}

function failed(
  context: ApplyContext,
  state: ShardState,
  item: Item,
  record: ActorRecord | null,
  cause: FailureData,
): Applied {
  const before =
    record ??
    (item.input.input === "envelope" ? freshRecord(context.definition, item.input.envelope) : null);
  if (!before) return dead(context, state, item, record, cause);
  const failedAt = rememberFailure(RESTART, before.failedAt, context.at);
  const action = decideRestart(RESTART, failedAt, item.attempts, cause.retryable, context.random());
  // The snapshot in memory may hold what the failed step left behind: the next try restores it.
  const counted: ActorRecord = { ...before, failedAt };
  if (action.do === "retry") {
    const failure: JournalRecord = {
      r: "failure",
      at: context.at,
      actor: item.actor,
      record: counted,
    };
    const applied = appended(state, item, record ? [failure] : []);
    return { ...applied, retryAfterMs: action.delayMs };
  }
  const asideBecause = action.do === "set_aside" || item.input.input !== "envelope" ? cause : null;
  return dead(context, state, item, { ...counted, setAside: asideBecause }, cause);
}

/** What is known of the actor is kept as it is, whatever it lacks: a person decides how it goes on. */
function lostTurn(
  context: ApplyContext,
  state: ShardState,
  item: Item,
  cause: FailureData,
): Applied {
  const record = state.residents.get(item.actor)?.record ?? lostRecord(context.definition);
  return dead(context, state, item, { ...record, setAside: cause }, cause);
}

function dead(
  context: ApplyContext,
  state: ShardState,
  item: Item,
  record: ActorRecord | null,
  cause: FailureData,
): Applied {
  const letter = deadLetter(context, item, cause);
  const drafts = [...refusals(item), ...escalation(context, item, letter)];
  const outbox = address(context, state, item.actor, senderOf(item), letter.id, drafts);
  const kept = record && (record.turns > 0 || item.lost) ? record : null;
  const { actor, source } = item;
  return appended(state, item, [
    { r: "dead", at: context.at, actor, source, letter, record: kept, outbox },
  ]);
}

function appended(state: ShardState, item: Item, records: readonly JournalRecord[]): Applied {
  for (const record of records) state.absorb(record);
  const texts = records.map(encodeRecord);
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return {
    records,
    texts,
    bytes,
    actor: item.actor,
    started: [],
    cancelled: [],
    retryAfterMs: null,
  };
}
