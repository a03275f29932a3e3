/**
 * The boundary of: the trainer's machine and the models. Models are kept by their digest, so a call
 * that is made again writes the same bytes; which of them serves is one entry.
 */
import {
  compareModels,
  FEATURES,
  fitCandidate,
  loadModel,
  rowsOf,
  saveModel,
  type LabelledRows,
  type Model,
} from "../../anomaly/index.ts";
import type { Candidate, Comparison, FitInput, Label, Promotion } from "../../machines/calls.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import type { StateStore } from "../../transports/ports.ts";
import { asJson, typed } from "../calling.ts";
import type { ToolBinding } from "../define.ts";
import { createHash } from "node:crypto";

export interface TrainerDeps {
  readonly store: StateStore;
  readonly alertBudget: number;
}

/** Names the model that serves; takes effect when a runner starts. */
const SERVING_KEY = "model.serving";
const TIMEOUT_MS = 60_000;

function modelKey(digest: string): string {
  return `model/${digest}`;
}

function digestOfModel(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The serving model's bytes, or null before the first was fitted. */
export async function servingModel(store: StateStore): Promise<Model | null> {
  const digest = await store.get("settings", SERVING_KEY);
  return typeof digest === "string" ? readModel(store, digest) : null;
}

export async function promote(store: StateStore, model: Model): Promise<string> {
  const digest = await keep(store, model);
  await store.write([{ table: "settings", key: SERVING_KEY, value: digest }]);
  return digest;
}

export function createTrainerCalls(
  deps: TrainerDeps,
): Record<"fitCandidate" | "compareCandidate" | "promoteCandidate", ToolBinding> {
  const { store } = deps;
  const call = {
    call: "tool",
    recovery: "retry",
    timeoutMs: TIMEOUT_MS,
    concurrencyMax: 1,
  } as const;
  return {
    fitCandidate: {
      ...call,
      run: async (input) => asJson(await fit(store, typed<FitInput>(input))),
    },
    compareCandidate: {
      ...call,
      run: async (input) =>
        asJson(
          await compare(deps, typed<{ candidate: Candidate; labels?: readonly Label[] }>(input)),
        ),
    },
    promoteCandidate: {
      ...call,
      run: async (input) => {
        const { candidate } = typed<{ candidate: Candidate }>(input);
        await store.write([{ table: "settings", key: SERVING_KEY, value: candidate.model }]);
        const promotion: Promotion = { model: candidate.model };
        return asJson(promotion);
      },
    },
  };
}

async function fit(store: StateStore, { labels }: FitInput): Promise<Candidate> {
  const serving = await required(store);
  const recent = await labelledRows(store, serving, labels);
  const candidate = fitCandidate(serving, recent, { seed: serving.seed });
  const model = await keep(store, candidate);
  return { model, rows: candidate.rows.length / FEATURES.length, labels: recent.labels.length };
}

async function compare(
  { store, alertBudget }: TrainerDeps,
  { candidate, labels = [] }: { candidate: Candidate; labels?: readonly Label[] },
): Promise<Comparison> {
  const serving = await required(store);
  const fitted = await readModel(store, candidate.model);
  const recent = await labelledRows(store, serving, labels);
  const { worse, ...figures } = compareModels(
    serving,
    fitted,
    baselineWith(serving, recent),
    alertBudget,
  );
  return { worse, figures: figures as unknown as Json };
}

/** The baseline's rows, which nobody labelled, and the labelled ones. */
function baselineWith(serving: Model, recent: LabelledRows): LabelledRows {
  const unlabelled = Array.from({ length: serving.rows.length / FEATURES.length }, () => null);
  const rows = new Float32Array(serving.rows.length + recent.rows.length);
  rows.set(serving.rows);
  rows.set(recent.rows, serving.rows.length);
  return { rows, labels: [...unlabelled, ...recent.labels] };
}

/** Features of the events that people judged, as the serving model's memory sees them. */
async function labelledRows(
  store: StateStore,
  serving: Model,
  labels: readonly Label[],
): Promise<LabelledRows> {
  const judged = new Map(
    labels.flatMap(({ digests, benign }) => digests.map((digest) => [digest, benign] as const)),
  );
  const digests = [...judged.keys()];
  const events = (await store.getMany(
    "evidence",
    digests,
  )) as unknown as readonly (FalcoEvent | null)[];
  const kept = events.flatMap((event, index) =>
    event ? [{ event, benign: judged.get(digests[index]!)! }] : [],
  );
  return {
    rows: rowsOf(
      serving,
      kept.map(({ event }) => event),
    ),
    labels: kept.map(({ benign }) => (benign ? "benign" : "attack")),
  };
}

async function required(store: StateStore): Promise<Model> {
  const serving = await servingModel(store);
  if (!serving)
    throw new WatchfloorError("model_unreadable", { what: "model", why: "no model serves" });
  return serving;
}

async function readModel(store: StateStore, digest: string): Promise<Model> {
  const bytes = await store.getBlob(modelKey(digest));
  if (!bytes)
    throw new WatchfloorError("model_unreadable", { what: "model", why: "it is not kept" });
  return loadModel(bytes);
}

async function keep(store: StateStore, model: Model): Promise<string> {
  const bytes = saveModel(model);
  const digest = digestOfModel(bytes);
  await store.putBlob(modelKey(digest), bytes);
  return digest;
}
