/**
 * The boundary of: this runner being alive, and others knowing. Writes one register for a kind again
 * and again. The lease runs from the moment a renewal was begun, by this runner's steady clock, so it
 * has ended here before anyone else may think so; a process that slept through it finds it ended.
 */
import type { Kind } from "../machines/protocol.ts";
import type { Clock, Leases, Revision } from "../transports/ports.ts";
import { LIMITS } from "./limits.ts";

/** Value of `<kind>/runners/<id>`. */
export interface Presence {
  readonly weight: number;
  /** Rises with every write: a register that does not change is of nobody. */
  readonly beat: number;
}

export const runnerKey = (kind: Kind, id: string): string => `${kind}/runners/${id}`;

export interface LeaseOptions {
  readonly leases: Leases;
  readonly clock: Clock;
  readonly kind: Kind;
  readonly runnerId: string;
  /** The lease ended, or somebody took it for ended: everything under it must stop. */
  passed(): void;
}

export class Lease {
  readonly #options: LeaseOptions;
  readonly #key: string;
  #weight: number;
  #revision: Revision = 0;
  #beat = 0;
  /** Steady clock, ms. */
  #until = -Infinity;
  #cancelRenewal = (): void => {};
  #cancelEnd = (): void => {};
  #renewing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: LeaseOptions, weight: number) {
    this.#options = options;
    this.#key = runnerKey(options.kind, options.runnerId);
    this.#weight = weight;
  }

  /** Steady clock, ms; nothing under the lease may be begun from then on. */
  get until(): number {
    return this.#stopped ? -Infinity : this.#until;
  }

  get held(): boolean {
    return this.#options.clock.steady() < this.until;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Resolves after the first attempt. */
  async start(): Promise<void> {
    await this.#renewOnce();
    this.#arm();
  }

  /** Says with the next beat, which comes at once, that this runner takes no more. */
  async retire(): Promise<void> {
    this.#weight = 0;
    await this.#renewing;
    await this.#renewOnce();
  }

  /** Nobody has to wait for it to end. */
  async leave(): Promise<void> {
    this.stop();
    await this.#renewing;
    await this.#options.leases.remove(this.#key, this.#revision).catch(() => false);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRenewal();
    this.#cancelEnd();
  }

  #arm(): void {
    if (this.#stopped) return;
    const { leaseRenewMs } = LIMITS;
    // A failed attempt is followed by a quick one: there is time for several within the lease.
    const fresh = this.#until - this.#options.clock.steady() > LIMITS.leaseMs - leaseRenewMs;
    const delayMs = fresh ? leaseRenewMs : leaseRenewMs / 5;
    this.#cancelRenewal = this.#options.clock.after(delayMs, () => {
      void this.#renewOnce().finally(() => this.#arm());
    });
  }

  #renewOnce(): Promise<void> {
    this.#renewing = this.#renew().catch(() => {});
    return this.#renewing;
  }

  async #renew(): Promise<void> {
    const { leases, clock } = this.#options;
    if (!this.held) this.#lapse();
    const began = clock.steady();
    const value = { weight: this.#weight, beat: ++this.#beat };
    const revision = await leases.write(this.#key, this.#revision, value);
    if (revision === null) return this.#readBack();
    this.#revision = revision;
    this.#extend(began);
  }

  /** Refused: an earlier write whose answer was lost, or somebody removed the register. */
  async #readBack(): Promise<void> {
    const found = await this.#options.leases.read(this.#key);
    if (found === null && this.#revision !== 0) this.#lapse();
    this.#revision = found?.revision ?? 0;
  }

  #extend(began: number): void {
    this.#until = began + LIMITS.leaseMs;
    this.#cancelEnd();
    if (this.#stopped) return;
    const leftMs = Math.max(0, this.#until - this.#options.clock.steady());
    this.#cancelEnd = this.#options.clock.after(leftMs, () => {
      if (!this.held) this.#lapse();
    });
  }

  #lapse(): void {
    if (this.#until === -Infinity) return;
    this.#until = -Infinity;
    this.#cancelEnd();
    this.#options.passed();
  }
}
