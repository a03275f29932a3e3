/**
 * The boundary of: commands that show the inside: dead letters, evidence, machines, settings, and
 * the sample.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { AnyStateMachine } from "xstate";
import { WatchfloorError } from "../../machines/errors.ts";
import { KINDS, type Json, type Kind } from "../../machines/protocol.ts";
import type { StoredRecord } from "../../transports/ports.ts";
import { exportEvidence, verifyEvidence } from "../evidence.ts";
import { fingerprint, loadIdentity } from "../identity.ts";
import { openForReading } from "../place.ts";
import { shardsOf } from "../placement.ts";
import { actorIn, decodeRecord } from "../record.ts";
import { mermaidOf, stateList } from "../mermaid.ts";
import { plain, table, timeText } from "../views/text.ts";
import { letterOf } from "./answering.ts";
import {
  openSession,
  printJson,
  printLines,
  type DataOptions,
  type Io,
  type Session,
} from "./io.ts";
import { caseOf, withReader } from "./reading.ts";

const JOURNAL_PAGE = 500;

// ---- Dead letters ------------------------------------------------------------------------------

export function listLetters(session: Session): Promise<void> {
  return withReader(session, async (reader) => {
    const letters = await reader.deadLetters();
    if (session.json) {
      return printJson(
        session.io,
        letters.map(({ id, at, actor, case: caseId, event, cause }) => ({
          id,
          at,
          actor,
          case: caseId,
          event,
          code: cause.code,
        })),
      );
    }
    if (letters.length === 0) return printLines(session.io, ["No dead letters."]);
    const rows = letters.map((letter) => [
      letter.id,
      timeText(letter.at),
      letter.actor,
      plain(letter.event),
      letter.cause.code,
    ]);
    return printLines(session.io, table([["ID", "AT", "ACTOR", "EVENT", "CAUSE"], ...rows]));
  });
}

export function showLetter(session: Session, id: string): Promise<void> {
  return withReader(session, async (reader) => {
    const letter = await reader.deadLetter(await letterOf(reader, id));
    if (letter === null) throw new WatchfloorError("dead_letter_unknown", { id });
    if (session.json) return printJson(session.io, [letter]);
    return printLines(session.io, [
      `${letter.id}: ${letter.actor} could not take ${plain(letter.event)} at ${timeText(letter.at)}`,
      `because: ${letter.cause.code}: ${plain(letter.cause.message)}`,
      ...(letter.case === null ? [] : [`case: ${letter.case}`]),
      "what it could not take (as stored; may hold an attacker's words):",
      ...JSON.stringify(letter.input, null, 2)
        .split("\n")
        .map((line) => `  ${plain(line)}`),
      `next: watchfloor dead-letters retry ${letter.id}, or drop ${letter.id}`,
    ]);
  });
}

// ---- Journals ------------------------------------------------------------------------------------

/** What is not in the state store yet, and what could not be read of it. Nothing is changed. */
export async function showJournal(session: Session, shard: string, from: number): Promise<void> {
  const { io } = session;
  const transport = await openForReading(session.place, io.clock, io.random);
  try {
    const known = shardsOf(KINDS, transport.shardCount);
    if (!known.includes(shard)) {
      const rule = `must be one of ${KINDS.join(", ")}, a dot, and 0 to ${transport.shardCount - 1}`;
      throw new WatchfloorError("config_invalid", { origin: "argument", field: "shard", rule });
    }
    for (let next = from; ;) {
      const page = await transport.journal.read(shard, next, JOURNAL_PAGE);
      if (session.json) await printJson(io, page.map(journalLine));
      else await printLines(io, page.map(journalText));
      if (page.length < JOURNAL_PAGE) return;
      next = page.at(-1)!.position + 1;
    }
  } finally {
    await transport.close();
  }
}

function journalLine({ position, text, damaged }: StoredRecord): object {
  const record = decodeRecord(text);
  if (!("unreadable" in record)) return { position, record };
  return { position, unreadable: record.unreadable, bytes: text ?? damaged ?? null };
}

function journalText({ position, text, damaged }: StoredRecord): string {
  const record = decodeRecord(text);
  const head = String(position).padStart(8);
  if ("unreadable" in record) {
    const about = actorIn(text ?? damaged ?? "") ?? "an unknown actor";
    return `${head}  UNREADABLE, ${record.unreadable}: about ${about}`;
  }
  const about = "actor" in record ? ` ${record.actor}` : "";
  const turned =
    record.r === "turn" ? `: ${record.was || "new"} -- ${plain(record.event)} -> ${record.is}` : "";
  return `${head}  ${timeText(record.at)}  ${record.r}${about}${turned}`;
}

// ---- Evidence ----------------------------------------------------------------------------------

