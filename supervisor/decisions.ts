/**
 * The boundary of: decisions and where they are kept: files in the data directory, or memory where
 * there is none. What was allowed within the last hour is read back at a start, so that a restart
 * resets no rate limit.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ACTION_CLASSES, type Action } from "../machines/vocabulary.ts";
import {
  parametersEntry,
  parseEntry,
  REVIEW_PATH,
  type DecisionEntry,
  type DecisionSink,
} from "../policies/decision-log.ts";
import type { PolicyEngine } from "../policies/engine.ts";
import { RateWindow } from "../policies/rate-window.ts";
import { lineFiles, openLineLog } from "../transports/line-log.ts";

export const DECISIONS_FOLDER = "decisions";
export const DECISIONS_NAME = "decisions";
const FILE_BYTES_MAX = 64 * 1024 * 1024;
const FILES_MAX = 16;
/** Read back at a start: more than an hour's effects at any sound limit. */
const TAIL_BYTES_MAX = 16 * 1024 * 1024;
const HOUR_MS = 3_600_000;
/** Kept in memory where there is no folder. */
const MEMORY_ENTRIES_MAX = 10_000;

export interface DecisionLog extends DecisionSink {
  readonly recent: RateWindow;
  /** Null where the log has no such decision, or no longer. */
  find(decisionId: string): Promise<DecisionEntry | null>;
  close(): Promise<void>;
}

interface LogOptions {
  /** Null keeps the log in memory. */
  readonly dataDir: string | null;
  readonly engine: () => PolicyEngine;
  readonly clock: { now(): number };
}

export async function openDecisionLog(options: LogOptions): Promise<DecisionLog> {
  const { dataDir, engine, clock } = options;
  if (dataDir === null) return inMemory();
  const folder = join(dataDir, DECISIONS_FOLDER);
  const recent = new RateWindow();
  await refill(recent, folder, clock.now() - HOUR_MS);
  const opening = (): string => JSON.stringify(parametersEntry(engine(), clock.now()));
  const files = await openLineLog({
    folder,
    name: DECISIONS_NAME,
    fileBytesMax: FILE_BYTES_MAX,
    filesMax: FILES_MAX,
    opening,
  });
  return {
    recent,
    write: (entry) => files.append(JSON.stringify(entry)),
    find: (decisionId) => findIn(folder, decisionId),
    close: () => files.close(),
  };
}

function inMemory(): DecisionLog {
  const entries: DecisionEntry[] = [];
  return {
    recent: new RateWindow(),
    write: async (entry) => {
      entries.push(entry);
      if (entries.length > MEMORY_ENTRIES_MAX) entries.shift();
    },
    find: async (decisionId) =>
      entries.findLast((entry) => entry.decision_id === decisionId) ?? null,
    close: async () => {},
  };
}

/** The newest files first. A line that does not hold the id is not parsed. */
async function findIn(folder: string, decisionId: string): Promise<DecisionEntry | null> {
  for (const file of (await lineFiles(folder, DECISIONS_NAME)).toReversed()) {
    for await (const line of linesFrom(join(folder, file))) {
      if (!line.includes(decisionId)) continue;
      const entry = parseEntry(line);
      if (entry?.decision_id === decisionId) return entry;
    }
  }
  return null;
}

async function refill(recent: RateWindow, folder: string, since: number): Promise<void> {
  for (const file of await lineFiles(folder, DECISIONS_NAME).catch(() => [])) {
    const path = join(folder, file);
    const { size, mtimeMs } = await stat(path);
    if (mtimeMs < since) continue;
    for await (const line of linesFrom(path, Math.max(0, size - TAIL_BYTES_MAX))) {
      const entry = parseEntry(line);
      const action = entry === null ? null : performedAction(entry);
      if (entry !== null && action !== null) {
        const at = Date.parse(entry.timestamp);
        if (at >= since) recent.add(ACTION_CLASSES[action.type], at);
      }
    }
  }
}

/** What a remediator was allowed to do, which it then did. */
function performedAction(entry: DecisionEntry): Action | null {
  const { path, requested_by: by, result, input } = entry;
  if (path !== REVIEW_PATH || by !== "remediator") return null;
  if ((result as { verdict?: unknown } | null)?.verdict !== "auto_execute") return null;
  const action = (input as { question?: { action?: Action } } | undefined)?.question?.action;
  return action !== undefined && Object.hasOwn(ACTION_CLASSES, action.type) ? action : null;
}

export function linesFrom(path: string, start = 0): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path, { start }), crlfDelay: Infinity });
}
