/**
 * The boundary of: the policy in force and its successor. The next engine is made whole beside the
 * serving one; a decision that has begun ends with the engine it began with.
 */
import type { PolicyEngine } from "./engine.ts";
import type { ReviewParameters } from "./parameters.ts";

/** An engine that can be had with other parameters, as another engine. */
export interface RenewableEngine extends PolicyEngine {
  withParameters(parameters: ReviewParameters): Promise<RenewableEngine>;
}

export class ServingPolicy {
  #engine: RenewableEngine;

  constructor(engine: RenewableEngine) {
    this.#engine = engine;
  }

  /** The engine in force: to be asked for at each decision, and not kept. */
  engine(): PolicyEngine {
    return this.#engine;
  }

  /** The same policy with other parameters; the result puts it into force. */
  async prepare(parameters: ReviewParameters): Promise<() => void> {
    const next = await this.#engine.withParameters(parameters);
    return () => void (this.#engine = next);
  }
}
