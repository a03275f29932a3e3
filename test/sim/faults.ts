/**
 * The boundary of: what goes wrong, as probabilities. Each seed has its own mix: some faults often,
 * some not at all, so that one that always strikes does not hide what another would show.
 */
import type { Random } from "../../transports/ports.ts";

/** Of one operation, call or moment; scaled by the seed's mix. */
const FAULTS = {
  /** The process dies before the operation reaches the server. */
  crashBefore: 0.006,
  /** It dies with the operation done and the answer on its way. */
  crashAfter: 0.006,
  /** It is stopped at the operation, for longer than a lease or for less. */
  pauseBefore: 0.005,
  pauseAfter: 0.005,
  /** An operation or its answer takes its time. */
  slow: 0.2,
  /** An append without an answer: it was not done, was done, or lands later, perhaps after a read-back. */
  appendLost: 0.03,
  appendUnanswered: 0.04,
  appendLate: 0.04,
  publishLost: 0.08,
  publishUnanswered: 0.08,
  publishLate: 0.05,
  /** A copy of an earlier envelope arrives again, much later. */
  duplicate: 0.1,
  storeLost: 0.01,
  storeLate: 0.02,
  leaseLost: 0.02,
  leaseUnanswered: 0.02,
  leaseLate: 0.01,
  /** A shard is taken from its holder in mid-work, as by one who took it for dead. */
  usurped: 0.3,
  readFails: 0.004,
  /** The news that a mailbox has something comes late. */
  ringLate: 0.3,
  toolFails: 0.08,
  toolSlow: 0.08,
  /** The process dies in a call: before it took effect, or after it and before its result. */
  crashInCall: 0.01,
  crashAfterEffect: 0.02,
} as const;
export type Fault = keyof typeof FAULTS;

/** In all of a run, so that there is a run left. */
const STOPS_MAX = { crash: 6, pause: 5 };

export class Faults {
  readonly #random: Random;
  readonly #scale = new Map<Fault, number>();
  #crashes: number = STOPS_MAX.crash;
  #pauses: number = STOPS_MAX.pause;
  /** Nothing goes wrong any more: what is unfinished must now finish. */
  calm = false;

  constructor(random: Random) {
    this.#random = random;
    for (const fault of Object.keys(FAULTS) as Fault[])
      this.#scale.set(fault, [0, 0, 1, 1, 1, 4][Math.floor(random() * 6)]!);
  }

  /** @param share of the fault's probability: of what happens often, a small one. */
  strikes(fault: Fault, share = 1): boolean {
    if (this.calm) return false;
    const scale = this.#scale.get(fault)!;
    if (scale === 0 || this.#random() >= FAULTS[fault] * scale * share) return false;
    if (fault.startsWith("crash")) return this.#crashes-- > 0;
    if (fault.startsWith("pause")) return this.#pauses-- > 0;
    return true;
  }

  /** How long an operation that is slow takes: mostly little. */
  latencyMs(share = 1): number {
    if (!this.strikes("slow", share)) return 0;
    return this.#random() < 0.08 ? this.between(100, 2_500) : this.between(1, 20);
  }

  between(min: number, max: number): number {
    return min + Math.floor(this.#random() * (max - min + 1));
  }

  chance(p: number): boolean {
    return !this.calm && this.#random() < p;
  }
}
