/**
 * The boundary of: take-over. Read the last position, append the claim, read the tail up to it, then
 * the index. What the tail is bounded by, this is bounded by.
 */
import type { ActorDefinition } from "../actors/define.ts";
import { toFailure, WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress } from "../machines/protocol.ts";
import type { Clock, Position, Random, StoredRecord, Transport } from "../transports/ports.ts";
import { appendSurely } from "./commit.ts";
import type { Item } from "./item.ts";
import { LIMITS } from "./limits.ts";
import { readable, recordsOf } from "./load.ts";
import { callingActor } from "./projection.ts";
import {
  actorIn,
  decodeRecord,
  encodeRecord,
  RECORD_FORMAT,
  type ActorRecord,
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
  /** Records after the checkpoint that cannot be read, of whom it is known. */
  readonly lost: readonly LostTurn[];
  /** Actors with calls that were begun and have no result. */
  readonly calling: ReadonlyMap<ActorAddress, ActorRecord>;
}

/** A turn that was taken and whose record cannot be read: its actor must not go on as if it had not been. */
export interface LostTurn {
  readonly position: Position;
  readonly actor: ActorAddress;
  readonly error: WatchfloorError;
}

export async function recoverShard(
  shard: string,
  definition: ActorDefinition,
  state: ShardState,
  host: RecoverHost,
): Promise<Recovered> {
  const last = await claim(shard, host);
  const stored = await readTail(host, shard, last);
  const { tail, unreadable } = decodeTail(host, shard, stored);
  const upTo = checkpointed(tail);
  assertWhole(shard, stored, upTo);
  await loadIndexed(state, definition, host, tail);
  replay(state, tail, upTo);
  const lost = unreadable.filter(({ position, actor }) => position > upTo && actor !== null);
  const calling = await outstanding(shard, definition, state, host);
  for (const [actor, resident] of state.residents) {
    resident.record = readable(definition, host, actor, resident.record);
  }
  return { last, tail: stored.length, lost: lost as readonly LostTurn[], calling };
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
      throw cutShort(shard, broken, "what comes before it is missing");
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

/** The journal begins where the checkpoint allows it to: what is before that is in the state store. */
function assertWhole(shard: string, stored: readonly StoredRecord[], upTo: Position): void {
  const first = stored[0]?.position ?? 1;
  if (first > upTo + 1) throw cutShort(shard, first, "the journal is cut short before it");
}

function cutShort(shard: string, position: Position, why: string): WatchfloorError {
  return new WatchfloorError("record_unreadable", { shard, position, why, aside: shard });
}

function checkpointed(tail: readonly { readonly record: JournalRecord }[]): Position {
  const checkpoint = tail.findLast(({ record }) => record.r === "checkpoint")?.record;
  return checkpoint?.r === "checkpoint" ? checkpoint.upTo : 0;
}

/** What the index says of the tail's actors, so that what no longer holds is taken out of it. */
async function loadIndexed(
  state: ShardState,
  definition: ActorDefinition,
  host: RecoverHost,
  tail: readonly { readonly record: JournalRecord }[],
): Promise<void> {
  const actors = tail.flatMap(({ record }) =>
    "record" in record && record.record ? [record.actor] : [],
  );
  const records = await recordsOf(definition, host, [...new Set(actors)]);
  for (const [actor, stored] of records) state.loaded(actor, stored);
}

interface Decoded {
  readonly tail: readonly { readonly position: Position; readonly record: JournalRecord }[];
  readonly unreadable: readonly {
    readonly position: Position;
    readonly actor: ActorAddress | null;
    readonly error: WatchfloorError;
  }[];
}

function decodeTail(host: RecoverHost, shard: string, stored: readonly StoredRecord[]): Decoded {
  const tail: { position: Position; record: JournalRecord }[] = [];
  const unreadable: { position: Position; actor: ActorAddress | null; error: WatchfloorError }[] =
    [];
  for (const { position, text, damaged } of stored) {
    const record = decodeRecord(text);
    if ("unreadable" in record) {
      const actor = actorIn(text ?? damaged ?? "");
      const fields = { shard, position, why: record.unreadable, aside: actor ?? "nobody" };
      const error = new WatchfloorError("record_unreadable", fields);
      host.alarm(error);
      unreadable.push({ position, actor, error });
      continue;
    }
    if (record.r === "claim" && record.format > RECORD_FORMAT) {
      const fields = { path: shard, found: record.format, known: RECORD_FORMAT };
      throw new WatchfloorError("data_newer", fields);
    }
    tail.push({ position, record });
  }
  return { tail, unreadable };
}

/** Rebuilds marks, sequences, the outbox, and the newest record of each actor in the tail. */
function replay(state: ShardState, tail: Decoded["tail"], upTo: Position): void {
  const checkpoint = tail.findLast(({ record }) => record.r === "checkpoint")?.record;
  if (checkpoint?.r === "checkpoint") state.restoreCheckpoint(checkpoint);
  for (const { position, record } of tail) if (position > upTo) state.absorb(record);
}

/** Who waits for calls: of the index, and of the tail, whose word is newer. */
async function outstanding(
  shard: string,
  definition: ActorDefinition,
  state: ShardState,
  host: RecoverHost,
): Promise<Map<ActorAddress, ActorRecord>> {
  const listed = await host.transport.store.list("calls", `${shard}/`);
  const cold = listed
    .map(({ key }) => callingActor(key))
    .filter((actor) => !state.residents.has(actor));
  const calling = await recordsOf(definition, host, cold);
  for (const [actor, { record }] of state.residents) {
    if (record.calls.length > 0) calling.set(actor, record);
  }
  return calling;
}

/** As an input that comes first, so that nothing is applied to the actor before people hear of it. */
export function lostItem({ position, actor, error }: LostTurn): Item {
  const name = `wf.lost ${position}`;
  return {
    actor,
    source: { from: "timer", name },
    input: { input: "timer", timer: { name, dueAt: 0, armedInTurn: 0 } },
    lost: toFailure(error, actor),
    attempts: 0,
  };
}
