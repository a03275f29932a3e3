/**
 * The boundary of: one kind's shards and the runners that could run them. There is no coordinator:
 * every runner looks at the registers, comes to the same assignment, takes what is assigned to it and
 * free, and gives up, a little at a time, what is assigned to another.
 *
 * A title gives liveness only: whoever takes one still has to claim the journal, and the journal
 * refuses whoever was followed. Start: lease, look around, rounds. Drain: no more rounds, hand over
 * every shard, give up the titles, leave.
 */
import { WatchfloorError } from "../machines/errors.ts";
import type { Json, Kind } from "../machines/protocol.ts";
import type { Clock, Leases } from "../transports/ports.ts";
import { assign } from "./assignment.ts";
import { Census, shardKey, type Title, type View } from "./census.ts";
import { Lease } from "./lease.ts";
import { LIMITS } from "./limits.ts";

export interface OwnershipOptions {
  readonly leases: Leases;
  readonly clock: Clock;
  readonly kind: Kind;
  readonly shards: readonly string[];
  /** Names this process among all that ever ran. */
  readonly runnerId: string;
  /** Relative share of the shards. */
  readonly weight: number;
  /** Claims and opens the shard; rejects when it cannot be. */
  gain(shard: string): Promise<void>;
  /** Finishes what is in flight and stores it. Does not reject. */
  handOver(shard: string): Promise<void>;
  /** Stops at once: the shard is another's, or may be. */
  drop(shard: string): void;
  /** The shard could not be opened. */
  refused(shard: string, error: unknown): void;
}

interface Tenure {
  readonly is: "gaining" | "held" | "leaving" | "lost";
  /** Steady clock, ms. */
  readonly since: number;
}

