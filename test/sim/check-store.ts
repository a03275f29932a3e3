/**
 * The boundary of: what is stored once all runners have stopped. It must be what the journals add up
 * to, no more and no less, and what nobody needs any more must be gone.
 */
import type { Json } from "../../machines/protocol.ts";
import type { CheckpointRecord } from "../../supervisor/record.ts";
import type { Entry, Run } from "./ledger.ts";

/** Records that a journal keeps after the last checkpoint was written: that, and a claim or two. */
const KEPT_MAX = 12;

export async function checkStore(run: Run): Promise<void> {
  await checkActors(run);
  await checkIndexes(run);
  await checkViews(run);
  for (const kind of run.kinds)
    for (let n = 0; n < run.shardCount; n++) await checkShard(run, `${kind}.${n}`);
}

async function checkActors({ ledger, transport }: Run): Promise<void> {
  for (const [actor, record] of ledger.actors) {
    const stored = await transport.store.get("actors", actor);
    if (!same(stored, record)) ledger.violate("the store holds each actor as it is", actor);
  }
  for (const { key } of await transport.store.list("actors", ""))
    if (!ledger.actors.has(key)) ledger.violate("the store holds no other actor", key);
}

/** A take-over finds what cold actors wait for by the index, and by nothing else. */
async function checkIndexes({ ledger, transport }: Run): Promise<void> {
  const waiting = { timers: new Set<string>(), calls: new Set<string>() };
  for (const [actor, record] of ledger.actors) {
    if (record.timers.length > 0) waiting.timers.add(actor);
    if (record.calls.some(({ kind }) => kind === "tool")) waiting.calls.add(actor);
  }
  for (const table of ["timers", "calls"] as const) {
    const keys = (await transport.store.list(table, "")).map(({ key }) => key);
    const indexed = new Set(keys.map((key) => key.split("/").slice(-2).join("/")));
    for (const actor of waiting[table])
      if (!indexed.has(actor)) ledger.violate(`${table} of cold actors are found`, actor);
    for (const actor of indexed)
      if (!waiting[table].has(actor)) ledger.violate(`the index of ${table} forgets`, actor);
  }
}

async function checkViews({ ledger, transport }: Run): Promise<void> {
  const { store } = transport;
  for (const digest of ledger.accepted)
    if ((await store.get("outcomes", digest)) === null)
      ledger.violate("each accepted event has an outcome in the store", digest.slice(0, 8));
  for (const [id, summary] of ledger.summaries)
    if (!same(await store.get("cases", id), summary))
      ledger.violate("the store holds each case as it is", id);
  for (const { record } of ledger.entries) {
    if (record.r === "dead" && (await store.get("deadletters", record.letter.id)) === null)
      ledger.violate("the store holds each dead letter", record.letter.id);
    if (record.r !== "turn" || record.history === null) continue;
    const { history } = record;
    const key = `${history.case}/${String(history.n).padStart(8, "0")}`;
    if (!same(await store.get("history", key), history))
      ledger.violate("the store holds the history", key);
  }
}

async function checkShard({ ledger, transport }: Run, shard: string): Promise<void> {
  const entries = ledger.byShard.get(shard) ?? [];
  const last = lastCheckpoint(entries);
  const changed = entries.some(({ record }) => "source" in record);
  if (!last) {
    if (changed) ledger.violate("a shard that changed has a checkpoint", shard);
    return;
  }
  // A late repeat of what a shard sent may lie there; what came from outside may not.
  const left = await transport.mailbox.read(shard, mailboxMark(last), 1_000);
  const unread = left.filter(({ envelope }) => envelope!.shard === null).length;
  checkMarks(ledger, shard, last, unread);
  const kept = await transport.journal.read(shard, 0, 1_000);
  const tail = kept.filter(({ position }) => position > last.upTo);
  const missed = tail.some(({ position }) => {
    const { record } = entries[position - 1]!;
    return "source" in record;
  });
  if (missed) ledger.violate("a runner that stops writes everything behind", shard);
  if (kept.length > KEPT_MAX) ledger.violate("a journal is trimmed", `${shard}: ${kept.length}`);
}

function checkMarks(
  ledger: Run["ledger"],
  shard: string,
  { marks }: CheckpointRecord,
  waiting: number,
): void {
  for (const [sender, { ahead }] of Object.entries(marks))
    if (ahead.length > 0)
      ledger.violate(
        "marks have no holes in the end",
        `${shard}: ${sender} ${JSON.stringify(ahead)}`,
      );
  if (waiting > 0) ledger.violate("a mailbox is worked off", `${shard}: ${waiting}`);
}

function mailboxMark({ marks }: CheckpointRecord): number {
  return marks["mailbox"]?.mark ?? 0;
}

function lastCheckpoint(entries: readonly Entry[]): CheckpointRecord | null {
  const found = entries.findLast(({ record }) => record.r === "checkpoint");
  return found ? (found.record as CheckpointRecord) : null;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a as Json) === JSON.stringify(b as Json);
}
