/**
 * The boundary of: the policy in force and its successor. The next engine is made whole, and passes
 * its smoke vectors, beside the serving one; then it replaces it at once. One that cannot is named,
 * and the last good one keeps serving. A decision that has begun ends with the engine it began with.
 */
import { NO_POLICY } from "../machines/actions.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { PolicyEngine } from "./engine.ts";
import type { ReviewParameters } from "./parameters.ts";

/** An engine that can be had with other parameters, as another engine. */
export interface RenewableEngine extends PolicyEngine {
  withParameters(parameters: ReviewParameters): Promise<RenewableEngine>;
}

/** The policy as it is now at its source. Rejects with `policy_unusable` or `policy_unreachable`. */
export type LoadEngine = (parameters: ReviewParameters) => Promise<RenewableEngine>;

export interface ServingStatus {
  readonly revision: string;
  readonly bundleRevision: string;
  /** Wall clock, ms, of the last time that an engine came into force. */
  readonly loadedAt: number;
  readonly loads: number;
  readonly failures: number;
  /** Why what is at the source now does not serve; null while it does. */
  readonly fault: WatchfloorError | null;
}

export class ServingPolicy {
  readonly #load: LoadEngine;
  readonly #now: () => number;
  #engine: RenewableEngine;
  #loadedAt: number;
  #loads = 1;
  #failures = 0;
  #fault: WatchfloorError | null = null;

  private constructor(load: LoadEngine, now: () => number, engine: RenewableEngine) {
    this.#load = load;
    this.#now = now;
    this.#engine = engine;
    this.#loadedAt = now();
  }

  /**
   * Rejects with `policy_unusable`: there is no last good one. A server that is not there yet is
   * waited for, with every action escalated in the meantime.
   */
  static async start(
    load: LoadEngine,
    parameters: ReviewParameters,
    now: () => number,
  ): Promise<ServingPolicy> {
    try {
      return new ServingPolicy(load, now, await load(parameters));
    } catch (error) {
      const fault = asFault(error);
      if (fault.code !== "policy_unreachable") throw error;
      const serving = new ServingPolicy(load, now, absentEngine(parameters, fault));
      serving.#failed(fault);
      return serving;
    }
  }

  /** The engine in force: to be asked for at each decision, and not kept. */
  engine(): PolicyEngine {
    return this.#engine;
  }

  status(): ServingStatus {
    const { revision, bundleRevision } = this.#engine;
    return {
      revision,
      bundleRevision,
      loadedAt: this.#loadedAt,
      loads: this.#loads,
      failures: this.#failures,
      fault: this.#fault,
    };
  }

  /** The same policy with other parameters; the result puts it into force. Not beside a `reload`. */
  async prepare(parameters: ReviewParameters): Promise<() => void> {
    const next = await this.#engine.withParameters(parameters);
    return () => this.#replace(next);
  }

  /** Takes what is at the source now. False, with a fault in the status, if it cannot serve. */
  async reload(): Promise<boolean> {
    try {
      this.#replace(await this.#load(this.#engine.parameters));
      this.#fault = null;
      return true;
    } catch (error) {
      this.#failed(asFault(error));
      return false;
    }
  }

  #replace(next: RenewableEngine): void {
    this.#engine = next;
    this.#loadedAt = this.#now();
    this.#loads += 1;
  }

  #failed(fault: WatchfloorError): void {
    this.#fault = fault;
    this.#failures += 1;
  }
}

function asFault(cause: unknown): WatchfloorError {
  if (cause instanceof WatchfloorError) return cause;
  return new WatchfloorError("policy_unusable", { why: "it could not be loaded" }, { cause });
}

/** Stands where no policy ever answered: it decides nothing. */
function absentEngine(parameters: ReviewParameters, fault: WatchfloorError): RenewableEngine {
  return {
    revision: NO_POLICY,
    bundleRevision: NO_POLICY,
    parameters,
    review: () => Promise.reject(fault),
    approve: () => Promise.reject(fault),
    withParameters: async (other) => absentEngine(other, fault),
  };
}
