/**
 * The boundary of: take-over. Read the last position, append the claim, read the tail up to it, then
 * the index. What the tail is bounded by, this is bounded by.
 */
import type { ActorDefinition } from "../actors/define.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress } from "../machines/protocol.ts";
import type { Clock, Position, Random, StoredRecord, Transport } from "../transports/ports.ts";
import { appendSurely } from "./commit.ts";
import { readable } from "./load.ts";
import { indexedActor } from "./projection.ts";
import {
  decodeRecord,
  encodeRecord,
  RECORD_FORMAT,
  type ActorRecord,
  type CheckpointRecord,
  type JournalRecord,
} from "./record.ts";
import type { ShardState } from "./state.ts";

const READ_LIMIT = 1_000;

export interface RecoverHost {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly runnerId: string;
  alarm(error: WatchfloorError): void;
}

export interface Recovered {
  /** Position of the own claim: the epoch. */
  readonly last: Position;
  readonly tail: number;
  /** Actors with timers or calls outstanding, as they stand. */
  readonly waiting: ReadonlyMap<ActorAddress, ActorRecord>;
}

export async function recoverShard(
  shard: string,
  definition: ActorDefinition,
  state: ShardState,
  host: RecoverHost,
): Promise<Recovered> {
  const { journal } = host.transport;
  const before = await journal.last(shard);
  const claim = {
    r: "claim",
    at: host.clock.now(),
    format: RECORD_FORMAT,
    runner: host.runnerId,
  } as const;
  const { clock, random } = host;
  const last = await appendSurely({ journal, clock, random }, shard, before, [encodeRecord(claim)]);
  const stored = await readTail(host, shard, last);
  const tail = decodeTail(host, shard, stored);
  const changed = replay(state, tail);
  const waiting = await outstanding(shard, definition, host, changed);
  for (const [actor, record] of changed) {
    state.residents.set(actor, {
      record: readable(definition, host, actor, record),
      snapshot: null,
    });
  }
  return { last, tail: stored.length, waiting };
}

async function readTail(host: RecoverHost, shard: string, last: Position): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  let from = 0;
  for (;;) {
    const found = await host.transport.journal.read(shard, from, READ_LIMIT);
    records.push(...found);
    const end = found.at(-1)?.position ?? last;
    if (found.length === 0 || end >= last) break;
    from = end + 1;
  }
  // Each append names its predecessor: a hole means that the log is not one log.
  for (const [index, record] of records.entries()) {
    if (index > 0 && record.position !== records[index - 1]!.position + 1) {
      throw new WatchfloorError("record_unreadable", {
        shard,
        position: record.position,
        why: "its predecessor is missing",
      });
    }
  }
  return records;
}

function decodeTail(
  host: RecoverHost,
  shard: string,
  stored: readonly StoredRecord[],
): { position: Position; record: JournalRecord }[] {
  return stored.flatMap(({ position, text }) => {
    const record = decodeRecord(text);
    if ("unreadable" in record) {
      host.alarm(
        new WatchfloorError("record_unreadable", { shard, position, why: record.unreadable }),
      );
      return [];
    }
    if (record.r === "claim" && record.format > RECORD_FORMAT) {
      throw new WatchfloorError("data_newer", {
        path: shard,
        found: record.format,
        known: RECORD_FORMAT,
      });
    }
    return [{ position, record }];
  });
}

/** Rebuilds marks, sequences and the outbox; returns the newest record of each actor in the tail. */
function replay(
  state: ShardState,
  tail: readonly { position: Position; record: JournalRecord }[],
): Map<ActorAddress, ActorRecord> {
  const checkpoint = tail
    .map(({ record }) => record)
    .findLast((record) => record.r === "checkpoint");
  if (checkpoint) state.restoreCheckpoint(checkpoint as CheckpointRecord);
  const after = (checkpoint as CheckpointRecord | undefined)?.upTo ?? 0;
  const changed = new Map<ActorAddress, ActorRecord>();
  for (const { position, record } of tail) {
    if (position <= after) continue;
    state.absorb(record);
    if ("record" in record && record.record) changed.set(record.actor, record.record);
  }
  return changed;
}

/** From the index, what cold actors wait for; the tail's newer word goes before it. */
async function outstanding(
  shard: string,
  definition: ActorDefinition,
  host: RecoverHost,
  changed: ReadonlyMap<ActorAddress, ActorRecord>,
): Promise<Map<ActorAddress, ActorRecord>> {
  const { store } = host.transport;
  const cold = new Set<ActorAddress>();
  for (const table of ["timers", "calls"] as const) {
    for (const { key } of await store.list(table, `${shard}/`)) cold.add(indexedActor(table, key));
  }
  for (const actor of changed.keys()) cold.delete(actor);
  const actors = [...cold];
  const records = await store.getMany("actors", actors);
  const waiting = new Map<ActorAddress, ActorRecord>();
  for (const [index, actor] of actors.entries()) {
    const record = records[index] as unknown as ActorRecord | null;
    if (record) waiting.set(actor, readable(definition, host, actor, record));
  }
  for (const [actor, record] of changed) {
    if (record.timers.length > 0 || record.calls.length > 0) waiting.set(actor, record);
  }
  return waiting;
}
