/**
 * The boundary of: journal and state store. Pure: a record gives the entries it leaves in the store.
 * The owner writes them behind the journal; a reading command applies the same to the tail.
 */
import { entityPrefix } from "../actors/tools/history.ts";
import type { ActorAddress, Json } from "../machines/protocol.ts";
import type { CaseSummary } from "../machines/vocabulary.ts";
import type { Put } from "../transports/ports.ts";
import type { ActorRecord, JournalRecord } from "./record.ts";

const json = (value: unknown): Json => value as Json;
const digits = (n: number, width: number): string => String(Math.trunc(n)).padStart(width, "0");

export const historyKey = (caseId: string, n: number): string => `${caseId}/${digits(n, 8)}`;

const memberKey = (caseId: string, digest: string): string => `${caseId}/${digest}`;

/** @param before the actor's record that the index still speaks of. */
export function project(shard: string, record: JournalRecord, before: ActorRecord | null): Put[] {
  switch (record.r) {
    case "turn":
      return [
        ...actorPuts(shard, record.actor, record.record, before),
        ...record.outcomes.flatMap((outcome): Put[] => [
          { table: "outcomes", key: outcome.digest, value: json(outcome) },
          { table: "traces", key: outcome.traceId, value: outcome.case ?? outcome.digest },
          ...(outcome.case === null
            ? []
            : [
                {
                  table: "members",
                  key: memberKey(outcome.case, outcome.digest),
                  value: 1,
                } as const,
              ]),
        ]),
        ...(record.history
          ? [
              {
                table: "history",
                key: historyKey(record.history.case, record.history.n),
                value: json(record.history),
              } as const,
            ]
          : []),
        ...(record.summary ? summaryPuts(record.summary, record.record.turns === 1) : []),
      ];
    case "failure":
      return actorPuts(shard, record.actor, record.record, before);
    case "dead":
      return [
        ...(record.record ? actorPuts(shard, record.actor, record.record, before) : []),
        { table: "deadletters", key: record.letter.id, value: json(record.letter) },
      ];
    case "resolved":
      return [
        ...(record.record ? actorPuts(shard, record.actor, record.record, before) : []),
        { table: "deadletters", key: record.letter, value: null },
      ];
    case "drop":
    case "claim":
    case "checkpoint":
      return [];
  }
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

function actorPuts(
  shard: string,
  actor: ActorAddress,
  after: ActorRecord,
  before: ActorRecord | null,
): Put[] {
  return [
    { table: "actors", key: actor, value: json(after) },
    ...indexPuts("timers", timerKeys(shard, actor, before), timerKeys(shard, actor, after)),
    ...indexPuts("calls", callKeys(shard, actor, before), callKeys(shard, actor, after)),
  ];
}

function timerKeys(shard: string, actor: ActorAddress, record: ActorRecord | null): string[] {
  return (record?.timers ?? []).map((timer) => `${shard}/${digits(timer.dueAt, 15)}/${actor}`);
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

/** The actor an entry of the timers or calls index speaks of. */
export function indexedActor(table: "timers" | "calls", key: string): ActorAddress {
  const skip = table === "timers" ? 2 : 1;
  return key.split("/").slice(skip).join("/") as ActorAddress;
}
