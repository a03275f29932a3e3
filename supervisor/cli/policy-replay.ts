/**
 * The boundary of: `watchfloor policy replay`. Decides a log again, offline, and shows every verdict
 * that a policy, or parameters, would change: the dry run of a change before it is made.
 */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { WatchfloorError } from "../../machines/errors.ts";
import { targetName, type Action } from "../../machines/vocabulary.ts";
import { assertBuilt, loadBundle } from "../../policies/bundle.ts";
import { parseEntry } from "../../policies/decision-log.ts";
import { loadParameters } from "../../policies/parameters.ts";
import { Replay, type Candidate, type Replayed } from "../../policies/replay.ts";
import { loadWasmEngine } from "../../policies/wasm-engine.ts";
import { lineFiles } from "../../transports/line-log.ts";
import { DECISIONS_FOLDER, DECISIONS_NAME, linesFrom } from "../decisions.ts";
import { plain, table } from "../views/text.ts";
import { printJson, printLines, type Io } from "./io.ts";

export interface ReplayOptions {
  readonly from: string;
  readonly policy?: string;
  readonly parameters?: string;
  readonly json?: boolean;
}

interface Counts {
  decisions: number;
  verdicts: number;
  reasons: number;
  skipped: number;
  unreadable: number;
}

/** Changed verdicts that are shown one by one; all of them are counted. */
const SHOWN_MAX = 1_000;

export async function replayPolicy(io: Io, options: ReplayOptions): Promise<void> {
  const files = await filesOf(resolve(io.cwd, options.from));
  const replay = new Replay(
    await candidateOf(io, options.policy),
    options.parameters === undefined ? null : loadParameters(resolve(io.cwd, options.parameters)),
  );
  const counts: Counts = { decisions: 0, verdicts: 0, reasons: 0, skipped: 0, unreadable: 0 };
  const rows: string[][] = [];
  for (const file of files) {
    for await (const line of linesFrom(file)) {
      const replayed = await taken(replay, line, counts);
      if (replayed === null) continue;
      count(counts, replayed);
      if (options.json === true) await printJson(io, jsonOf(replayed));
      else if (isOther(replayed) && rows.length < SHOWN_MAX) rows.push(rowOf(replayed));
    }
  }
  if (counts.decisions + counts.skipped === 0) {
    throw new WatchfloorError("log_unreadable", { path: options.from, why: "it has no decision" });
  }
  if (options.json === true) return printJson(io, [{ type: "summary", ...counts }]);
  const shown =
    rows.length === 0 ? [] : table([["AT", "CASE", "ABOUT", "WAS", "WOULD BE", "WHY"], ...rows]);
  await printLines(io, [...shown, ...summaryLines(counts)]);
}

// ---- Reading -----------------------------------------------------------------------------------

/** A file, a folder of files, or a data directory. */
async function filesOf(path: string): Promise<string[]> {
  if (!existsSync(path)) throw unreadable(path, "there is no such file or folder");
  if (!statSync(path).isDirectory()) return [path];
  const inside = join(path, DECISIONS_FOLDER);
  const folder = existsSync(inside) ? inside : path;
  const files = await lineFiles(folder, DECISIONS_NAME);
  if (files.length === 0) throw unreadable(path, "it has no decision log");
  return files.map((file) => join(folder, file));
}

function unreadable(path: string, why: string): WatchfloorError {
  return new WatchfloorError("log_unreadable", { path, why });
}

async function candidateOf(io: Io, policy: string | undefined): Promise<Candidate> {
  if (policy === undefined) return (parameters) => loadWasmEngine(parameters);
  const given = resolve(io.cwd, policy);
  const folder = existsSync(join(given, "bundle")) ? join(given, "bundle") : given;
  const bundle = loadBundle(folder);
  if (folder !== given) assertBuilt(given, bundle);
  return (parameters) => loadWasmEngine(parameters, bundle);
}

async function taken(replay: Replay, line: string, counts: Counts): Promise<Replayed | null> {
  if (line.trim() === "") return null;
  const entry = parseEntry(line);
  try {
    if (entry !== null) return await replay.take(entry);
  } catch (error) {
    if (!(error instanceof WatchfloorError) || error.code === "policy_unusable") throw error;
  }
  counts.unreadable += 1;
  return null;
}

// ---- Telling -----------------------------------------------------------------------------------

type Compared = Extract<Replayed, { changed: unknown }>;

function isOther(replayed: Replayed): replayed is Compared {
  return "changed" in replayed && replayed.changed === "verdict";
}

function count(counts: Counts, replayed: Replayed): void {
  if ("skipped" in replayed) {
    counts.skipped += 1;
    return;
  }
  counts.decisions += 1;
  if (replayed.changed === "verdict") counts.verdicts += 1;
  if (replayed.changed === "reasons") counts.reasons += 1;
}

function jsonOf(replayed: Replayed): readonly object[] {
  if ("skipped" in replayed || replayed.changed === null) return [];
  const { entry, changed, before, after } = replayed;
  const { decision_id: id, timestamp, path } = entry;
  const { verdict, reasons, ruleIds } = before;
  const was = { verdict, reasons, ruleIds };
  return [{ type: "decision", id, timestamp, path, changed, was, wouldBe: after }];
}

function rowOf({ entry, before, after }: Compared): string[] {
  const { timestamp, input } = entry;
  const question = (input as { question?: { case?: string; action?: Action } } | undefined)
    ?.question;
  const action = question?.action;
  const about =
    action === undefined ? "an approval" : `${action.type} ${targetName(action.target)}`;
  const why = after.reasons.join(", ");
  return [timestamp, question?.case ?? "-", about, before.verdict, after.verdict, why].map(plain);
}

function summaryLines(counts: Counts): string[] {
  const { decisions, verdicts, reasons, skipped, unreadable: lost } = counts;
  return [
    `${decisions} decisions made again: ${verdicts} verdicts would change, ${reasons} would keep theirs for other reasons.`,
    ...(verdicts > SHOWN_MAX ? [`Shown are the first ${SHOWN_MAX}.`] : []),
    ...(skipped > 0
      ? [`${skipped} were left out: the policy was not asked, or what it was asked was not kept.`]
      : []),
    ...(lost > 0 ? [`${lost} lines could not be read.`] : []),
  ];
}