export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #lease: Lease;
  readonly #census: Census;
  readonly #tenures = new Map<string, Tenure>();
  /** Work on single shards that is under way. */
  readonly #moves = new Set<Promise<void>>();
  readonly #retakeAt = new Map<string, number>();
  #members = "";
  #membersSince = 0;
  #rounding: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #cancelLook = (): void => {};
  #unsubscribe = (): void => {};

  constructor(options: OwnershipOptions) {
    this.#options = options;
    const { leases, clock, kind, runnerId, weight, shards } = options;
    const passed = (): void => this.#dropAll();
    this.#lease = new Lease({ leases, clock, kind, runnerId, passed }, weight);
    this.#census = new Census(leases, clock, kind, shards);
  }

  /** Steady clock, ms; nothing on these shards may be begun from then on. */
  get until(): number {
    return this.#lease.until;
  }

  /** In its lease, and with every shard open that it has the title of. */
  get settled(): boolean {
    return this.#lease.held && this.#moves.size === 0;
  }

  /** Resolves when what is assigned at first is open. */
  async start(): Promise<void> {
    const { leases, clock, kind } = this.#options;
    await this.#lease.start();
    await this.#census.look().catch(() => {});
    await new Promise<void>((resolve) => void clock.after(LIMITS.joinMs, resolve));
    if (this.#stopped) return;
    this.#unsubscribe = leases.subscribe(`${kind}/`, () => this.look());
    await this.#round();
    await Promise.all(this.#moves);
    this.#arm();
  }

  /** Something may have changed. */
  look(): void {
    this.#again = true;
    if (this.#rounding || this.#stopped) return;
    this.#rounding = this.#rounds().finally(() => {
      this.#rounding = null;
    });
  }

  /** The shard stopped by itself. */
  lost(shard: string): void {
    const is = this.#tenures.get(shard)?.is;
    if (is === "gaining") this.#enter(shard, "lost");
    if (is !== "held") return;
    this.#options.drop(shard);
    this.#tenures.delete(shard);
    this.#retakeAt.set(shard, this.#options.clock.steady() + LIMITS.retakeAfterMs);
    this.#move(this.#release(shard, []));
  }

  async drain(): Promise<void> {
    this.#end();
    await this.#rounding;
    await this.#lease.retire().catch(() => {});
    await Promise.all(this.#moves);
    // A title that cannot be given up is free as soon as its holder is not among the living.
    await Promise.allSettled([...this.#tenures.keys()].map((shard) => this.#leave(shard)));
    await this.#lease.leave();
  }

  /** As a crash would: others find out by themselves. */
  halt(): void {
    this.#end();
    this.#lease.stop();
  }

  #end(): void {
    this.#stopped = true;
    this.#cancelLook();
    this.#unsubscribe();
  }

  // ---- Rounds ----------------------------------------------------------------------------------

  #arm(): void {
    if (this.#stopped) return;
    this.#cancelLook = this.#options.clock.after(LIMITS.leaseRenewMs / 2, () => {
      this.look();
      this.#arm();
    });
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      await this.#round();
    }
  }

  async #round(): Promise<void> {
    // Registers that cannot be read say nothing; the lease ends by itself if this lasts.
    const view = await this.#census.look().catch(() => null);
    if (view === null || this.#stopped || !this.#lease.held) return;
    this.#yieldTaken(view);
    const assigned = assign(view.shards, view.runners);
    const surplus = this.#surplus(assigned, view);
    for (const shard of surplus) this.#move(this.#leave(shard));
    for (const placed of view.shards) this.#settle(placed, assigned.get(placed.shard), view);
    await this.#census.sweep().catch(() => {});
  }

  /** What a register gives to another was taken from us: it was right to, or the journal will say so. */
  #yieldTaken(view: View): void {
    for (const [shard, { is, since }] of this.#tenures) {
      if (is !== "held" || since >= view.asked) continue;
      if (view.title(shard).title.runner === this.#options.runnerId) continue;
      this.#tenures.delete(shard);
      this.#options.drop(shard);
    }
  }

  #surplus(assigned: ReadonlyMap<string, string | null>, view: View): string[] {
    const { runnerId, clock } = this.#options;
    const members = JSON.stringify(view.runners.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
    if (members !== this.#members) {
      this.#members = members;
      this.#membersSince = clock.steady();
    }
    const inFlux = this.#moves.size > 0 || view.shards.some(({ holder }) => holder === null);
    if (inFlux || clock.steady() - this.#membersSince < LIMITS.moveAfterMs) return [];
    return [...this.#tenures]
      .filter(([shard, { is }]) => is === "held" && assigned.get(shard) !== runnerId)
      .map(([shard]) => shard)
      .slice(0, LIMITS.movesMax);
  }

  #settle(
    { shard, holder }: { readonly shard: string; readonly holder: string | null },
    to: string | null | undefined,
    view: View,
  ): void {
    const { runnerId, clock } = this.#options;
    if (this.#tenures.has(shard)) return;
    // A title of ours without a tenure is left from before our lease passed.
    const free = holder === null || holder === runnerId;
    if (!free || (this.#retakeAt.get(shard) ?? 0) > clock.steady()) return;
    const { revision, title } = view.title(shard);
    if (to === runnerId) this.#move(this.#take(shard, revision, title));
    else if (holder === runnerId) this.#move(this.#release(shard, title.refusedBy));
  }

  #move(work: Promise<void>): void {
    const move = work
      .catch(() => {})
      .finally(() => {
        this.#moves.delete(move);
        this.look();
      });
    this.#moves.add(move);
  }

  // ---- One shard -------------------------------------------------------------------------------

  #enter(shard: string, is: Tenure["is"]): void {
    this.#tenures.set(shard, { is, since: this.#options.clock.steady() });
  }

  async #take(shard: string, revision: number, title: Title): Promise<void> {
    this.#enter(shard, "gaining");
    try {
      const { leases, runnerId } = this.#options;
      const taken: Title = { ...title, runner: runnerId };
      const won = await leases.write(shardKey(shard), revision, taken as unknown as Json);
      if (won === null) return void this.#tenures.delete(shard);
      if (!this.#lease.held) throw new WatchfloorError("lease_passed", { shard });
      await this.#options.gain(shard);
      const lost = this.#tenures.get(shard)?.is === "lost";
      if (lost || !this.#lease.held) throw new WatchfloorError("lease_passed", { shard });
      this.#enter(shard, "held");
    } catch (error) {
      await this.#failed(shard, error);
    }
  }

  async #failed(shard: string, error: unknown): Promise<void> {
    const { clock, runnerId } = this.#options;
    this.#options.drop(shard);
    this.#options.refused(shard, error);
    this.#tenures.delete(shard);
    this.#retakeAt.set(shard, clock.steady() + LIMITS.retakeAfterMs);
    const newer = error instanceof WatchfloorError && error.code === "data_newer";
    await this.#release(shard, newer ? [runnerId] : []);
  }

  async #leave(shard: string): Promise<void> {
    if (this.#tenures.get(shard)?.is !== "held") return;
    this.#enter(shard, "leaving");
    await this.#options.handOver(shard);
    this.#tenures.delete(shard);
    await this.#release(shard, []);
  }

  /** Gives up the title, if it is still ours. */
  async #release(shard: string, refusedBy: readonly string[]): Promise<void> {
    const { leases, runnerId } = this.#options;
    const register = await leases.read(shardKey(shard));
    const title = register?.value as unknown as Title | undefined;
    if (!register || title?.runner !== runnerId) return;
    const refused = [...new Set([...title.refusedBy, ...refusedBy])];
    const freed: Title = { runner: null, refusedBy: refused };
    await leases.write(shardKey(shard), register.revision, freed as unknown as Json);
  }

  #dropAll(): void {
    for (const shard of this.#tenures.keys()) this.#options.drop(shard);
    for (const [shard, { is }] of this.#tenures) if (is === "held") this.#tenures.delete(shard);
  }
}
