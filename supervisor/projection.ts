/**
 * The boundary of: journal and state store. Pure: a record gives the entries it leaves in the store.
 * The owner writes them behind the journal; a reading command applies the same to the tail.
 */
import { entityPrefix } from "../actors/tools/history.ts";
import type { ActorAddress, Json } from "../machines/protocol.ts";
import type { CaseSummary } from "../machines/vocabulary.ts";
import type { Put } from "../transports/ports.ts";
import type { ActorRecord, JournalRecord, TurnRecord } from "./record.ts";

const json = (value: unknown): Json => value as Json;
const digits = (n: number, width: number): string => String(Math.trunc(n)).padStart(width, "0");

const DUE_DIGITS = 15;

export const historyKey = (caseId: string, n: number): string => `${caseId}/${digits(n, 8)}`;

const memberKey = (caseId: string, digest: string): string => `${caseId}/${digest}`;

/** Everything a record leaves. Without what the index said before it, no index entry is removed. */
export function project(shard: string, record: JournalRecord): Put[] {
  const kept = "record" in record ? record.record : null;
  const actor = kept && "actor" in record ? actorPuts(shard, record.actor, kept, null) : [];
  return [...actor, ...factPuts(record)];
}

/** What a record leaves besides the state of its actor. */
export function factPuts(record: JournalRecord): Put[] {
  if (record.r === "turn") return turnFacts(record);
  if (record.r === "dead")
    return [{ table: "deadletters", key: record.letter.id, value: json(record.letter) }];
  if (record.r === "resolved") return [{ table: "deadletters", key: record.letter, value: null }];
  return [];
}

function turnFacts({ outcomes, history, summary, record }: TurnRecord): Put[] {
  const puts: Put[] = [];
  for (const outcome of outcomes) {
    puts.push({ table: "outcomes", key: outcome.digest, value: json(outcome) });
    const value = outcome.case ?? outcome.digest;
    puts.push({ table: "traces", key: outcome.traceId, value });
    if (outcome.case !== null)
      puts.push({ table: "members", key: memberKey(outcome.case, outcome.digest), value: 1 });
  }
  if (history) {
    const key = historyKey(history.case, history.n);
    puts.push({ table: "history", key, value: json(history) });
  }
  if (summary) puts.push(...summaryPuts(summary, record.turns === 1));
  return puts;
}

/** An entity's cases are found by its digest: its name is an attacker's to choose, and of any length. */
function summaryPuts(summary: CaseSummary, isNew: boolean): Put[] {
  const { case: caseId, entity } = summary;
  return [
    { table: "cases", key: caseId, value: json(summary) },
    ...(isNew
      ? [{ table: "entities", key: `${entityPrefix(entity)}${caseId}`, value: 1 } as const]
      : []),
  ];
}

/** @param before the record that the index still speaks of. */
export function actorPuts(
  shard: string,
  actor: ActorAddress,
  after: ActorRecord,
  before: ActorRecord | null,
  text: string | null = null,
): Put[] {
  const value = json(after);
  return [
    text === null
      ? { table: "actors", key: actor, value }
      : { table: "actors", key: actor, value, text },
    ...indexPuts("timers", timerKeys(shard, actor, before), timerKeys(shard, actor, after)),
    ...indexPuts("calls", callKeys(shard, actor, before), callKeys(shard, actor, after)),
  ];
}

function timerKeys(shard: string, actor: ActorAddress, record: ActorRecord | null): string[] {
  return (record?.timers ?? []).map(
    (timer) => `${shard}/${digits(timer.dueAt, DUE_DIGITS)}/${actor}`,
  );
}

function callKeys(shard: string, actor: ActorAddress, record: ActorRecord | null): string[] {
  return (record?.calls ?? [])
    .filter((call) => call.kind === "tool")
    .map(() => `${shard}/${actor}`);
}

function indexPuts(
  table: "timers" | "calls",
  before: readonly string[],
  after: readonly string[],
): Put[] {
  return [
    ...before
      .filter((key) => !after.includes(key))
      .map((key): Put => ({ table, key, value: null })),
    ...after.filter((key) => !before.includes(key)).map((key): Put => ({ table, key, value: 1 })),
  ];
}

/** The actor an entry of the calls index speaks of. */
export function callingActor(key: string): ActorAddress {
  return key.slice(key.indexOf("/") + 1) as ActorAddress;
}

export interface DueActor {
  readonly actor: ActorAddress;
  readonly dueAt: number;
}

/** What an entry of the timers index says. */
export function dueActor(key: string): DueActor {
  const [, due = "", ...actor] = key.split("/");
  return { actor: actor.join("/") as ActorAddress, dueAt: Number(due) };
}

/** Sorts behind every entry of the timers index that is due up to this time. */
export function behindDue(shard: string, dueAt: number): string {
  return `${shard}/${digits(Math.max(0, dueAt), DUE_DIGITS)}0`;
}
