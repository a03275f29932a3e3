/** The boundary of: what each journal says, record by record: one owner at a time, every input once. */
import type { Source } from "../../supervisor/record.ts";
import type { Entry, Ledger } from "./ledger.ts";

export function checkJournals(ledger: Ledger): void {
  for (const entries of ledger.byShard.values()) {
    const inOrder = entries.toSorted((a, b) => a.position - b.position);
    checkOneLog(ledger, inOrder);
    checkOwners(ledger, inOrder);
    checkInputsOnce(ledger, inOrder);
    checkOrder(ledger, inOrder);
    checkNumbers(ledger, inOrder);
    checkCheckpoints(ledger, inOrder);
  }
}

function checkOneLog(ledger: Ledger, entries: readonly Entry[]): void {
  for (const [index, entry] of entries.entries())
    if (entry.position !== index + 1) ledger.violate("a journal is one log", placeOf(entry));
}

/** After a claim nobody else's append is taken, until the next claim. */
function checkOwners(ledger: Ledger, entries: readonly Entry[]): void {
  let owner = "";
  for (const entry of entries) {
    if (entry.record.r === "claim") owner = entry.record.runner;
    if (entry.by !== owner)
      ledger.violate("no append after the next one's claim", `${placeOf(entry)} by ${entry.by}`);
  }
}

function checkInputsOnce(ledger: Ledger, entries: readonly Entry[]): void {
  const seen = new Map<string, Entry>();
  for (const entry of entries) {
    if (!("source" in entry.record)) continue;
    for (const input of inputsOf(entry.record.source)) {
      const before = seen.get(input);
      if (before) ledger.violate("an input is applied once", `${input} at ${placeOf(entry)}`);
      seen.set(input, entry);
    }
  }
}

/** Timers have a name that is used again: they are checked with their actors. */
function inputsOf(source: Source): string[] {
  if (source.from === "call") return [`call ${source.callId}`];
  if (source.from === "shard") return [`${source.shard}#${source.seq}`];
  if (source.from === "timer") return [];
  const inputs: string[] = [];
  for (let at = source.first; at <= source.last; at++) inputs.push(`mail ${at}`);
  return source.also ? [...inputs, `${source.also.shard}#${source.also.seq}`] : inputs;
}

/** What one shard sent to an actor reaches it in the order of sending; so does what came by mailbox. */
function checkOrder(ledger: Ledger, entries: readonly Entry[]): void {
  const latest = new Map<string, number>();
  for (const entry of entries) {
    const { record } = entry;
    if (!("source" in record)) continue;
    const ordered = orderOf(record.source);
    if (ordered === null) continue;
    const line = `${record.actor} from ${ordered.from}`;
    if (ordered.seq <= (latest.get(line) ?? 0))
      ledger.violate("a sender's order is kept", `${line}#${ordered.seq} at ${placeOf(entry)}`);
    latest.set(line, ordered.seq);
  }
}

function orderOf(source: Source): { readonly from: string; readonly seq: number } | null {
  if (source.from === "shard") return { from: source.shard, seq: source.seq };
  if (source.from !== "mailbox") return null;
  if (source.also) return { from: source.also.shard, seq: source.also.seq };
  return { from: "outside", seq: source.last };
}

/** Sequences to each receiver rise by one: none is used twice, and none is left out. */
function checkNumbers(ledger: Ledger, entries: readonly Entry[]): void {
  const sent = new Map<string, number>();
  for (const entry of entries) {
    if (!("outbox" in entry.record)) continue;
    for (const { id, seq } of entry.record.outbox) {
      const receiver = id.slice(0, id.lastIndexOf("#"));
      const expected = (sent.get(receiver) ?? 0) + 1;
      if (seq !== expected) ledger.violate("sequences have no gap", `${id} at ${placeOf(entry)}`);
      sent.set(receiver, expected);
    }
  }
}

/** A checkpoint speaks of what is before it, never goes back, and forgets nothing it counted. */
function checkCheckpoints(ledger: Ledger, entries: readonly Entry[]): void {
  let upTo = 0;
  const sent: Record<string, number> = {};
  for (const { record, ...place } of entries) {
    if ("outbox" in record)
      for (const { id, seq } of record.outbox) {
        const receiver = id.slice(id.indexOf(">") + 1, id.lastIndexOf("#"));
        sent[receiver] = Math.max(sent[receiver] ?? 0, seq ?? 0);
      }
    if (record.r !== "checkpoint") continue;
    if (record.upTo < upTo || record.upTo >= place.position)
      ledger.violate(
        "a checkpoint speaks of what is before it",
        `${place.shard}#${place.position}`,
      );
    upTo = record.upTo;
    for (const [receiver, seq] of Object.entries(record.sent))
      if (seq > (sent[receiver] ?? 0))
        ledger.violate("a checkpoint counts what was sent", `${place.shard}#${place.position}`);
  }
}

function placeOf({ shard, position }: Pick<Entry, "shard" | "position">): string {
  return `${shard}#${position}`;
}
