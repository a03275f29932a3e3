/**
 * The boundary of: `cases`, `case` and `trace`. They read, beside a runner or without one, and change
 * nothing.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { CaseSummary, FalcoEvent } from "../../machines/vocabulary.ts";
import { openForReading } from "../place.ts";
import { Reader } from "../reader.ts";
import { verifyChain } from "../history.ts";
import { caseAt, caseAtLine, caseLine, casesTable, caseStory } from "../views/case.ts";
import { readTrace, traceLines, traceText } from "../views/trace.ts";
import { printJson, printLines, type Session } from "./io.ts";

/** Throws `data_unusable` where there is no data. */
export async function withReader<T>(
  session: Session,
  work: (reader: Reader) => Promise<T>,
): Promise<T> {
  const { io, place } = session;
  const transport = await openForReading(place, io.clock, io.random);
  try {
    return await work(new Reader(transport, transport.shardCount));
  } finally {
    await transport.close();
  }
}

export function listCases(session: Session, waiting: boolean): Promise<void> {
  return withReader(session, async (reader) => {
    const cases = await reader.cases({ waiting });
    if (session.json) return printJson(session.io, cases.map(caseLine));
    return printLines(session.io, casesTable(cases, session.paint));
  });
}

/** An id of an event without a case shows the event's trace: there is no more to it. */
export function showCase(session: Session, id: string): Promise<void> {
  return withReader(session, async (reader) => {
    const found = await reader.resolve(id);
    const summary = found.case === null ? null : await reader.caseSummary(found.case);
    if (summary === null) return printTrace(session, reader, id);
    const entries = await reader.history(summary.case);
    if (session.json)
      return printJson(session.io, [{ ...summary, head: entries.at(-1)?.hash ?? null }]);
    const quoted = await firstWords(reader, summary);
    return printLines(session.io, caseStory(summary, entries, quoted, session.paint));
  });
}

/** From the chain alone: what it holds is what was known then, and cannot have been changed since. */
export function showCaseAt(session: Session, id: string, turn: number): Promise<void> {
  return withReader(session, async (reader) => {
    const caseId = await caseOf(reader, id);
    const entries = await reader.history(caseId);
    verifyChain(entries);
    const until = entries.filter((entry) => entry.turn <= turn);
    const last = entries.at(-1)?.turn ?? 0;
    if (until.length === 0 || turn > last) {
      const rule = `must be a turn of the case: 1 to ${last}`;
      throw new WatchfloorError("config_invalid", { origin: "flag", field: "--at", rule });
    }
    if (session.json) return printJson(session.io, [caseAtLine(caseId, until)]);
    return printLines(session.io, caseAt(caseId, until, last, session.paint));
  });
}

export function showTrace(session: Session, id: string): Promise<void> {
  return withReader(session, (reader) => printTrace(session, reader, id));
}

async function printTrace(session: Session, reader: Reader, id: string): Promise<void> {
  const trace = await readTrace(reader, id);
  if (session.json) return printJson(session.io, traceLines(trace));
  return printLines(session.io, traceText(trace, session.paint));
}

/** What the case's first event said, for a person to read; shown escaped, and never acted on. */
async function firstWords(reader: Reader, summary: CaseSummary): Promise<string[]> {
  const [first] = await reader.outcomes(summary.case);
  if (first === undefined) return [];
  const [record] = await reader.evidence([first.digest]);
  const output = (record as unknown as FalcoEvent | null | undefined)?.output;
  return typeof output === "string" && output !== "" ? [output] : [];
}

/** The case that an id stands for. Throws `case_unknown` for an event without one. */
export async function caseOf(reader: Reader, id: string): Promise<string> {
  const found = await reader.resolve(id);
  if (found.case === null) throw new WatchfloorError("case_unknown", { id });
  return found.case;
}
