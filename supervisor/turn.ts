/**
 * The boundary of: one turn. Pure: an actor's record, one input, and the time and chance of the
 * turn give the next record and what must happen once it is committed. Nothing is performed here.
 */
import type { AnyMachineSnapshot } from "xstate";
import type { ActorDefinition } from "../actors/define.ts";
import { WatchfloorError } from "../machines/errors.ts";
import {
  kindOf,
  type ActorAddress,
  type AskInput,
  type Envelope,
  type EventMeta,
  type FailureData,
  type Json,
  type Outgoing,
  type Reply,
} from "../machines/protocol.ts";
import type { EventOutcome } from "../machines/vocabulary.ts";
import { activeInvokes, begin, persist, stateName, step, type Wish } from "./chart.ts";
import { chain } from "./history.ts";
import type {
  ActorRecord,
  ArmedTimer,
  HistoryEntry,
  OutstandingCall,
  TurnInput,
} from "./record.ts";

/** An envelope of the outbox before its shard numbers it. */
export interface Draft extends Outgoing {
  readonly replyTo: { readonly actor: ActorAddress; readonly callId: string } | null;
}

export interface Turn {
  readonly snapshot: AnyMachineSnapshot;
  readonly record: ActorRecord;
  readonly event: string;
  readonly cause: string;
  readonly was: string;
  readonly is: string;
  readonly drafts: readonly Draft[];
  readonly started: readonly OutstandingCall[];
  readonly cancelled: readonly OutstandingCall[];
  readonly outcomes: readonly EventOutcome[];
  readonly history: HistoryEntry | null;
}

export interface TurnContext {
  readonly definition: ActorDefinition;
  readonly address: ActorAddress;
  readonly at: number;
  readonly random: number;
}

/** Type of the envelope that answers an ask; its data is a ReplyData. */
export const REPLY_TYPE = "wf.reply";
export interface ReplyData {
  readonly callId: string;
  readonly output?: Json;
  readonly error?: FailureData;
}

export function freshRecord(definition: ActorDefinition, envelope: Envelope): ActorRecord {
  return {
    version: definition.version,
    turns: 0,
    snapshot: null,
    calls: [],
    timers: [],
    case: envelope.case,
    traceparent: envelope.traceparent,
    head: null,
    failedAt: [],
    setAside: null,
  };
}

export function takeTurn(
  context: TurnContext,
  before: ActorRecord,
  resident: AnyMachineSnapshot | null,
  input: TurnInput,
): Turn {
  const { definition, address, at } = context;
  const event = eventOf(context, before, input);
  const opened = resident
    ? { snapshot: resident, wishes: [] }
    : begin(definition.machine, {
        address,
        case: before.case,
        traceparent: before.traceparent,
        at,
      });
  const stepped = step(definition.machine, opened.snapshot, event.object);
  const wishes = [...opened.wishes, ...stepped.wishes];
  const book = bookkeep(context, before, input, stepped.snapshot, wishes);
  const was = resident ? stateName(resident.value as Json) : "";
  const is = stateName(stepped.snapshot.value as Json);
  const history = historyEntry(context, before, event, was, is, stepped.snapshot);
  const record: ActorRecord = {
    ...before,
    version: definition.version,
    turns: before.turns + 1,
    snapshot: persist(stepped.snapshot),
    calls: book.calls,
    timers: book.timers,
    head: history ? { n: history.n, hash: history.hash } : before.head,
    failedAt: [],
  };
  const outcomes = wishes.flatMap((wish) => (wish.wish === "record" ? wish.outcomes : []));
  const { drafts, started, cancelled } = book;
  return {
    snapshot: stepped.snapshot,
    record,
    event: event.name,
    cause: event.cause,
    was,
    is,
    drafts,
    started,
    cancelled,
    outcomes,
    history,
  };
}

interface TurnEvent {
  readonly name: string;
  readonly cause: string;
  readonly object: { readonly type: string } & Record<string, unknown>;
  readonly data: Json;
  readonly meta: EventMeta | null;
}

function eventOf(context: TurnContext, before: ActorRecord, input: TurnInput): TurnEvent {
  const { at, random } = context;
  if (input.input === "envelope") {
    const { id, from, type, data, traceparent, replyTo } = input.envelope;
    const meta: EventMeta = {
      id,
      from,
      at,
      random,
      case: input.envelope.case,
      traceparent,
      replyTo,
    };
    return { name: type, cause: id, object: { type, data, meta }, data, meta };
  }
  if (input.input === "timer") {
    const meta: EventMeta = {
      id: `timer:${input.timer.name}`,
      from: "timer",
      at,
      random,
      case: before.case,
      traceparent: before.traceparent,
      replyTo: null,
    };
    return {
      name: input.timer.name,
      cause: meta.id,
      object: { type: input.timer.name, meta },
      data: null,
      meta,
    };
  }
  const { call, result } = input;
  const durationMs = Math.max(0, at - call.at);
  const [type, payload] = result.ok
    ? [
        `xstate.done.actor.${call.invoke}`,
        { output: { value: result.value, at, random, durationMs } },
      ]
    : [
        `xstate.error.actor.${call.invoke}`,
        { error: { ...result.failure, at, random, durationMs } },
      ];
  const data = result.ok ? result.value : (result.failure as unknown as Json);
  return { name: type, cause: call.id, object: { type, ...payload }, data, meta: null };
}

