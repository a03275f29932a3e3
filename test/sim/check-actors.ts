/** The boundary of: each actor's life, turn by turn: no fork, no lost call, no timer early or twice. */
import { canonicalJson, sha256 } from "../../machines/digest.ts";
import type { Json } from "../../machines/protocol.ts";
import type {
  ActorRecord,
  HistoryEntry,
  JournalRecord,
  TurnRecord,
} from "../../supervisor/record.ts";
import type { Ledger } from "./ledger.ts";

export function checkActors(ledger: Ledger): void {
  const latest = new Map<string, { record: ActorRecord; is: string }>();
  const fired = new Set<string>();
  for (const { record } of ledger.entries) {
    if (record.r === "dead") checkDead(ledger, record);
    if (record.r !== "turn") continue;
    const before = latest.get(record.actor) ?? null;
    checkTurn(ledger, record, before);
    checkTimer(ledger, record, before?.record ?? null, fired);
    latest.set(record.actor, { record: record.record, is: record.is });
  }
  checkHistory(ledger);
}

function checkTurn(
  ledger: Ledger,
  turn: TurnRecord,
  before: { readonly record: ActorRecord; readonly is: string } | null,
): void {
  const what = `${turn.actor} turn ${turn.record.turns} (${turn.event})`;
  if (turn.record.turns !== (before?.record.turns ?? 0) + 1)
    ledger.violate("an actor's turns follow one another", what);
  if (turn.was !== (before?.is ?? ""))
    ledger.violate("a turn begins where the last one ended", what);
  if (before?.record.snapshot?.status === "done")
    ledger.violate("what has ended stays ended", what);
  const { source } = turn;
  if (source.from === "call" && !before?.record.calls.some(({ id }) => id === source.callId))
    ledger.violate("a result is of an outstanding call", what);
}

function checkTimer(
  ledger: Ledger,
  { actor, source, at, record }: TurnRecord,
  before: ActorRecord | null,
  fired: Set<string>,
): void {
  if (source.from !== "timer") return;
  const armed = before?.timers.find(({ name }) => name === source.name);
  const what = `${actor} ${source.name}`;
  if (!armed) return ledger.violate("a timer that fires was armed", what);
  if (at < armed.dueAt)
    ledger.violate("a timer does not fire early", `${what} by ${armed.dueAt - at}`);
  const once = `${what} ${armed.armedInTurn}`;
  if (fired.has(once)) ledger.violate("a timer fires once", what);
  fired.add(once);
  const again = record.timers.find(({ name }) => name === source.name);
  if (again && again.armedInTurn !== record.turns) ledger.violate("a timer fires once", what);
}

function checkDead(
  ledger: Ledger,
  { letter, outbox }: Extract<JournalRecord, { r: "dead" }>,
): void {
  const { input, actor } = letter;
  const id = input.input === "envelope" ? input.envelope.id : "";
  if (!ledger.poisons.has(id))
    ledger.violate("only poison dies", `${actor} ${letter.event}: ${letter.cause.code} ${id}`);
  if (!outbox.some(({ type }) => type === "case.fault"))
    ledger.violate("a dead letter raises a case", `${actor} ${id}`);
}

function checkHistory(ledger: Ledger): void {
  const heads = new Map<string, HistoryEntry>();
  for (const { record } of ledger.entries) {
    if (record.r !== "turn" || record.history === null) continue;
    const { history } = record;
    const before = heads.get(history.case);
    const { hash, ...body } = history;
    const follows = before
      ? history.n === before.n + 1 && history.prev === before.hash
      : history.n === 1 && /^0+$/.test(history.prev);
    if (!follows || hash !== sha256(canonicalJson(body as unknown as Json)))
      ledger.violate("a case's history is one chain", `${history.case}/${history.n}`);
    heads.set(history.case, history);
  }
}
