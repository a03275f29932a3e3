/**
 * The boundary of: commands that change something. With a runner they go through its socket, and the
 * person hears what became of them; without one they are stored, and apply at the next start.
 */
import { WatchfloorError, type ErrorCode } from "../../machines/errors.ts";
import { DISMISSALS, type CaseSummary, type Dismissal } from "../../machines/vocabulary.ts";
import { checkCommand, publishCommand, type Command } from "../commands.ts";
import { askRunner } from "../control-client.ts";
import { randomHex } from "../hex.ts";
import { makeProof, ownPerson } from "../peer.ts";
import { isWorked, openForWriting } from "../place.ts";
import { Reader } from "../reader.ts";
import { plain } from "../views/text.ts";
import { printJson, printLines, type Io, type Session } from "./io.ts";
import { caseOf, withReader } from "./reading.ts";

export interface AnswerOptions {
  readonly reason?: string;
  readonly as?: string;
  readonly because?: string;
}

const POLL_MS = 100;
const TAKEN_MS = 10_000;
/** A runner that starts holds the data before its socket is there. */
const STARTING_MS = 5_000;
const NOTE_CHARS_MAX = 64;
const REASON_CHARS_MAX = 500;

export async function answer(
  session: Session,
  id: string,
  how: "approve" | "dismiss" | "investigate",
  options: AnswerOptions,
): Promise<void> {
  const reason = bounded("--reason", options.reason, REASON_CHARS_MAX);
  const caseId = await withReader(session, (reader) => caseOf(reader, id));
  const base = { command: "answer", case: caseId, answer: how, reason } as const;
  // Whether anyone waits is said before anything is asked back.
  const anyDismissal = how === "dismiss" ? DISMISSALS[0] : null;
  await withReader(session, (reader) => checkCommand(reader, { ...base, dismissal: anyDismissal }));
  const dismissal =
    how === "dismiss" ? await dismissalOf(session.io, caseId, options.because) : null;
  await sendForCase(session, { ...base, dismissal }, options.as);
}

export async function undo(session: Session, id: string, options: AnswerOptions): Promise<void> {
  const reason = bounded("--reason", options.reason, REASON_CHARS_MAX);
  const caseId = await withReader(session, (reader) => caseOf(reader, id));
  await sendForCase(session, { command: "undo", case: caseId, reason }, options.as);
}

async function dismissalOf(
  io: Io,
  caseId: string,
  because: string | undefined,
): Promise<Dismissal> {
  const given = because ?? (io.ask === null ? undefined : await io.ask(questionOf(caseId)));
  const word = (given ?? "")
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, "_");
  const chosen = DISMISSALS.find((name, index) => name === word || String(index + 1) === word);
  if (chosen) return chosen;
  throw new WatchfloorError("dismissal_needed", { id: caseId, choices: DISMISSALS.join(", ") });
}

function questionOf(caseId: string): string {
  const texts: Record<Dismissal, string> = {
    false_positive: "false positive: nothing happened (teaches: ordinary)",
    expected: "expected: it happened and was meant to (teaches: ordinary)",
    true_handled: "true, but handled elsewhere",
    wrong_action: "the proposed action is wrong",
  };
  const choices = DISMISSALS.map((name, index) => `  ${index + 1}  ${texts[name]}`);
  return [`Why is ${caseId} dismissed?`, ...choices, "1-4: "].join("\n");
}

function bounded(option: string, text: string | undefined, max: number): string | null {
  if (text === undefined || text.trim() === "") return null;
  if (text.length <= max) return text;
  throw new WatchfloorError("config_invalid", {
    origin: "flag",
    field: option,
    rule: `must have at most ${max} characters`,
  });
}

// ---- Dead letters ------------------------------------------------------------------------------

/** A dead letter's id, or the beginning of one. */
export async function letterOf(reader: Reader, id: string): Promise<string> {
  const letters = await reader.deadLetters();
  const found = letters.filter(
    (letter) => letter.id === id || (id.length >= 6 && letter.id.startsWith(id)),
  );
  if (found.length > 1) throw new WatchfloorError("id_ambiguous", { id, count: found.length });
  if (found[0] === undefined)
    throw new WatchfloorError("dead_letter_unknown", { id: id.slice(0, 80) });
  return found[0].id;
}

export async function resolveLetter(
  session: Session,
  id: string,
  how: "retry" | "drop",
  as?: string,
): Promise<void> {
  const letter = await withReader(session, (reader) => letterOf(reader, id));
  const sent = await send(session, { command: "letter", letter, how }, as);
  if (!sent.running) return sayLater(session, sent.id, letter);
  const taken = await withReader(session, (reader) =>
    polled(session.io, reader, async () =>
      (await reader.deadLetter(letter)) === null ? true : null,
    ),
  );
  if (!taken) throw notTaken(sent.id, "watchfloor dead-letters ls");
  if (session.json)
    return printJson(session.io, [{ type: "command", id: sent.id, letter, applied: true, how }]);
  await printLines(session.io, [
    `${letter}: ${how === "retry" ? "applied again; if it fails again it is a new dead letter" : "dropped"}.`,
  ]);
}

