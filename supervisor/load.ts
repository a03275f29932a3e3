/**
 * The boundary of: cold actors. Loads their records on demand; one stored by a version that cannot be
 * read or migrated is set aside with an alarm, never reset.
 */
import type { ActorDefinition } from "../actors/define.ts";
import { toFailure, WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress } from "../machines/protocol.ts";
import type { StateStore } from "../transports/ports.ts";
import { behindDue, dueActor, type DueActor } from "./projection.ts";
import type { ActorRecord } from "./record.ts";
import type { ShardState } from "./state.ts";

const PAGE = 1_000;

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
  const actors = [...cold];
  const stored = await host.transport.store.getMany("actors", actors);
  for (const [index, actor] of actors.entries()) {
    const record = (stored[index] ?? null) as unknown as ActorRecord | null;
    if (record) state.loaded(actor, record, readable(definition, host, actor, record));
  }
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
