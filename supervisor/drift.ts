/**
 * The boundary of: the gate's traffic and an operator who must hear when it is no longer what the
 * model knows. One watch for all gates of a runner; what it learnt and its last windows are kept, so
 * that a restart goes on and `watchfloor drift` can show them. Another model begins a watch of its own.
 */
import { DriftMonitor, type DriftWindow, type Model } from "../anomaly/index.ts";
import type { Json } from "../machines/protocol.ts";
import type { StateStore } from "../transports/ports.ts";

export const DRIFT_KEY = "drift.windows";
const WINDOWS_KEPT = 48;

export interface DriftWatchOptions {
  readonly store: StateStore;
  readonly budget: () => number;
  readonly say: (line: string) => void;
}

export class DriftWatch {
  readonly #options: DriftWatchOptions;
  #monitor: DriftMonitor;
  #model: Model;
  #digest: string;
  #windows: DriftWindow[] = [];
  /** Windows are kept one after another. */
  #keeping: Promise<void> = Promise.resolve();

  private constructor(options: DriftWatchOptions, model: Model, digest: string) {
    this.#options = options;
    this.#model = model;
    this.#digest = digest;
    this.#monitor = this.#begun(model);
  }

  static async open(options: DriftWatchOptions, model: Model, digest: string): Promise<DriftWatch> {
    const watch = new DriftWatch(options, model, digest);
    const [bytes, windows] = await Promise.all([
      options.store.getBlob(blobKey(digest)),
      options.store.get("settings", DRIFT_KEY),
    ]);
    if (bytes !== null) watch.#goOn(bytes);
    if (Array.isArray(windows)) watch.#windows = windows as unknown as DriftWindow[];
    return watch;
  }

  observe(
    { model, digest }: { readonly model: Model; readonly digest: string },
    row: Float32Array,
    score: number,
    atMs: number,
    alerted: boolean,
  ): void {
    if (model !== this.#model) {
      this.#model = model;
      this.#digest = digest;
      this.#monitor = this.#begun(model);
    }
    const closed = this.#monitor.observe(row, score, atMs, alerted);
    if (closed !== null) this.#closed(closed);
  }

  #begun(model: Model): DriftMonitor {
    return new DriftMonitor({ model, budget: this.#options.budget, seed: model.seed });
  }

  #goOn(bytes: Uint8Array): void {
    try {
      this.#monitor.load(bytes);
    } catch {
      this.#monitor = this.#begun(this.#model);
      this.#options.say("Drift: what was kept cannot be used; the watch begins anew.");
    }
  }

  #closed(window: DriftWindow): void {
    this.#windows = [...this.#windows, window].slice(-WINDOWS_KEPT);
    if (window.page !== null) this.#options.say(pageLine(window));
    const bytes = this.#monitor.save();
    const [key, value] = [blobKey(this.#digest), this.#windows as unknown as Json];
    const { store, say } = this.#options;
    this.#keeping = this.#keeping
      .then(() => store.putBlob(key, bytes))
      .then(() => store.write([{ table: "settings", key: DRIFT_KEY, value }]))
      .catch(() => say("Drift: the last window could not be kept."));
  }
}

export function pageLine({ page, events, alerts }: DriftWindow): string {
  const moved = page?.moved.join(", ") || "no single feature";
  return `Alarm: drift of ${page?.causes.join(", ")}: ${moved} moved; ${alerts} of ${events} events were forwarded in the last window. See watchfloor drift.`;
}

function blobKey(digest: string): string {
  return `drift/${digest}`;
}
