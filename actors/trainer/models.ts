/**
 * The boundary of: models and the store. Every model that was fitted is a version: its bytes by their
 * digest, what it was fitted to, and how it compared. Which one serves is one entry; every change of
 * it is kept with who and why. A bounded number of versions is kept whole.
 */
import { createHash } from "node:crypto";
import { FEATURES, loadModel, saveModel, type Model } from "../../anomaly/index.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import type { Person } from "../../machines/vocabulary.ts";
import type { Put, StateStore } from "../../transports/ports.ts";

export interface ModelVersion {
  /** From 1, in the order of fitting. */
  readonly n: number;
  readonly digest: string;
  /** Wall clock, ms. */
  readonly at: number;
  readonly source: "baseline" | "retrain" | "file";
  /** What asked for it: a week, verdicts, a person's words. */
  readonly why: string;
  /** The version that served when it was fitted. */
  readonly parent: number | null;
  readonly rows: number;
  readonly labels: number;
  /** Event time up to which it was taught, ms. */
  readonly trainedToMs: number;
  readonly state: "candidate" | "refused" | "promoted";
  /** How it compared with its parent; null before that. */
  readonly figures: Json;
}

/** Which version serves, since when, and by whom. */
export interface Serving {
  /** Rises by one with each change. */
  readonly change: number;
  readonly n: number;
  readonly digest: string;
  readonly at: number;
  /** Null: by comparison, without a person. */
  readonly who: Person | null;
  readonly why: string;
  /** The version that served before; null at the first. */
  readonly before: number | null;
}

export interface Cause {
  readonly at: number;
  readonly who: Person | null;
  readonly why: string;
}

const SERVING_KEY = "model.serving";
const VERSION = "model.version/";
const CHANGE = "model.change/";
/** Versions whose bytes are kept, and that are known at all. */
const BYTES_KEPT = 20;
const VERSIONS_KEPT = 100;
const CHANGES_KEPT = 200;

export class Models {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** Null before the first was fitted. */
  async serving(): Promise<Serving | null> {
    return (await this.#store.get("settings", SERVING_KEY)) as unknown as Serving | null;
  }

  /** Newest first. */
  async versions(): Promise<readonly ModelVersion[]> {
    const found = await this.#store.list("settings", VERSION, { reverse: true });
    return found.map(({ value }) => value as unknown as ModelVersion);
  }

  /** Newest first. */
  async changes(): Promise<readonly Serving[]> {
    const found = await this.#store.list("settings", CHANGE, { reverse: true });
    return found.map(({ value }) => value as unknown as Serving);
  }

  /** @throws `model_unknown` */
  async version(n: number): Promise<ModelVersion> {
    const found = await this.#store.get("settings", `${VERSION}${digits(n)}`);
    if (found === null) throw new WatchfloorError("model_unknown", { n });
    return found as unknown as ModelVersion;
  }

  /** @throws `model_unreadable` where its bytes are not kept any more, or were damaged */
  async load(digest: string): Promise<Model> {
    const bytes = await this.#store.getBlob(blobKey(digest));
    if (bytes === null || bytes.length === 0) throw unusable("it is not kept");
    if (digestOf(bytes) !== digest) throw unusable("it is not what was stored");
    return loadModel(bytes);
  }

  /** A version of the model; the one it already is, where the same was kept before. */
  async keep(
    model: Model,
    made: Pick<ModelVersion, "at" | "source" | "why" | "labels">,
  ): Promise<ModelVersion> {
    const bytes = saveModel(model);
    const digest = digestOf(bytes);
    const versions = await this.versions();
    const known = versions.find((version) => version.digest === digest);
    if (known) return known;
    await this.#store.putBlob(blobKey(digest), bytes);
    const version: ModelVersion = {
      ...made,
      n: (versions[0]?.n ?? 0) + 1,
      digest,
      parent: (await this.serving())?.n ?? null,
      rows: model.rows.length / FEATURES.length,
      trainedToMs: model.trainedToMs,
      state: "candidate",
      figures: null,
    };
    await this.#store.write([put(version)]);
    await this.#forgetOld([version, ...versions]);
    return version;
  }

  async judged(digest: string, worse: boolean, figures: Json): Promise<void> {
    const version = (await this.versions()).find((known) => known.digest === digest);
    if (!version || version.state === "promoted") return;
    await this.#store.write([put({ ...version, state: worse ? "refused" : "candidate", figures })]);
  }

  /** Makes the version serve. Nothing changes where it does already. */
  async promote(version: ModelVersion, { at, who, why }: Cause): Promise<Serving> {
    const { n, digest } = version;
    const current = await this.serving();
    if (current?.n === n) return current;
    // What cannot be loaded never serves.
    await this.load(digest);
    const change = (current?.change ?? 0) + 1;
    const next: Serving = { change, n, digest, at, who, why, before: current?.n ?? null };
    const entry = next as unknown as Json;
    await this.#store.write([
      { table: "settings", key: SERVING_KEY, value: entry },
      { table: "settings", key: `${CHANGE}${digits(change)}`, value: entry },
      { table: "settings", key: `${CHANGE}${digits(change - CHANGES_KEPT)}`, value: null },
      put({ ...version, state: "promoted" }),
    ]);
    return next;
  }

  /** Never those that serve or did last. */
  async #forgetOld(versions: readonly ModelVersion[]): Promise<void> {
    const serving = await this.serving();
    const needed = new Set([serving?.n, serving?.before]);
    const old = versions.slice(BYTES_KEPT).filter(({ n }) => !needed.has(n));
    for (const { digest } of old.slice(0, 2)) {
      await this.#store.putBlob(blobKey(digest), new Uint8Array());
    }
    const unknown = versions.slice(VERSIONS_KEPT).filter(({ n }) => !needed.has(n));
    const puts = unknown.map(({ n }) => ({
      table: "settings" as const,
      key: `${VERSION}${digits(n)}`,
      value: null,
    }));
    if (puts.length > 0) await this.#store.write(puts);
  }
}

function put(version: ModelVersion): Put {
  const value = version as unknown as Json;
  return { table: "settings", key: `${VERSION}${digits(version.n)}`, value };
}

function digits(n: number): string {
  return String(n).padStart(6, "0");
}

function blobKey(digest: string): string {
  return `model/${digest}`;
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function unusable(why: string): WatchfloorError {
  return new WatchfloorError("model_unreadable", { what: "model", why });
}