interface Books {
  readonly calls: readonly OutstandingCall[];
  readonly timers: readonly ArmedTimer[];
  readonly drafts: readonly Draft[];
  readonly started: readonly OutstandingCall[];
  readonly cancelled: readonly OutstandingCall[];
}

/** Calls and timers after the turn: what was outstanding, less what answered, fired or was left, plus what began. */
function bookkeep(
  context: TurnContext,
  before: ActorRecord,
  input: TurnInput,
  snapshot: AnyMachineSnapshot,
  wishes: readonly Wish[],
): Books {
  const spent = input.input === "result" ? input.call.id : null;
  const calls = new Map(
    before.calls.filter((call) => call.id !== spent).map((call) => [call.invoke, call]),
  );
  const timers = new Map(before.timers.map((timer) => [timer.name, timer]));
  if (input.input === "timer") timers.delete(input.timer.name);
  const drafts: Draft[] = [];
  const started: OutstandingCall[] = [];
  const armedInTurn = before.turns + 1;
  for (const wish of wishes) {
    if (wish.wish === "call") {
      const call = callOf(context, before, wish, started.length);
      calls.set(wish.invoke, call);
      started.push(call);
      if (call.kind === "ask")
        drafts.push(
          askDraft(context, call, wish.input as unknown as AskInput, timers, armedInTurn),
        );
    } else if (wish.wish === "arm") {
      timers.set(wish.name, { name: wish.name, dueAt: context.at + wish.delayMs, armedInTurn });
    } else if (wish.wish === "disarm") timers.delete(wish.name);
    else if (wish.wish === "tell")
      drafts.push(...wish.messages.map((message) => ({ ...message, replyTo: null })));
    else if (wish.wish === "reply") drafts.push(replyDraft(wish.reply));
  }
  const active = activeInvokes(snapshot);
  const kept = [...calls.values()].filter((call) => active.has(call.invoke));
  const keptIds = new Set(kept.map((call) => call.id));
  const cancelled = before.calls.filter((call) => call.id !== spent && !keptIds.has(call.id));
  drafts.push(
    ...cancelled
      .concat(timedOutAsk(input))
      .filter((call) => call.kind === "ask")
      .map(cancelDraft),
  );
  const armed = snapshot.status === "active" ? [...timers.values()] : [];
  return {
    calls: kept,
    timers: armed.filter(
      (timer) => !timer.name.startsWith("ask:") || keptIds.has(timer.name.slice(4)),
    ),
    drafts,
    started: started.filter((call) => keptIds.has(call.id)),
    cancelled,
  };
}

function timedOutAsk(input: TurnInput): OutstandingCall[] {
  if (input.input !== "result" || input.result.ok) return [];
  return input.result.failure.code === "ask_timeout" ? [input.call] : [];
}

function cancelDraft(call: OutstandingCall): Draft {
  return {
    to: call.input as ActorAddress,
    type: "cancel",
    data: { callId: call.id },
    replyTo: null,
  };
}

function callOf(
  context: TurnContext,
  before: ActorRecord,
  wish: Wish & { wish: "call" },
  n: number,
): OutstandingCall {
  const binding = context.definition.calls[wish.src];
  if (!binding)
    throw new WatchfloorError("call_unknown", { actor: context.address, tool: wish.src });
  return {
    id: `${context.address}:${before.turns + 1}:${n}`,
    invoke: wish.invoke,
    src: wish.src,
    kind: binding.call,
    // Of a question only the addressee is kept: it is told when nobody waits any more.
    input: binding.call === "ask" ? (wish.input as unknown as AskInput).to : wish.input,
    at: context.at,
  };
}

function askDraft(
  context: TurnContext,
  call: OutstandingCall,
  ask: AskInput,
  timers: Map<string, ArmedTimer>,
  armedInTurn: number,
): Draft {
  if (ask.timeoutMs !== null) {
    const name = `ask:${call.id}`;
    timers.set(name, { name, dueAt: context.at + ask.timeoutMs, armedInTurn });
  }
  return {
    to: ask.to,
    type: ask.type,
    data: ask.data,
    replyTo: { actor: context.address, callId: call.id },
  };
}

export function replyDraft(reply: Reply): Draft {
  const data: ReplyData = {
    callId: reply.to.callId,
    ...(reply.error ? { error: reply.error } : { output: reply.output ?? null }),
  };
  return { to: reply.to.actor, type: REPLY_TYPE, data: data as unknown as Json, replyTo: null };
}

function historyEntry(
  context: TurnContext,
  before: ActorRecord,
  event: TurnEvent,
  was: string,
  is: string,
  snapshot: AnyMachineSnapshot,
): HistoryEntry | null {
  const { definition, at } = context;
  if (!definition.history || before.case === null) return null;
  return chain(before.head, {
    case: before.case,
    at,
    turn: before.turns + 1,
    event: event.name,
    from: was,
    to: is,
    cause: event.cause,
    data: definition.history(
      { type: event.name, data: event.data, meta: event.meta },
      snapshot.context,
    ),
  });
}

export function isTerminal(record: ActorRecord): boolean {
  return record.snapshot?.status === "done";
}

export function caseOfActor(address: ActorAddress, envelope: Envelope): string | null {
  if (kindOf(address) !== "coordinator") return envelope.case;
  return address.slice("coordinator/".length);
}
