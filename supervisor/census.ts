/**
 * The boundary of: the registers of a kind and what one runner may conclude from them. The age of a
 * lease is judged by this runner's own steady clock, from when it saw the register change: never by
 * a time that somebody wrote.
 */
import type { Kind } from "../machines/protocol.ts";
import type { Clock, Leases, Register, Revision } from "../transports/ports.ts";
import type { Candidate, Placed } from "./assignment.ts";
import { runnerKey, type Presence } from "./lease.ts";
import { LIMITS } from "./limits.ts";

/** Value of `<kind>/shards/<n>`. */
export interface Title {
  /** Null: free for the one it is assigned to. */
  readonly runner: string | null;
  readonly refusedBy: readonly string[];
}

export const shardKey = (shard: string): string => shard.replace(".", "/shards/");

const FREE: Title = { runner: null, refusedBy: [] };

export interface View {
  /** Steady clock, ms: what happened later may not be in it. */
  readonly asked: number;
  readonly runners: readonly Candidate[];
  readonly shards: readonly Placed[];
  title(shard: string): { readonly revision: Revision; readonly title: Title };
}

export class Census {
  readonly #leases: Leases;
  readonly #clock: Clock;
  readonly #kind: Kind;
  readonly #shards: readonly string[];
  readonly #seen = new Map<string, { readonly revision: Revision; readonly at: number }>();

  constructor(leases: Leases, clock: Clock, kind: Kind, shards: readonly string[]) {
    this.#leases = leases;
    this.#clock = clock;
    this.#kind = kind;
    this.#shards = shards;
  }

  async look(): Promise<View> {
    // What is unchanged in the answer was unchanged at least until it was asked for.
    const asked = this.#clock.steady();
    const registers = await this.#leases.list(`${this.#kind}/`);
    const runners = this.#runners(registers, asked);
    const titles = new Map(registers.map((register) => [register.key, register]));
    const title = (shard: string): { revision: Revision; title: Title } => {
      const register = titles.get(shardKey(shard));
      return {
        revision: register?.revision ?? 0,
        title: register ? (register.value as unknown as Title) : FREE,
      };
    };
    const alive = new Set(runners.map(({ id }) => id));
    const shards = this.#shards.map((shard) => {
      const { runner, refusedBy } = title(shard).title;
      return { shard, holder: runner !== null && alive.has(runner) ? runner : null, refusedBy };
    });
    return { asked, runners, shards, title };
  }

  #runners(registers: readonly Register[], asked: number): Candidate[] {
    const prefix = runnerKey(this.#kind, "");
    const present = registers.filter(({ key }) => key.startsWith(prefix));
    const keys = new Set(present.map(({ key }) => key));
    for (const key of this.#seen.keys()) if (!keys.has(key)) this.#seen.delete(key);
    return present
      .filter((register) => this.#isAlive(register, asked))
      .map(({ key, value }) => {
        const { weight } = value as unknown as Presence;
        return { id: key.slice(prefix.length), weight };
      });
  }

  #isAlive({ key, revision }: Register, asked: number): boolean {
    const seen = this.#seen.get(key);
    if (seen?.revision === revision) return asked - seen.at <= LIMITS.leaseMs + LIMITS.leaseGraceMs;
    this.#seen.set(key, { revision, at: this.#clock.steady() });
    return true;
  }

  /** Removes the registers of runners that have been gone for so long that nobody will ask after them. */
  async sweep(): Promise<void> {
    const now = this.#clock.steady();
    for (const [key, { revision, at }] of this.#seen)
      if (now - at > 10 * LIMITS.leaseMs) await this.#leases.remove(key, revision);
  }
}
