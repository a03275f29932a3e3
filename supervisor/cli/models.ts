/**
 * The boundary of: `watchfloor model`, `watchfloor train` and `watchfloor teacher`. Shows versions,
 * who made which serve, and what each person taught; a change goes to the runner, or is carried out
 * here where none runs.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { Models, type ModelVersion, type Serving } from "../../actors/trainer/models.ts";
import { saveModel, trainModel } from "../../anomaly/index.ts";
import type { Label } from "../../machines/calls.ts";
import { WatchfloorError, type ErrorCode } from "../../machines/errors.ts";
import type { TrainerContext } from "../../machines/trainer.machine.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import { readLines } from "../../transports/falco/lines.ts";
import { parseFalcoLine } from "../../transports/falco/parse.ts";
import type { StateStore } from "../../transports/ports.ts";
import { askRunner } from "../control-client.ts";
import { openForReading, openForWriting, type Stored } from "../place.ts";
import { WHY_CHARS_MAX } from "../control-wire.ts";
import { randomHex } from "../hex.ts";
import { TRAINER } from "../gate.ts";
import { carryOut, offerPath, type ModelOrder, type OrderResult } from "../model-orders.ts";
import { parameterLedger } from "../parameters.ts";
import { makeProof, ownPerson } from "../peer.ts";
import { plain, table, timeText } from "../views/text.ts";
import { printJson, printLines, type Session } from "./io.ts";

export interface OrderOptions {
  readonly why?: string;
  readonly as?: string;
}

// ---- ls ----------------------------------------------------------------------------------------

export async function listModels(session: Session): Promise<void> {
  const { versions, serving, changes } = await withStore(
    session,
    openForReading,
    async ({ store }) => {
      const models = new Models(store);
      const [all, now] = [await models.versions(), await models.serving()];
      return { versions: all, serving: now, changes: await models.changes() };
    },
  );
  if (session.json) {
    const shown = versions.map((version) => ({ ...version, serves: version.n === serving?.n }));
    return printJson(session.io, [...shown, ...changes.map((one) => ({ type: "change", ...one }))]);
  }
  if (versions.length === 0) return printLines(session.io, ["No model was fitted yet."]);
  const head = ["", "N", "FITTED", "FROM", "ROWS", "LABELS", "ALERTS", "RANK", "STATE", "WHY"];
  const rows = versions.map((version) => rowOf(version, serving));
  await printLines(session.io, [
    ...table([head, ...rows]),
    "",
    ...changes.slice(0, 5).map(changeLine),
  ]);
}

interface Figures {
  readonly alertRate: number;
  readonly attackRank: number | null;
}

function rowOf(version: ModelVersion, serving: Serving | null): string[] {
  const figures = (version.figures as { candidate?: Figures } | null)?.candidate;
  return [
    version.n === serving?.n ? "*" : "",
    String(version.n),
    timeText(version.at),
    version.source,
    String(version.rows),
    String(version.labels),
    figures ? `${(figures.alertRate * 100).toFixed(2)} %` : "-",
    figures?.attackRank == null ? "-" : figures.attackRank.toFixed(3),
    version.state,
    plain(version.why),
  ];
}

function changeLine({ n, at, who, why, before }: Serving): string {
  const by = who === null ? "by comparison" : `by ${plain(who.user)}`;
  const was = before === null ? "" : ` after ${before}`;
  return `${timeText(at)}  version ${n} serves${was}, ${by}: ${plain(why)}`;
}

// ---- Orders ------------------------------------------------------------------------------------

export async function promoteModel(
  session: Session,
  version: number,
  options: OrderOptions,
): Promise<void> {
  await say(session, await ordered(session, { order: "promote", version }, options));
}

export async function rollbackModel(session: Session, options: OrderOptions): Promise<void> {
  await say(session, await ordered(session, { order: "rollback" }, options));
}

/** Fits now, on what is stored; or here on a file, and offers the result. */
export async function train(
  session: Session,
  from: string | undefined,
  options: OrderOptions,
): Promise<boolean> {
  const why = options.why ?? (from === undefined ? "watchfloor train" : `fitted to ${from}`);
  const order = from === undefined ? ({ order: "train" } as const) : await offer(session, from);
  const result = await ordered(session, order, { ...options, why });
  await say(session, result);
  return result.done !== "refused";
}

