/**
 * The boundary of: cold actors. Loads their records on demand; one stored by a version that cannot be
 * read or migrated is set aside with an alarm, never reset.
 */
import type { ActorDefinition } from "../actors/define.ts";
import { toFailure, WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress, Json } from "../machines/protocol.ts";
import type { Item } from "./item.ts";
import type { StateStore } from "../transports/ports.ts";
import { behindDue, dueActor, type DueActor } from "./projection.ts";
import type { ActorRecord } from "./record.ts";
import type { ShardState } from "./state.ts";

const PAGE = 1_000;
const LOST_TRACEPARENT = `00-${"0".repeat(31)}1-${"0".repeat(15)}1-00`;

export interface LoadHost {
  readonly transport: { readonly store: StateStore };
  alarm(error: WatchfloorError): void;
}

export async function loadActors(
  state: ShardState,
  definition: ActorDefinition,
  host: LoadHost,
  wanted: Iterable<ActorAddress>,
): Promise<void> {
  const cold = new Set<ActorAddress>();
  for (const actor of wanted) if (!state.residents.has(actor)) cold.add(actor);
  if (cold.size === 0) return;
  for (const [actor, record] of await recordsOf(definition, host, [...cold])) {
    state.loaded(actor, record, readable(definition, host, actor, record));
  }
}

/** Stored records of actors; one whose bytes were changed is set aside, and the others are loaded. */
export async function recordsOf(
  definition: ActorDefinition,
  host: LoadHost,
  actors: readonly ActorAddress[],
): Promise<Map<ActorAddress, ActorRecord>> {
  const { store } = host.transport;
  const records = new Map<ActorAddress, ActorRecord>();
  if (actors.length === 0) return records;
  const stored = await store.getMany("actors", actors).catch(async (error: unknown) => {
    if (!isUnreadable(error)) throw error;
    return Promise.all(actors.map((actor) => storedOrAside(definition, host, actor)));
  });
  for (const [index, actor] of actors.entries()) {
    const record = (stored[index] ?? null) as unknown as ActorRecord | null;
    if (record) records.set(actor, record);
  }
  return records;
}

async function storedOrAside(
  definition: ActorDefinition,
  host: LoadHost,
  actor: ActorAddress,
): Promise<Json> {
  try {
    return await host.transport.store.get("actors", actor);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    host.alarm(error);
    const aside = { ...lostRecord(definition), setAside: toFailure(error, actor) };
    return aside as unknown as Json;
  }
}

function isUnreadable(error: unknown): error is WatchfloorError {
  return error instanceof WatchfloorError && error.code === "value_unreadable";
}

/** Of an actor of which nothing can be read. */
export function lostRecord(definition: ActorDefinition): ActorRecord {
  return {
    version: definition.version,
    turns: 0,
    snapshot: null,
    calls: [],
    timers: [],
    case: null,
    traceparent: LOST_TRACEPARENT,
    head: null,
    failedAt: [],
    setAside: null,
  };
}

/** Timers due after `after` and up to `until`: of the index, and of what it does not show yet. */
export async function dueActors(
  state: ShardState,
  store: StateStore,
  after: number,
  until: number,
): Promise<DueActor[]> {
  // In this order: what is written behind in between is then in the index.
  const due = state.pendingTimers(after, until);
  const prefix = `${state.shard}/`;
  let from = behindDue(state.shard, after);
  for (;;) {
    const page = await store.list("timers", prefix, { after: from, limit: PAGE });
    const found = page.map(({ key }) => dueActor(key)).filter(({ dueAt }) => dueAt <= until);
    due.push(...found);
    if (found.length < PAGE) return due;
    from = page.at(-1)!.key;
  }
}

/** Of an actor in memory: an input for each of its timers up to this time. */
export function dueItems(state: ShardState, actor: ActorAddress, until: number): Item[] {
  const timers = state.residents.get(actor)?.record.timers ?? [];
  return timers
    .filter(({ dueAt }) => dueAt <= until)
    .map((timer) => ({
      actor,
      source: { from: "timer", name: timer.name },
      input: { input: "timer", timer },
      attempts: 0,
    }));
}

/** The record as this version of the machine reads it. */
export function readable(
  definition: ActorDefinition,
  host: Pick<LoadHost, "alarm">,
  actor: ActorAddress,
  record: ActorRecord,
): ActorRecord {
  if (record.version === definition.version) return record;
  const migrate = definition.migrations?.[record.version];
  if (migrate && record.snapshot) {
    const context = migrate(record.snapshot.context);
    return { ...record, version: definition.version, snapshot: { ...record.snapshot, context } };
  }
  const error = new WatchfloorError("unknown_version", {
    actor,
    found: record.version,
    known: definition.version,
  });
  host.alarm(error);
  return { ...record, setAside: toFailure(error, actor) };
}
