/**
 * The boundary of: a finite source. Reads lines, refuses what is no event, and takes the rest into
 * the gate at the pace at which it becomes durable; what an earlier run recorded is not taken again.
 */
import { WatchfloorError } from "../machines/errors.ts";
import type { CaseSummary, FalcoEvent } from "../machines/vocabulary.ts";
import { parseFalcoLine, EVENT_BYTES_MAX } from "../transports/falco/parse.ts";
import type { SourceLine } from "../transports/falco/lines.ts";
import type { Clock } from "../transports/ports.ts";
import type { Fates, LineRead } from "./fates.ts";
import type { Intake, Origin } from "./intake.ts";

/** Small, so that turns get their share of the thread while a file is read. */
const BATCH_LINES = 64;
/** Reading waits while more lines than this wait for their fate. */
const PENDING_MAX = 50_000;
const PAUSE_MS = 20;
/** Repeats within one run are told from the first up to this many events; later by the record. */
const REPEATS_KNOWN_MAX = 1_000_000;

export interface ReplayDeps {
  readonly intake: Intake;
  readonly fates: Fates;
  readonly clock: Clock;
  readonly origin: Origin;
  readonly stopped: () => boolean;
  caseSummaries(ids: readonly string[]): Promise<readonly CaseSummary[]>;
}

export interface ReplayCounts {
  lines: number;
  rejected: number;
}

export async function replay(
  lines: AsyncIterable<SourceLine> | Iterable<SourceLine>,
  deps: ReplayDeps,
): Promise<ReplayCounts> {
  const counts: ReplayCounts = { lines: 0, rejected: 0 };
  const seen = new Set<string>();
  let batch: SourceLine[] = [];
  for await (const line of lines) {
    if (deps.stopped()) return counts;
    batch.push(line);
    if (batch.length < BATCH_LINES) continue;
    await takeBatch(batch, seen, counts, deps);
    batch = [];
    while (deps.fates.pending > PENDING_MAX && !deps.stopped()) await pause(deps.clock);
  }
  if (batch.length > 0 && !deps.stopped()) await takeBatch(batch, seen, counts, deps);
  return counts;
}

async function takeBatch(
  batch: readonly SourceLine[],
  seen: Set<string>,
  counts: ReplayCounts,
  deps: ReplayDeps,
): Promise<void> {
  const reads: LineRead[] = [];
  const fresh: FalcoEvent[] = [];
  for (const line of batch) {
    counts.lines++;
    const parsed = parseLine(line);
    if (parsed instanceof WatchfloorError) {
      counts.rejected++;
      reads.push({ line: line.line, error: { code: parsed.code, message: parsed.message } });
      continue;
    }
    const repeat = seen.has(parsed.digest);
    if (!repeat) fresh.push(parsed);
    if (seen.size < REPEATS_KNOWN_MAX) seen.add(parsed.digest);
    reads.push({ line: line.line, digest: parsed.digest, repeat });
  }
  deps.fates.read(reads);
  const unknown = await withoutRecorded(fresh, deps);
  if (unknown.length > 0) await acceptPatiently(unknown, deps);
}

function parseLine(line: SourceLine): FalcoEvent | WatchfloorError {
  try {
    if (line.text === null) {
      const fields = { line: line.line, bytes: line.bytes, limit: EVENT_BYTES_MAX };
      return new WatchfloorError("line_too_long", fields);
    }
    return parseFalcoLine(line.text, line.line);
  } catch (error) {
    if (error instanceof WatchfloorError) return error;
    throw error;
  }
}

async function withoutRecorded(
  events: readonly FalcoEvent[],
  deps: ReplayDeps,
): Promise<FalcoEvent[]> {
  const recorded = await deps.intake.recorded(events.map((event) => event.digest));
  const known = recorded.filter((outcome) => outcome !== null);
  if (known.length > 0) {
    const cases = new Set(known.flatMap((outcome) => outcome.case ?? []));
    deps.fates.known(known, []);
    deps.fates.known([], await deps.caseSummaries([...cases]));
  }
  return events.filter((_, index) => recorded[index] === null);
}

/** A full intake is back-pressure for a file: it is read on when there is room. */
async function acceptPatiently(events: readonly FalcoEvent[], deps: ReplayDeps): Promise<void> {
  while (!deps.stopped()) {
    try {
      return await deps.intake.accept(
        events,
        deps.origin,
        deps.origin === "sample" ? "sample" : "replay",
      );
    } catch (error) {
      if (!(error instanceof WatchfloorError) || error.code !== "mailbox_full") throw error;
      await pause(deps.clock);
    }
  }
}

/** Lets everything else run before the next look. */
export function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => void clock.after(PAUSE_MS, resolve));
}
