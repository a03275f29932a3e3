/**
 * The boundary of: take-over. Read the last position, append the claim, read the tail up to it, then
 * the index. What the tail is bounded by, this is bounded by.
 */
import type { ActorDefinition } from "../actors/define.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress } from "../machines/protocol.ts";
import type { Clock, Position, Random, StoredRecord, Transport } from "../transports/ports.ts";
import { appendSurely } from "./commit.ts";
import { LIMITS } from "./limits.ts";
import { readable } from "./load.ts";
import { callingActor } from "./projection.ts";
import {
  decodeRecord,
  encodeRecord,
  RECORD_FORMAT,
  type ActorRecord,
  type CheckpointRecord,
  type JournalRecord,
} from "./record.ts";
import type { ShardState } from "./state.ts";

/** Another claimed between our look and our append: as often as runners can race for one shard. */
const CLAIMS_MAX = 8;
/** The log was trimmed while it was read, or the read was stale. */
const READS_MAX = 5;
const READ_AGAIN_MS = 50;

export interface RecoverHost {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly runnerId: string;
  /** Steady clock, ms: the end of the own lease. */
  actUntil(): number;
  /** Nobody waits for the shard any more. */
  ended(): boolean;
  alarm(error: WatchfloorError): void;
}

export interface Recovered {
  /** Position of the own claim: the epoch. */
  readonly last: Position;
  readonly tail: number;
  /** Actors with calls that were begun and have no result. */
  readonly calling: ReadonlyMap<ActorAddress, ActorRecord>;
}

export async function recoverShard(
  shard: string,
  definition: ActorDefinition,
  state: ShardState,
  host: RecoverHost,
): Promise<Recovered> {
  const last = await claim(shard, host);
  const stored = await readTail(host, shard, last);
  const tail = decodeTail(host, shard, stored);
  await loadIndexed(state, host, tail);
  replay(state, tail);
  const calling = await outstanding(shard, state, host);
  for (const [actor, resident] of state.residents) {
    resident.record = readable(definition, host, actor, resident.record);
  }
  return { last, tail: stored.length, calling };
}

/**
 * In this order: read the last position, check the own lease, append. Whoever was paused in between
 * either finds the lease passed, or is refused by the journal because its successor was there first.
 */
async function claim(shard: string, host: RecoverHost): Promise<Position> {
  const { journal } = host.transport;
  const { clock, random, runnerId } = host;
  for (let attempt = 1; ; attempt++) {
    const before = await journal.last(shard);
    if (host.ended() || clock.steady() >= host.actUntil())
      throw new WatchfloorError("lease_passed", { shard });
    const record = {
      r: "claim",
      at: clock.now(),
      format: RECORD_FORMAT,
      runner: runnerId,
    } as const;
    try {
      const committer = { journal, clock, random, ended: () => host.ended() };
      return await appendSurely(committer, shard, before, [encodeRecord(record)]);
    } catch (error) {
      if (!isFenced(error) || attempt >= CLAIMS_MAX) throw error;
    }
  }
}

function isFenced(error: unknown): boolean {
  return error instanceof WatchfloorError && error.code === "fenced";
}

/** Up to the own claim. The predecessor may still be trimming what nobody needs: then it is read again. */
async function readTail(host: RecoverHost, shard: string, last: Position): Promise<StoredRecord[]> {
  for (let attempt = 1; ; attempt++) {
    const records = await readOnce(host, shard, last);
    const broken = breakIn(records, last);
    if (broken === null) return records;
    // Whoever followed us may have trimmed our claim already.
    if ((await host.transport.journal.last(shard)) > last)
      throw new WatchfloorError("fenced", { shard });
    if (attempt >= READS_MAX) {
      const why = "its predecessor is missing";
      throw new WatchfloorError("record_unreadable", { shard, position: broken, why });
    }
    await new Promise<void>((resolve) => void host.clock.after(READ_AGAIN_MS, resolve));
  }
}

async function readOnce(host: RecoverHost, shard: string, last: Position): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (let from = 0; from <= last;) {
    const found = await host.transport.journal.read(shard, from, LIMITS.tailReadMax);
    records.push(...found.filter(({ position }) => position <= last));
    if (found.length === 0) break;
    from = found.at(-1)!.position + 1;
  }
  return records;
}

/** Each append names its predecessor: a hole means that the log is not one log. */
function breakIn(records: readonly StoredRecord[], last: Position): Position | null {
  for (const [index, { position }] of records.entries())
    if (index > 0 && position !== records[index - 1]!.position + 1) return position;
  return records.at(-1)?.position === last ? null : last;
}

/** What the index says of the tail's actors, so that what no longer holds is taken out of it. */
async function loadIndexed(
  state: ShardState,
  host: RecoverHost,
  tail: readonly { readonly record: JournalRecord }[],
): Promise<void> {
  const actors = tail.flatMap(({ record }) =>
    "record" in record && record.record ? [record.actor] : [],
  );
  for (const [actor, stored] of await recordsOf(host, actors)) state.loaded(actor, stored);
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

/** Rebuilds marks, sequences, the outbox, and the newest record of each actor in the tail. */
function replay(
  state: ShardState,
  tail: readonly { position: Position; record: JournalRecord }[],
): void {
  const checkpoint = tail
    .map(({ record }) => record)
    .findLast((record) => record.r === "checkpoint");
  if (checkpoint) state.restoreCheckpoint(checkpoint as CheckpointRecord);
  const after = (checkpoint as CheckpointRecord | undefined)?.upTo ?? 0;
  for (const { position, record } of tail) if (position > after) state.absorb(record);
}

/** Who waits for calls: of the index, and of the tail, whose word is newer. */
async function outstanding(
  shard: string,
  state: ShardState,
  host: RecoverHost,
): Promise<Map<ActorAddress, ActorRecord>> {
  const listed = await host.transport.store.list("calls", `${shard}/`);
  const cold = listed
    .map(({ key }) => callingActor(key))
    .filter((actor) => !state.residents.has(actor));
  const calling = await recordsOf(host, cold);
  for (const [actor, { record }] of state.residents) {
    if (record.calls.length > 0) calling.set(actor, record);
  }
  return calling;
}

async function recordsOf(
  host: RecoverHost,
  actors: readonly ActorAddress[],
): Promise<Map<ActorAddress, ActorRecord>> {
  const wanted = [...new Set(actors)];
  const records = new Map<ActorAddress, ActorRecord>();
  if (wanted.length === 0) return records;
  const stored = await host.transport.store.getMany("actors", wanted);
  for (const [index, actor] of wanted.entries()) {
    const record = (stored[index] ?? null) as unknown as ActorRecord | null;
    if (record) records.set(actor, record);
  }
  return records;
}
