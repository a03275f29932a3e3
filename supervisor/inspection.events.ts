/**
 * The boundary of: committed turns and the XState inspection protocol. Pure. What leaves here is
 * made of turn records only, cut to size, and without what a person wrote in their own words.
 *
 * A chart's actor is its address; a case is one actor system, whose root is its coordinator.
 */
import type { AnyStateMachine } from "xstate";
import {
  kindOf,
  type ActorAddress,
  type Envelope,
  type Json,
  type Kind,
} from "../machines/protocol.ts";
import type { PersistedSnapshot, TurnRecord } from "./record.ts";

/** Of `@statelyai/inspect`, whose messages these are; its readers want to be told. */
const PROTOCOL_VERSION = "0.7.2";

/** More than a context of ours has; what is over it is cut, never refused. */
const CUT = { chars: 200, items: 200, depth: 12 } as const;
/** Words of a person: an answer's reason, and who they say they are. */
const PERSONAL = new Set(["reason", "as"]);
/** These outlive a case, or come before it. */
const ROOT_KINDS: readonly Kind[] = ["coordinator", "ingest", "trainer"];

/** What is kept of a turn until it was shown, and of the last turn of an actor. */
export interface SeenTurn {
  readonly actor: ActorAddress;
  readonly at: number;
  readonly turn: number;
  readonly case: string | null;
  readonly event: string;
  readonly cause: string;
  readonly snapshot: PersistedSnapshot | null;
  /** Who sent what the turn was taken on; null for edges, timers and tools. */
  readonly sender: { readonly actor: Envelope["from"]; readonly data: Json } | null;
}

export function seenTurn(record: TurnRecord, sender: SeenTurn["sender"]): SeenTurn {
  const { actor, at, event, cause } = record;
  const { turns: turn, case: caseId, snapshot } = record.record;
  return { actor, at, turn, case: caseId, event, cause, snapshot, sender };
}

/** The coordinator of the case, for an actor that works for one. */
export function parentOf({ actor, case: caseId }: SeenTurn): ActorAddress | null {
  return caseId === null || ROOT_KINDS.includes(kindOf(actor)) ? null : `coordinator/${caseId}`;
}

interface Base {
  readonly sessionId: string;
  readonly rootId: string;
  readonly createdAt: string;
  readonly id: string;
  readonly _version: string;
}

interface ShownEvent {
  readonly type: string;
  readonly cause: string;
  readonly data?: Json;
}

interface ShownSnapshot {
  readonly status: "active" | "done";
  readonly value: Json;
  readonly context: Json;
  readonly output: undefined;
  readonly error: undefined;
}

export interface ActorMessage extends Base {
  readonly type: "@xstate.actor";
  readonly name: string;
  readonly parentId: string | undefined;
  readonly definition: string;
  readonly snapshot: ShownSnapshot;
}

export interface EventMessage extends Base {
  readonly type: "@xstate.event";
  readonly event: ShownEvent;
  readonly sourceId: string | undefined;
}

export interface SnapshotMessage extends Base {
  readonly type: "@xstate.snapshot";
  readonly event: ShownEvent;
  readonly snapshot: ShownSnapshot;
}

export type InspectionMessage = ActorMessage | EventMessage | SnapshotMessage;

export function actorMessage(seen: SeenTurn, definition: string): ActorMessage {
  return {
    type: "@xstate.actor",
    ...base(seen, "actor"),
    name: seen.actor,
    parentId: parentOf(seen) ?? undefined,
    definition,
    snapshot: snapshotOf(seen),
  };
}

export function eventMessage(seen: SeenTurn): EventMessage {
  const sourceId = seen.sender?.actor;
  return { type: "@xstate.event", ...base(seen, "event"), event: eventOf(seen), sourceId };
}

export function snapshotMessage(seen: SeenTurn): SnapshotMessage {
  const [event, snapshot] = [eventOf(seen), snapshotOf(seen)];
  return { type: "@xstate.snapshot", ...base(seen, "snapshot"), event, snapshot };
}

function base(seen: SeenTurn, what: string): Base {
  return {
    sessionId: seen.actor,
    rootId: parentOf(seen) ?? seen.actor,
    createdAt: String(seen.at),
    id: `${seen.actor}#${seen.turn}.${what}`,
    _version: PROTOCOL_VERSION,
  };
}

function eventOf({ event, cause, sender }: SeenTurn): ShownEvent {
  const data = sender === null ? {} : { data: presentable(sender.data) };
  return { type: cut(event), cause: cut(cause), ...data };
}

function snapshotOf({ snapshot }: SeenTurn): ShownSnapshot {
  return {
    status: snapshot?.status ?? "active",
    value: snapshot?.value ?? null,
    context: presentable(snapshot?.context ?? null),
    output: undefined,
    error: undefined,
  };
}

// ---- What may be seen --------------------------------------------------------------------------

/** The same data, cut to size and without personal words. */
export function presentable(value: Json | undefined, depth = 0): Json {
  if (typeof value === "string") return cut(value);
  if (value === null || typeof value !== "object") return value ?? null;
  if (depth >= CUT.depth) return "…";
  if (Array.isArray(value)) {
    return value.slice(0, CUT.items).map((item: Json) => presentable(item, depth + 1));
  }
  const kept = Object.entries(value)
    .filter(([key]) => !PERSONAL.has(key))
    .slice(0, CUT.items);
  return Object.fromEntries(kept.map(([key, item]) => [cut(key), presentable(item, depth + 1)]));
}

function cut(text: string): string {
  if (text.length <= CUT.chars) return text;
  // Half of a surrogate pair is no character.
  return `${text.slice(0, CUT.chars - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/** The chart as its author wrote it, as JSON. Its first context is left out: it is a snapshot's. */
export function definitionOf(machine: AnyStateMachine): string {
  const { context: _, ...chart } = machine.config;
  return JSON.stringify(chart, (_key, value: unknown) =>
    typeof value === "function" ? { type: value.name || "inline" } : value,
  );
}
