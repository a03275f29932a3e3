/**
 * The boundary of: stored data in tests. One case as a runner leaves it, without a runner: some of
 * it in the store, the newest turn in the journal's tail only.
 */
import { digestOf, sha256 } from "../../machines/digest.ts";
import type { Json } from "../../machines/protocol.ts";
import type { CaseSummary, EventOutcome } from "../../machines/vocabulary.ts";
import type { Transport } from "../../transports/ports.ts";
import { chain } from "../../supervisor/history.ts";
import { shardOf } from "../../supervisor/placement.ts";
import { historyKey } from "../../supervisor/projection.ts";
import {
  encodeRecord,
  type ActorRecord,
  type DeadLetter,
  type HistoryEntry,
  type TurnRecord,
} from "../../supervisor/record.ts";

export const SHARDS = 2;
export const AT = 1_767_571_200_000;
export const CASE = "c-0123456789ab";

const content = {
  hostname: "node-1",
  rule: "Terminal shell in container",
  source: "syscall",
  timeNs: "1767571200000000000",
  fields: { "proc.name": "sh", "user.uid": 0, "fd.name": null },
};

export const DIGEST = digestOf({
  hostname: content.hostname,
  output_fields: { "proc.name": "sh", "user.uid": 0 },
  rule: content.rule,
  source: content.source,
  time: content.timeNs,
});
export const TRACE_ID = DIGEST.slice(0, 32);
const EVENT: Json = {
  ...content,
  digest: DIGEST,
  output: "a shell was opened \u001b[31mby root",
};
export const SCREENED = sha256("screened");

export function summaryOf(changes: Partial<CaseSummary> = {}): CaseSummary {
  return {
    case: CASE,
    entity: "shop/web/app",
    openedAt: AT,
    updatedAt: AT + 2_000,
    state: "awaiting_human",
    verdict: "escalate",
    reasons: ["blast_radius"],
    rules: ["Terminal shell in container"],
    events: 1,
    pValue: 0.001,
    techniques: ["T1059.004"],
    actions: [
      {
        type: "isolate",
        target: "pod/shop/web-1",
        digest: sha256("isolate"),
        verdict: "escalate",
        state: "waiting",
        diff: ["+ network policy deny-all"],
      },
    ],
    waitingFor: "approval",
    expiresAt: AT + 3_600_000,
    mode: "enforce",
    usage: {
      engine: "rules",
      model: null,
      calls: 0,
      inputTokens: 0,
      outputTokens: 0,
      costMicroUsd: 0,
    },
    failures: [],
    traceId: TRACE_ID,
    lastCommand: null,
    ...changes,
  };
}

function outcomeOf(digest: string, caseId: string | null): EventOutcome {
  const gate = caseId === null ? "screened" : "forwarded";
  return {
    digest,
    rule: "Terminal shell in container",
    gate,
    score: 0.7,
    pValue: 0.001,
    case: caseId,
    traceId: digest.slice(0, 32),
    at: AT,
  };
}

const actorRecord: ActorRecord = {
  version: 1,
  turns: 2,
  snapshot: { value: "awaitingHuman", context: {}, status: "active" },
  calls: [],
  timers: [],
  case: CASE,
  traceparent: `00-${TRACE_ID}-0123456789abcdef-01`,
  head: null,
  failedAt: [],
  setAside: null,
};

function entries(): [HistoryEntry, HistoryEntry] {
  const said = { verdict: null, reasons: [], events: 1 };
  const base = { case: CASE, at: AT, turn: 1, cause: "ingest.0>coordinator.0#1" };
  const first = chain(null, {
    ...base,
    event: "case.event",
    from: "",
    to: "detecting",
    data: said,
  });
  const data = { verdict: "escalate", reasons: ["blast_radius"], events: 1 };
  const more = { at: AT + 2_000, turn: 2, cause: "call-1" };
  const event = "xstate.done.actor.askReviewer";
  return [
    first,
    chain(first, { ...base, ...more, event, from: "reviewing", to: "awaitingHuman", data }),
  ];
}

/** The turn that brought the case to where it waits: appended, not yet written behind. */
export function tailTurn(changes: Partial<TurnRecord> = {}): TurnRecord {
  return {
    r: "turn",
    at: AT + 2_000,
    actor: `coordinator/${CASE}`,
    source: { from: "call", callId: "call-1" },
    event: "xstate.done.actor.askReviewer",
    cause: "call-1",
    was: "reviewing",
    is: "awaitingHuman",
    random: 0.5,
    record: actorRecord,
    outbox: [],
    outcomes: [],
    history: entries()[1],
    summary: summaryOf(),
    ...changes,
  };
}

export const LETTER: DeadLetter = {
  id: "dl-0123456789ab",
  actor: "detector/c-0123456789ab.1",
  case: CASE,
  input: {
    input: "envelope",
    envelope: {
      id: "coordinator.0>detector.1#4",
      from: `coordinator/${CASE}`,
      to: "detector/c-0123456789ab.1",
      type: "gather",
      data: null,
      traceparent: `00-${TRACE_ID}-0123456789abcdef-01`,
      case: CASE,
      cause: null,
      replyTo: null,
      shard: "coordinator.0",
      seq: 4,
    },
  },
  event: "gather",
  cause: {
    code: "machine_failed",
    message: "the machine failed",
    retryable: true,
    retryAfterMs: null,
    data: null,
  },
  at: AT + 1_000,
};

/** The first turn is in the store; the second, in which the case began to wait, in the tail. */
export async function storeCase(transport: Transport): Promise<void> {
  const [first] = entries();
  const before = summaryOf({
    state: "reviewing",
    verdict: null,
    waitingFor: null,
    expiresAt: null,
    updatedAt: AT,
  });
  const json = (value: unknown): Json => value as Json;
  await transport.store.write([
    { table: "cases", key: CASE, value: json(before) },
    { table: "members", key: `${CASE}/${DIGEST}`, value: 1 },
    { table: "history", key: historyKey(CASE, 1), value: json(first) },
    { table: "outcomes", key: DIGEST, value: json(outcomeOf(DIGEST, CASE)) },
    { table: "outcomes", key: SCREENED, value: json(outcomeOf(SCREENED, null)) },
    { table: "traces", key: TRACE_ID, value: CASE },
    { table: "traces", key: SCREENED.slice(0, 32), value: SCREENED },
    { table: "evidence", key: DIGEST, value: EVENT },
    { table: "deadletters", key: LETTER.id, value: json(LETTER) },
  ]);
  await transport.journal.append(shardOf(`coordinator/${CASE}`, SHARDS), 0, [
    encodeRecord(tailTurn()),
  ]);
}