// ---- Sending -----------------------------------------------------------------------------------

interface Sent {
  readonly id: string;
  /** A runner took it; else it is stored for the next start. */
  readonly running: boolean;
}

async function sendForCase(
  session: Session,
  command: Command & { case: string },
  as: string | undefined,
): Promise<void> {
  const sent = await send(session, command, as);
  if (!sent.running) return sayLater(session, sent.id, command.case);
  const summary = await withReader(session, (reader) =>
    outcomeOf(session.io, reader, command.case, sent.id),
  );
  if (session.json) {
    const { state, verdict, actions } = summary;
    return printJson(session.io, [
      { type: "command", id: sent.id, case: command.case, applied: true, state, verdict, actions },
    ]);
  }
  await printLines(session.io, [
    `${summary.case}: taken; now ${summary.state}, ${summary.verdict ?? "no verdict"}.`,
    ...summary.actions.map((action) => `  ${action.type} ${plain(action.target)}: ${action.state}`),
  ]);
}

async function send(session: Session, command: Command, as: string | undefined): Promise<Sent> {
  const note = bounded("--as", as, NOTE_CHARS_MAX);
  const { io, place } = session;
  if (place.transport === "nats") return store(session, command, note);
  const { dataDir } = place;
  const deadline = io.clock.steady() + STARTING_MS;
  for (;;) {
    const request = { op: "publish", command, as: note } as const;
    const reply = await askRunner(dataDir, io.clock, (nonce) => makeProof(dataDir, nonce), request);
    if (reply?.ok === true)
      return { id: String((reply.result as { id?: unknown }).id), running: true };
    if (reply?.ok === false) throw refusal(reply.error);
    try {
      return await store(session, command, note);
    } catch (error) {
      const starting = error instanceof WatchfloorError && error.code === "data_in_use";
      if (!starting || io.clock.steady() >= deadline) throw error;
    }
    await pause(io);
  }
}

/** The command goes into the mailbox from here: no runner is asked. */
async function store({ io, place }: Session, command: Command, as: string | null): Promise<Sent> {
  const transport = await openForWriting(place, io.clock, io.random);
  try {
    const { mailbox, shardCount } = transport;
    const reader = new Reader(transport, shardCount);
    const id = `cmd-${randomHex(io.random, 4)}`;
    await publishCommand({ reader, mailbox, shardCount }, command, ownPerson(as), id);
    return { id, running: await isWorked(transport) };
  } finally {
    await transport.close();
  }
}

/** The runner's sentence under the runner's code. */
function refusal(error: { readonly code: string; readonly message: string }): Error {
  const refused = new WatchfloorError(error.code as ErrorCode);
  refused.message = error.message;
  return refused;
}

async function sayLater(session: Session, id: string, what: string): Promise<void> {
  if (session.json)
    return printJson(session.io, [{ type: "command", id, case: what, applied: false }]);
  await printLines(session.io, [
    `${what}: stored; no runner is running, so it applies at the next start.`,
  ]);
}

// ---- What became of it -------------------------------------------------------------------------

/** Waits until the case took the command and worked on it. Throws `command_refused` or `not_taken`. */
async function outcomeOf(
  io: Io,
  reader: Reader,
  caseId: string,
  commandId: string,
): Promise<CaseSummary> {
  let taken: CaseSummary | null = null;
  const settled = await polled(io, reader, async () => {
    const summary = await reader.caseSummary(caseId);
    if (summary?.lastCommand?.id !== commandId) return null;
    if (!summary.lastCommand.accepted) {
      const why = summary.lastCommand.code ?? "no reason was given";
      throw new WatchfloorError("command_refused", { id: caseId, why: plain(why) });
    }
    taken = summary;
    return (await isResting(reader, summary)) ? summary : null;
  });
  const found = settled ?? taken;
  if (found === null) throw notTaken(commandId, `watchfloor case ${caseId}`);
  return found;
}

/** The coordinator waits for nobody but people. */
async function isResting(reader: Reader, summary: CaseSummary): Promise<boolean> {
  if (summary.waitingFor !== null) return true;
  const own = `coordinator/${summary.case}`;
  const actors = await reader.actors("coordinator", summary.case);
  return actors.every(({ actor, record }) => actor !== own || record.calls.length === 0);
}

async function polled<T>(io: Io, reader: Reader, look: () => Promise<T | null>): Promise<T | null> {
  const deadline = io.clock.steady() + TAKEN_MS;
  for (;;) {
    reader.refresh();
    const found = await look();
    if (found !== null || io.clock.steady() >= deadline) return found;
    await pause(io);
  }
}

function pause(io: Io): Promise<void> {
  return new Promise((resolve) => void io.clock.after(POLL_MS, resolve));
}

function notTaken(id: string, look: string): WatchfloorError {
  return new WatchfloorError("not_taken", { id, seconds: TAKEN_MS / 1_000, look });
}