async function offer(session: Session, from: string): Promise<ModelOrder> {
  const seed = await withStore(session, openForReading, async ({ store }) => {
    const models = new Models(store);
    const serving = await models.serving();
    // Names are hashed under one seed as long as there is a floor: what it has seen stays known.
    return serving === null ? null : (await models.load(serving.digest)).seed;
  });
  if (seed === null) throw noFloor(session);
  const events: FalcoEvent[] = [];
  let refused = 0;
  for await (const { text, line } of readLines(from)) {
    const event = parsed(text, line);
    if (event === null) refused += 1;
    else events.push(event);
  }
  if (events.length === 0) throw new WatchfloorError("nothing_readable", { source: from });
  session.io.writeError(`fitting ${events.length} events (${refused} lines are no events)\n`);
  const inOrder = events.toSorted((a, b) =>
    a.timeNs.padStart(20) < b.timeNs.padStart(20) ? -1 : 1,
  );
  const bytes = saveModel(trainModel(inOrder, { seed }));
  const digest = createHash("sha256").update(bytes).digest("hex");
  const path = offerPath(session.dataDir, digest);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.part`, bytes, { mode: 0o600 });
  renameSync(`${path}.part`, path);
  return { order: "offer", digest };
}

function parsed(text: string | null, line: number): FalcoEvent | null {
  try {
    return text === null ? null : parseFalcoLine(text, line);
  } catch (error) {
    if (error instanceof WatchfloorError) return null;
    throw error;
  }
}

async function ordered(
  session: Session,
  order: ModelOrder,
  { why: given, as = null }: { readonly why?: string; readonly as?: string | null },
): Promise<OrderResult> {
  const { io, dataDir } = session;
  const why = whyOf(given);
  const asked = { op: "model", order, why, as } as const;
  const reply = await askRunner(dataDir, io.clock, (nonce) => makeProof(dataDir, nonce), asked);
  if (reply?.ok === false) throw refusal(reply.error);
  if (reply) return reply.result as unknown as OrderResult;
  return withStore(session, openForWriting, async ({ store, mailbox, shardCount }) => {
    const head = await parameterLedger(store).head();
    if (head === null) throw noFloor(session);
    const { alertBudget } = head.spec;
    const ports = { models: new Models(store), mailbox, shardCount, dataDir, alertBudget };
    const id = `cmd-${randomHex(io.random, 4)}`;
    const cause = { who: ownPerson(as), why, at: io.clock.now(), id };
    return carryOut({ ...ports, recentRows: () => new Float32Array() }, order, cause);
  });
}

async function say(session: Session, result: OrderResult): Promise<void> {
  if (session.json) return printJson(session.io, [{ type: "model", ...result }]);
  if (result.done === "promoted") return printLines(session.io, [changeLine(result.serving)]);
  const line =
    result.done === "refused"
      ? `version ${result.version} is worse than what serves, and was refused; watchfloor model promote ${result.version} overrides`
      : "the trainer was told; watchfloor model ls shows what becomes of it";
  await printLines(session.io, [line]);
}

// ---- Teachers ----------------------------------------------------------------------------------

/** What one person taught, or with `revert` that it counts no more. */
export async function showTeacher(
  session: Session,
  user: string,
  options: OrderOptions & { readonly revert?: boolean },
): Promise<void> {
  if (options.revert) {
    return say(session, await ordered(session, { order: "forget", user }, options));
  }
  const labels = await withStore(session, openForReading, ({ store }) => labelsOf(store));
  const own = labels.filter(({ person }) => person.user === user);
  if (session.json) return printJson(session.io, own);
  const events = (some: readonly Label[]): number =>
    some.reduce((sum, { digests }) => sum + digests.length, 0);
  const share = labels.length === 0 ? 0 : events(own) / events(labels);
  const lines = [
    `${plain(user)} taught ${own.length} cases, ${events(own)} events: ${(share * 100).toFixed(0)} % of all that was taught.`,
    ...own.map(
      ({ case: id, at, benign, dismissal }) =>
        `  ${timeText(at)}  ${id}  ${benign ? "ordinary" : "attack"}  ${dismissal ?? ""}`,
    ),
  ];
  if (own.length > 0)
    lines.push(`revert with: watchfloor teacher ${plain(user)} --revert --why TEXT`);
  await printLines(session.io, lines);
}

async function labelsOf(store: StateStore): Promise<readonly Label[]> {
  const record = (await store.get("actors", TRAINER)) as {
    readonly snapshot?: { readonly context?: TrainerContext };
  } | null;
  return record?.snapshot?.context?.labels ?? [];
}

// ---- The store ---------------------------------------------------------------------------------

async function withStore<T>(
  session: Session,
  open: typeof openForReading,
  use: (transport: Stored) => Promise<T>,
): Promise<T> {
  const { place, io } = session;
  const transport = await open(place, io.clock, io.random);
  try {
    return await use(transport);
  } finally {
    await transport.close();
  }
}

function whyOf(why: string | undefined): string {
  const text = (why ?? "").trim();
  if (text === "") throw invalid("--why", "must say why, for the record");
  if (text.length > WHY_CHARS_MAX)
    throw invalid("--why", `must have at most ${WHY_CHARS_MAX} characters`);
  return text;
}

function noFloor({ dataDir }: Session): WatchfloorError {
  return invalid(dataDir, "has no floor yet: start one first");
}

function invalid(field: string, rule: string): WatchfloorError {
  return new WatchfloorError("config_invalid", { origin: "model", field, rule });
}

/** The runner's sentence under the runner's code. */
function refusal(error: { readonly code: string; readonly message: string }): Error {
  const refused = new WatchfloorError(error.code as ErrorCode);
  refused.message = error.message;
  return refused;
}
