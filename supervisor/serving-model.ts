/**
 * The boundary of: the model in force and the store. One model at a time, whole; a runner looks every
 * second whether another was made to serve. What cannot be loaded is said once, and the one in force
 * goes on.
 */
import { Models, type Serving } from "../actors/trainer/models.ts";
import type { Model } from "../anomaly/index.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { Clock, StateStore } from "../transports/ports.ts";

const LOOK_MS = 1_000;

export interface ServingModelOptions {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly changed: (serving: Serving) => void;
  readonly alarm: (error: WatchfloorError) => void;
}

export class ServingModel {
  readonly #options: ServingModelOptions;
  readonly #models: Models;
  #serving: Serving;
  #model: Model;
  #refused = 0;
  #cancel = (): void => {};
  #closed = false;
  /** One look at a time. */
  #looking: Promise<void> = Promise.resolve();

  private constructor(options: ServingModelOptions, serving: Serving, model: Model) {
    this.#options = options;
    this.#models = new Models(options.store);
    this.#serving = serving;
    this.#model = model;
  }

  /** `first` makes the one that serves where none does. @throws `model_unreadable` */
  static async open(
    options: ServingModelOptions,
    first: (models: Models) => Promise<Serving>,
  ): Promise<ServingModel> {
    const models = new Models(options.store);
    const serving = (await models.serving()) ?? (await first(models));
    return new ServingModel(options, serving, await models.load(serving.digest));
  }

  model(): Model {
    return this.#model;
  }

  serving(): Serving {
    return this.#serving;
  }

  /** Looks from now on, until `close`. */
  watch(): void {
    if (this.#closed) return;
    this.#cancel = this.#options.clock.after(LOOK_MS, () => {
      void this.look().then(() => this.watch());
    });
  }

  /** Takes over what serves now. Never rejects: what serves goes on. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  async #look(): Promise<void> {
    try {
      const serving = await this.#models.serving();
      if (serving === null || serving.change === this.#serving.change) return;
      if (serving.change === this.#refused) return;
      this.#refused = serving.change;
      const model = await this.#models.load(serving.digest);
      this.#model = model;
      this.#serving = serving;
      this.#options.changed(serving);
    } catch (error) {
      const why = error instanceof Error ? error.name : String(error);
      const named =
        error instanceof WatchfloorError
          ? error
          : new WatchfloorError("model_unreadable", { what: "model", why });
      this.#options.alarm(named);
    }
  }
}
