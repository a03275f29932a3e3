/**
 * The boundary of: the trainer's machine and the models. A candidate is kept by its digest, so a call
 * that is made again writes the same bytes and promotes the same version.
 */
import {
  compareModels,
  FEATURES,
  fitCandidate,
  rowsOf,
  type LabelledRows,
  type Lesson,
  type Model,
} from "../../anomaly/index.ts";
import type {
  Candidate,
  CompareInput,
  Comparison,
  FitInput,
  Label,
  PromoteInput,
  Promotion,
} from "../../machines/calls.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import type { Clock, StateStore } from "../../transports/ports.ts";
import { asJson, typed } from "../calling.ts";
import type { ToolBinding } from "../define.ts";
import type { Models } from "./models.ts";

export interface TrainerDeps {
  readonly store: StateStore;
  readonly models: Models;
  readonly clock: Pick<Clock, "now">;
  /** Of now: it may be changed while a candidate is fitted. */
  alertBudget(): number;
  /** Rows of events that the gate scored lately, none of which it forwarded. */
  recentRows(): Float32Array;
  /** The runner takes over what serves now. */
  promoted(): Promise<void>;
}

const TIMEOUT_MS = 60_000;

export function createTrainerCalls(
  deps: TrainerDeps,
): Record<"fitCandidate" | "compareCandidate" | "promoteCandidate", ToolBinding> {
  const call = {
    call: "tool",
    recovery: "retry",
    timeoutMs: TIMEOUT_MS,
    concurrencyMax: 1,
  } as const;
  return {
    fitCandidate: {
      ...call,
      run: async (input) => asJson(await fit(deps, typed<FitInput>(input))),
    },
    compareCandidate: {
      ...call,
      run: async (input) => asJson(await compare(deps, typed<CompareInput>(input))),
    },
    promoteCandidate: {
      ...call,
      run: async (input) => asJson(await promote(deps, typed<PromoteInput>(input))),
    },
  };
}

async function fit(deps: TrainerDeps, { labels, why }: FitInput): Promise<Candidate> {
  const { models, clock } = deps;
  const serving = await required(models);
  const recent = await recentAndLabelled(deps, serving, labels);
  const teaching = { lessons: recent.lessons, nowMs: clock.now() };
  const candidate = fitCandidate(serving, recent, { seed: serving.seed }, teaching);
  const made = { at: clock.now(), source: "retrain", why, labels: labels.length } as const;
  const { n, digest, rows } = await models.keep(candidate, made);
  return { model: digest, version: n, rows, labels: labels.length };
}

/** On what the serving one was fitted to, on what people labelled, and on what came lately. */
async function compare(
  deps: TrainerDeps,
  { candidate, labels }: CompareInput,
): Promise<Comparison> {
  const { models } = deps;
  const serving = await required(models);
  const fitted = await models.load(candidate.model);
  const on = baselineWith(serving, await recentAndLabelled(deps, serving, labels));
  const { worse, ...figures } = compareModels(serving, fitted, on, deps.alertBudget());
  const shown = figures as unknown as Json;
  await models.judged(candidate.model, worse, shown);
  return { worse, figures: shown };
}

/** A model from elsewhere, on what the serving one was fitted to and what came lately. */
export async function compareWithServing(
  models: Models,
  candidate: Model,
  recent: Float32Array,
  alertBudget: number,
): Promise<Comparison> {
  const serving = await required(models);
  const on = baselineWith(serving, { rows: recent, labels: unlabelled(recent) });
  const { worse, ...figures } = compareModels(serving, candidate, on, alertBudget);
  return { worse, figures: figures as unknown as Json };
}

async function promote(deps: TrainerDeps, { candidate, why }: PromoteInput): Promise<Promotion> {
  const { models, clock } = deps;
  const version = await models.version(candidate.version);
  await models.promote(version, { at: clock.now(), who: null, why });
  await deps.promoted();
  return { model: candidate.model };
}

/** The baseline's rows, which nobody labelled, and the others. */
function baselineWith(serving: Model, recent: LabelledRows): LabelledRows {
  return joined({ rows: serving.rows, labels: unlabelled(serving.rows) }, recent);
}

async function recentAndLabelled(
  deps: TrainerDeps,
  serving: Model,
  labels: readonly Label[],
): Promise<Judged> {
  const rows = deps.recentRows();
  const judged = await judgedRows(deps.store, serving, labels);
  return { ...joined({ rows, labels: unlabelled(rows) }, judged), lessons: judged.lessons };
}

function unlabelled(rows: Float32Array): readonly null[] {
  return Array.from({ length: rows.length / FEATURES.length }, () => null);
}

function joined(a: LabelledRows, b: LabelledRows): LabelledRows {
  const rows = new Float32Array(a.rows.length + b.rows.length);
  rows.set(a.rows);
  rows.set(b.rows, a.rows.length);
  return { rows, labels: [...a.labels, ...b.labels] };
}

/** Rows with what people said of them, and the same as lessons. */
interface Judged extends LabelledRows {
  readonly lessons: readonly Lesson[];
}

/** Features of the events that people judged, as the serving model's memory sees them. */
async function judgedRows(
  store: StateStore,
  serving: Model,
  labels: readonly Label[],
): Promise<Judged> {
  const judged = new Map(
    labels.flatMap((label) => label.digests.map((digest) => [digest, label] as const)),
  );
  const digests = [...judged.keys()];
  const events = (await store.getMany(
    "evidence",
    digests,
  )) as unknown as readonly (FalcoEvent | null)[];
  const kept = events.flatMap((event, index) =>
    event ? [{ event, label: judged.get(digests[index]!)! }] : [],
  );
  const rows = rowsOf(
    serving,
    kept.map(({ event }) => event),
  );
  const lessons = kept.map(({ event, label: { benign, person, at } }, i) => ({
    row: rows.slice(i * FEATURES.length, (i + 1) * FEATURES.length),
    benign,
    teacher: person.user,
    priority: event.priority,
    atMs: at,
  }));
  return { rows, labels: lessons.map(({ benign }) => (benign ? "benign" : "attack")), lessons };
}

async function required(models: Models): Promise<Model> {
  const serving = await models.serving();
  if (serving) return models.load(serving.digest);
  throw new WatchfloorError("model_unreadable", { what: "model", why: "no model serves" });
}