export function exportCase(session: Session, id: string, out: string | undefined): Promise<void> {
  const { io, dataDir } = session;
  return withReader(session, async (reader) => {
    const caseId = await caseOf(reader, id);
    const evidence = await exportEvidence(reader, caseId, loadIdentity(dataDir), io.clock.now());
    const text = `${JSON.stringify(evidence, null, 2)}\n`;
    if (out === undefined) return io.write(text);
    const path = resolve(io.cwd, out);
    writeOut(path, text);
    const { head, publicKey, entries, events } = evidence;
    const said = {
      type: "evidence",
      case: caseId,
      file: path,
      head: head.hash,
      key: fingerprint(publicKey),
      entries: entries.length,
      events: Object.keys(events).length,
    };
    if (session.json) return printJson(io, [said]);
    return printLines(io, [
      `${caseId}: ${said.entries} entries and ${said.events} events in ${path}`,
      `head ${said.head}`,
      `key  ${said.key}`,
    ]);
  });
}

function writeOut(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600 });
  } catch (cause) {
    throw new WatchfloorError("data_unusable", { path, why: codeOf(cause) }, { cause });
  }
}

/** False when the file does not prove what it says. */
export async function verifyFile(
  io: Io,
  file: string,
  options: { head?: string; json?: boolean },
): Promise<boolean> {
  const path = resolve(io.cwd, file);
  const report = verifyEvidence(readIn(path), { path, head: options.head ?? null });
  const { failures, ...facts } = report;
  const ok = failures.length === 0;
  if (options.json) {
    await printJson(io, [{ type: "verification", ok, ...facts, failures }]);
    return ok;
  }
  await printLines(io, [
    ...failures.map(({ check, why }) => `FAILED ${check}: ${plain(why)}`),
    `${ok ? "ok" : "NOT PROVEN"}: case ${plain(facts.case)}, ${facts.entries} entries, ${facts.eventsChecked} of ${facts.events} events checked against their digests`,
    `head ${facts.head}`,
    `key  ${facts.key}`,
  ]);
  return ok;
}

function readIn(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new WatchfloorError(
      "evidence_unfit",
      { path, field: "it", rule: `cannot be read (${codeOf(cause)})` },
      { cause },
    );
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "unknown";
}

// ---- Machines ----------------------------------------------------------------------------------

const MACHINES: Readonly<Record<Kind, () => Promise<AnyStateMachine>>> = {
  ingest: async () => (await import("../../machines/ingest.machine.ts")).ingestMachine,
  coordinator: async () =>
    (await import("../../machines/coordinator.machine.ts")).coordinatorMachine,
  detector: async () => (await import("../../machines/detector.machine.ts")).detectorMachine,
  analyst: async () => (await import("../../machines/analyst.machine.ts")).analystMachine,
  reviewer: async () => (await import("../../machines/reviewer.machine.ts")).reviewerMachine,
  remediator: async () => (await import("../../machines/remediator.machine.ts")).remediatorMachine,
  notifier: async () => (await import("../../machines/notifier.machine.ts")).notifierMachine,
  approval: async () => (await import("../../machines/approval.machine.ts")).approvalMachine,
  trainer: async () => (await import("../../machines/trainer.machine.ts")).trainerMachine,
};

export interface MachineOptions extends DataOptions {
  readonly case?: string;
  readonly mermaid?: boolean;
}

export async function showMachine(io: Io, name: string, options: MachineOptions): Promise<void> {
  const kind = KINDS.find((known) => known === name);
  if (kind === undefined)
    throw new WatchfloorError("unknown_kind", { kind: name.slice(0, 64), known: KINDS.join(", ") });
  const current =
    options.case === undefined
      ? []
      : await statesOf(await openSession(io, options), kind, options.case);
  const machine = await MACHINES[kind]();
  await printLines(io, [
    options.mermaid ? mermaidOf(machine, current) : stateList(machine, current),
  ]);
}

/** States of the kind's actors that work on a case; one case may have several. */
function statesOf(session: Session, kind: Kind, id: string): Promise<Json[]> {
  return withReader(session, async (reader) => {
    const caseId = await caseOf(reader, id);
    const actors = await reader.actors(kind, caseId);
    return actors.flatMap(({ record }) => (record.snapshot ? [record.snapshot.value] : []));
  });
}

// ---- Settings and sample -----------------------------------------------------------------------

export async function showConfig(io: Io, options: DataOptions): Promise<void> {
  const { loadConfig } = await import("../config.ts");
  const flags = { data: options.data };
  const { shown } = loadConfig({ flags, env: io.env, cwd: io.cwd, folder: options.config ?? null });
  if (options.json) return printJson(io, shown);
  const rows = shown.map(({ setting, value, origin, unused }) => [
    setting,
    plain(valueText(value)),
    unused && origin !== "default" ? `${origin} (not used by this version)` : origin,
  ]);
  await printLines(io, table([["SETTING", "VALUE", "ORIGIN"], ...rows]));
}

function valueText(value: unknown): string {
  if (value === null) return "-";
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "string" ? value : JSON.stringify(value);
}

const SAMPLE_LINES_AT_ONCE = 200;

export async function printSample(io: Io, seed: number, ordinary: number | null): Promise<void> {
  const { generateSampleDay } = await import("../../transports/sample/day.ts");
  let lines: string[] = [];
  for (const line of generateSampleDay(seed, ordinary === null ? {} : { ordinary })) {
    lines.push(line);
    if (lines.length < SAMPLE_LINES_AT_ONCE) continue;
    await printLines(io, lines);
    lines = [];
  }
  await printLines(io, lines);
}
