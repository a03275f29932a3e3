/**
 * The boundary of: `watchfloor parameters`. Shows what the policy weighs, who changed it and why; a
 * change goes to the runner, which takes it into force at once, or is kept for the next start.
 */
import { parse, stringify } from "yaml";
import { WatchfloorError, type ErrorCode } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import { type ParameterEntry } from "../../policies/live-parameters.ts";
import { parameterAt, type ParameterChange } from "../../policies/parameters-change.ts";
import { resourceOf, type ReviewParameters } from "../../policies/parameters.ts";
import type { StateStore } from "../../transports/ports.ts";
import { loadConfig, type Config } from "../config.ts";
import { askRunner } from "../control-client.ts";
import { WHY_CHARS_MAX } from "../control-wire.ts";
import {
  declaredParameters,
  openParameters,
  parameterEntries,
  parameterLedger,
} from "../parameters.ts";
import { makeProof, ownPerson } from "../peer.ts";
import { openForReading, openForWriting, type Stored } from "../place.ts";
import { plain, table, timeText } from "../views/text.ts";
import { printJson, printLines, type DataOptions, type Session } from "./io.ts";

export interface SetOptions {
  readonly why?: string;
  readonly as?: string;
}

// ---- get ---------------------------------------------------------------------------------------

/** All parameters in force as YAML, or one of them. */
export async function getParameters(
  session: Session,
  path: string | undefined,
  options: DataOptions,
): Promise<void> {
  const entry = await withStore(session, openForReading, (store) => parameterLedger(store).head());
  const inForce = entry ?? declaredParameters(configOf(session, options));
  const value = path === undefined ? resourceOf(inForce.name, inForce.spec) : at(inForce, path);
  if (session.json) return printJson(session.io, [value]);
  const text = typeof value === "object" ? stringify(value) : `${String(value)}\n`;
  await session.io.write(text);
}

function at(parameters: ReviewParameters, path: string): Json {
  const value = parameterAt(parameters, path);
  if (value !== undefined) return value;
  throw invalid(path.slice(0, 80), "is not a parameter");
}

// ---- history -----------------------------------------------------------------------------------

export async function listHistory(session: Session): Promise<void> {
  const entries = (await withStore(session, openForReading, parameterEntries)) ?? [];
  if (session.json) return printJson(session.io, entries.map(shown));
  if (entries.length === 0) return printLines(session.io, ["No parameters were kept yet."]);
  const rows = entries.map((entry) => [
    String(entry.n),
    timeText(entry.at),
    plain(entry.who.as === null ? entry.who.user : `${entry.who.user} (as ${entry.who.as})`),
    changesText(entry),
    plain(entry.why),
  ]);
  await printLines(session.io, table([["N", "AT", "WHO", "CHANGED", "WHY"], ...rows]));
}

function shown({ n, at: time, who, why, origin, changes, revision }: ParameterEntry): object {
  return { n, at: time, who, why, origin, changes, revision };
}

function changesText({ n, changes }: Pick<ParameterEntry, "n" | "changes">): string {
  if (n === 1) return "first start";
  if (changes.length === 0) return "nothing";
  return changes
    .map(({ path, from, to }) => `${path}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`)
    .map(plain)
    .join("; ");
}

// ---- set ---------------------------------------------------------------------------------------

/** `PATH=VALUE ...`, all of them or none. */
export async function setParameters(
  session: Session,
  assignments: readonly string[],
  options: DataOptions & SetOptions,
): Promise<void> {
  const changes = assignments.map(parsedChange);
  const why = whyOf(options.why);
  const asked = { op: "parameters", changes, why, as: options.as ?? null } as const;
  const { io, dataDir } = session;
  const reply =
    session.place.transport === "nats"
      ? null
      : await askRunner(dataDir, io.clock, (nonce) => makeProof(dataDir, nonce), asked);
  if (reply?.ok === false) throw refusal(reply.error);
  const running = reply !== null;
  const entry = running
    ? (reply.result as unknown as ParameterEntry)
    : await keep(session, changes, why, options);
  if (session.json) return printJson(io, [{ type: "parameters", running, ...shown(entry) }]);
  const when = running
    ? "in force"
    : "kept; no runner is running, so it counts from the next start";
  await printLines(io, [`change ${entry.n}: ${changesText(entry)} (${when})`]);
}

function parsedChange(assignment: string): ParameterChange {
  const equals = assignment.indexOf("=");
  if (equals < 1) throw invalid(assignment.slice(0, 80), "must be PATH=VALUE");
  const path = assignment.slice(0, equals);
  try {
    const value = parse(assignment.slice(equals + 1), { maxAliasCount: 0 }) as Json;
    return { path, value };
  } catch (cause) {
    throw invalid(path.slice(0, 80), "has a value that is not YAML", cause);
  }
}

function whyOf(why: string | undefined): string {
  const text = (why ?? "").trim();
  if (text === "") throw invalid("--why", "must say why, for the record");
  if (text.length > WHY_CHARS_MAX)
    throw invalid("--why", `must have at most ${WHY_CHARS_MAX} characters`);
  return text;
}

async function keep(
  session: Session,
  changes: readonly ParameterChange[],
  why: string,
  options: DataOptions & SetOptions,
): Promise<ParameterEntry> {
  const { clock } = session.io;
  const config = configOf(session, options);
  const kept = await withStore(session, openForWriting, async (store) => {
    const live = await openParameters(config, store, clock);
    return live.set(changes, { who: ownPerson(options.as ?? null), why, at: clock.now() });
  });
  if (kept !== null) return kept;
  const rule = "has no floor yet: start one, or change the parameters' file";
  throw invalid(session.dataDir, rule);
}

// ---- The store ---------------------------------------------------------------------------------

/** Null where nothing was ever stored. */
async function withStore<T>(
  { io, place }: Session,
  open: typeof openForReading,
  use: (store: StateStore) => Promise<T>,
): Promise<T | null> {
  let transport: Stored;
  try {
    transport = await open(place, io.clock, io.random);
  } catch (error) {
    if (error instanceof WatchfloorError && error.code === "data_unusable") return null;
    throw error;
  }
  try {
    return await use(transport.store);
  } finally {
    await transport.close();
  }
}

function configOf({ io, dataDir }: Session, { config }: DataOptions): Config {
  return loadConfig({ flags: { data: dataDir }, env: io.env, cwd: io.cwd, folder: config ?? null });
}

function invalid(field: string, rule: string, cause?: unknown): WatchfloorError {
  return new WatchfloorError("config_invalid", { origin: "parameters", field, rule }, { cause });
}

/** The runner's sentence under the runner's code. */
function refusal(error: { readonly code: string; readonly message: string }): Error {
  const refused = new WatchfloorError(error.code as ErrorCode);
  refused.message = error.message;
  return refused;
}
