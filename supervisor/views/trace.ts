/**
 * The boundary of: one id and the whole chain behind it. Events at the gate, then every turn of the
 * case with when, who, from which state to which, and the hashes that hold them together.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import type { CaseSummary, EventOutcome } from "../../machines/vocabulary.ts";
import { verifyChain } from "../history.ts";
import type { Reader } from "../reader.ts";
import type { HistoryEntry } from "../record.ts";
import { stepName } from "./case.ts";
import { plain, table, timeText, type Paint } from "./text.ts";

export interface Trace {
  readonly id: string;
  readonly traceId: string;
  readonly case: string | null;
  readonly state: string | null;
  readonly verdict: string | null;
  readonly events: readonly EventOutcome[];
  readonly steps: readonly HistoryEntry[];
  readonly head: string | null;
  /** `whole`, or where the chain of hashes breaks. */
  readonly chain: string;
}

const JSON_CHARS_MAX = 300;

/** Throws `case_unknown` or `id_ambiguous`. */
export async function readTrace(reader: Reader, id: string): Promise<Trace> {
  const found = await reader.resolve(id);
  if (found.case === null) return eventTrace(id, await reader.outcome(found.digest ?? id));
  const [summary, steps, events] = await Promise.all([
    reader.caseSummary(found.case),
    reader.history(found.case),
    reader.outcomes(found.case),
  ]);
  return caseTrace(id, found.case, summary, steps, events);
}

function eventTrace(id: string, outcome: EventOutcome | null): Trace {
  if (outcome === null) throw new WatchfloorError("case_unknown", { id });
  const { traceId } = outcome;
  return {
    id,
    traceId,
    case: null,
    state: null,
    verdict: null,
    events: [outcome],
    steps: [],
    head: null,
    chain: "whole",
  };
}

function caseTrace(
  id: string,
  caseId: string,
  summary: CaseSummary | null,
  steps: readonly HistoryEntry[],
  events: readonly EventOutcome[],
): Trace {
  return {
    id,
    traceId: summary?.traceId ?? events[0]?.traceId ?? "",
    case: caseId,
    state: summary?.state ?? null,
    verdict: summary?.verdict ?? null,
    events,
    steps,
    head: steps.at(-1)?.hash ?? null,
    chain: chainState(steps),
  };
}

function chainState(steps: readonly HistoryEntry[]): string {
  try {
    verifyChain(steps);
    return "whole";
  } catch (error) {
    if (error instanceof WatchfloorError) return error.message;
    throw error;
  }
}

/** `trace --json`: one line an event, one a step, one for the whole. */
export function traceLines(trace: Trace): Json[] {
  const { events, steps, ...whole } = trace;
  return [
    ...events.map((event) => ({ type: "event", ...event })),
    ...steps.map((step) => ({ type: "step", ...step })),
    { type: "trace", ...whole },
  ] as unknown as Json[];
}

export function traceText(trace: Trace, paint: Paint): string[] {
  const subject = trace.case ?? "an event without a case";
  const end = trace.state === null ? "" : `: ${trace.state}, ${trace.verdict ?? "no verdict"}`;
  return [
    paint("bold", `trace ${trace.traceId}: ${subject}${end}`),
    "",
    paint("cyan", "At the gate"),
    ...table(trace.events.map(eventRow)).map((line) => `  ${line}`),
    "",
    ...(trace.steps.length > 0
      ? [paint("cyan", "Steps"), ...trace.steps.flatMap((step) => stepLines(step, paint)), ""]
      : []),
    trace.chain === "whole"
      ? `chain whole, ${trace.steps.length} entries, head ${trace.head ?? "none"}`
      : paint("red", `CHAIN BROKEN: ${trace.chain}`),
  ];
}

function eventRow(event: EventOutcome): string[] {
  const score = event.score === null ? "-" : event.score.toFixed(3);
  const pValue = event.pValue === null ? "-" : String(Number(event.pValue.toPrecision(3)));
  return [
    timeText(event.at),
    event.digest.slice(0, 16),
    event.gate,
    `score ${score}`,
    `p ${pValue}`,
    plain(event.rule),
  ];
}

function stepLines(step: HistoryEntry, paint: Paint): string[] {
  const move = step.from === step.to ? step.to : `${step.from || "(born)"} -> ${step.to}`;
  return [
    `  ${String(step.n).padStart(3)}  ${timeText(step.at)}  ${stepName(step.event)}  ${move}`,
    paint(
      "dim",
      `       by ${plain(step.cause)}  hash ${step.hash.slice(0, 16)}  after ${step.prev.slice(0, 16)}`,
    ),
    paint("dim", `       ${shortJson(step.data)}`),
  ];
}

function shortJson(data: Json): string {
  const text = plain(JSON.stringify(data));
  return text.length > JSON_CHARS_MAX ? `${text.slice(0, JSON_CHARS_MAX)}…` : text;
}
