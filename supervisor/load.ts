/**
 * The boundary of: cold actors. Loads their records on demand; one stored by a version that cannot be
 * read or migrated is set aside with an alarm, never reset.
 */
import type { ActorDefinition } from "../actors/define.ts";
import { toFailure, WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress } from "../machines/protocol.ts";
import type { StateStore } from "../transports/ports.ts";
import type { Item } from "./item.ts";
import type { ActorRecord } from "./record.ts";
import type { ShardState } from "./state.ts";

export interface LoadHost {
  readonly transport: { readonly store: StateStore };
  alarm(error: WatchfloorError): void;
}

export async function loadActors(
  state: ShardState,
  definition: ActorDefinition,
  host: LoadHost,
  items: readonly Item[],
): Promise<void> {
  const cold = new Set<ActorAddress>();
  for (const { actor } of items) if (!state.residents.has(actor)) cold.add(actor);
  if (cold.size === 0) return;
  const actors = [...cold];
  const stored = await host.transport.store.getMany("actors", actors);
  for (const [index, actor] of actors.entries()) {
    const record = (stored[index] ?? null) as unknown as ActorRecord | null;
    state.loaded(actor, record);
    if (record)
      state.residents.set(actor, {
        record: readable(definition, host, actor, record),
        snapshot: null,
      });
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
