/**
 * The boundary of: several runner processes on NATS, the load on them, and the judge. Every job is a
 * question of one coordinator to one detector, whose work is an effect on a world outside.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { shardOf } from "../../../supervisor/placement.ts";
import { systemClock, systemRandom } from "../../../transports/clock.ts";
import { openNats, type NatsTransport } from "../../../transports/nats/index.ts";
import { edgeEnvelope } from "../../kit/floor.ts";
import type { NatsServers } from "../../kit/nats-server.ts";
import type { Effect, RunnerSpec, Said } from "./runner.ts";

const RUNNER = join(import.meta.dirname, "runner.ts");
const JOBS_IN_FLIGHT = 24;

export interface Commit {
  readonly shard: string;
  readonly by: string;
  readonly at: number;
}

interface Answered {
  readonly snapshot: {
    readonly context: { readonly answers: readonly unknown[]; readonly error: string | null };
  };
}

export class Hand {
  readonly spec: RunnerSpec;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  ready = false;

  constructor(spec: RunnerSpec, heard: (said: Said) => void) {
    this.spec = spec;
    this.child = spawn(process.execPath, ["--import", "tsx", RUNNER, JSON.stringify(spec)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.exited = new Promise((resolve) => this.child.once("exit", resolve));
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      // The last line of a killed process may be cut.
      if (!line.endsWith("}")) return;
      const said = JSON.parse(line) as Said;
      this.ready ||= said.said === "ready";
      heard(said);
    });
  }
}

export class Crew {
  readonly servers: NatsServers;
  readonly account: string;
  readonly world = mkdtempSync(join(tmpdir(), "watchfloor-world-"));
  readonly hands = new Map<string, Hand>();
  readonly commits: Commit[] = [];
  readonly alarms: string[] = [];
  readonly #done = new Set<string>();
  #edge!: NatsTransport;
  #jobs = 0;
  #names = 0;
  #loading: Promise<void> | null = null;
  #stopLoad = false;

  private constructor(servers: NatsServers) {
    this.servers = servers;
    this.account = servers.account();
    mkdirSync(join(this.world, "drafts"));
  }

  static async gather(servers: NatsServers, runners: number): Promise<Crew> {
    const crew = new Crew(servers);
    crew.#edge = await openNats({
      url: servers.url(crew.account),
      shardCount: 4,
      clock: systemClock,
      random: systemRandom,
      name: "load",
    });
    await Promise.all(Array.from({ length: runners }, () => crew.hire()));
    return crew;
  }

  get edge(): NatsTransport {
    return this.#edge;
  }

  /** Starts a runner; resolves when it has what is assigned to it. */
  async hire(changes: Partial<RunnerSpec> = {}): Promise<Hand> {
    const id = `r${++this.#names}`;
    const url = this.servers.url(this.account);
    const hand = new Hand({ id, url, world: this.world, skewMs: 0, ...changes }, (said) =>
      this.#heard(id, said),
    );
    this.hands.set(id, hand);
    await this.until(() => hand.ready, `${id} is ready`);
    return hand;
  }

  async kill(hand: Hand, signal: NodeJS.Signals): Promise<number> {
    const at = Date.now();
    hand.child.kill(signal);
    await hand.exited;
    this.hands.delete(hand.spec.id);
    return at;
  }

  /** Shards of which a runner committed last. */
  heldBy(id: string): string[] {
    const last = new Map<string, string>();
    for (const { shard, by } of this.commits) last.set(shard, by);
    return [...last].flatMap(([shard, by]) => (by === id ? [shard] : []));
  }

  /** Ms from `since` to the first commit of each shard by another than `id`. */
  async takeovers(id: string, shards: readonly string[], since: number): Promise<number[]> {
    const first = (shard: string): Commit | undefined =>
      this.commits.find((one) => one.shard === shard && one.by !== id && one.at >= since);
    await this.until(() => shards.every((shard) => first(shard)), `${shards.join()} go on`);
    return shards.map((shard) => first(shard)!.at - since);
  }

  // ---- Load ------------------------------------------------------------------------------------

  get jobs(): number {
    return this.#jobs;
  }

  get done(): number {
    return this.#done.size;
  }

  /** Keeps some jobs in flight until `rest`. */
  load(): void {
    this.#stopLoad = false;
    this.#loading = this.#feed();
  }

  /** Stops the load; resolves when every job is done. */
  async rest(): Promise<void> {
    this.#stopLoad = true;
    await this.#loading;
    let looking = true;
    const look = this.#lookForDone(() => looking);
    try {
      await this.until(() => this.#done.size === this.#jobs, "every job is done");
    } finally {
      looking = false;
      await look;
    }
  }

  /** What a runner did not live to say is in the store. */
  async #lookForDone(looking: () => boolean): Promise<void> {
    while (looking()) {
      await sleep(300);
      const missing = this.#missing();
      const records = await this.#edge.store.getMany("actors", missing).catch(() => []);
      for (const [n, record] of (records as unknown as (Answered | null)[]).entries())
        if ((record?.snapshot.context.answers.length ?? 0) > 0) this.#done.add(missing[n]!);
    }
  }

  #missing(): string[] {
    const all = Array.from({ length: this.#jobs }, (_, n) => `coordinator/c-${n + 1}`);
    return all.filter((actor) => !this.#done.has(actor));
  }

  async #feed(): Promise<void> {
    while (!this.#stopLoad) {
      if (this.#jobs - this.#done.size >= JOBS_IN_FLIGHT) await sleep(2);
      else await this.ask();
    }
  }

  async ask(): Promise<void> {
    const n = ++this.#jobs;
    const to = `coordinator/c-${n}` as const;
    const question = { to: `detector/d-${n}`, job: n, timeoutMs: null };
    const envelope = edgeEnvelope(to, "ask", question, `job-${n}`);
    for (;;) {
      try {
        await this.#edge.mailbox.publish(shardOf(to, 4), [envelope]);
        return;
      } catch {
        // The server is away: the source keeps it and tries again, as every source must.
        await sleep(50);
      }
    }
  }

  // ---- The judge -------------------------------------------------------------------------------

  get effects(): readonly Effect[] {
    return readdirSync(this.world)
      .filter((name) => name !== "drafts")
      .map((name) => JSON.parse(readFileSync(join(this.world, name), "utf8")) as Effect);
  }

  /**
   * Every job has one effect and one answer, no effect was checked after its lease, and each journal is
   * one chain (a fork is thrown by who reads it).
   */
  async judge(): Promise<void> {
    await this.rest();
    const jobs = this.effects.map(({ job }) => Number(job)).toSorted((a, b) => a - b);
    const wanted = Array.from({ length: this.#jobs }, (_, n) => n + 1);
    assert.deepEqual(jobs, wanted, "every job has its one effect");
    assert.ok(
      this.effects.every(({ leftMs }) => leftMs > 0),
      "no effect after the lease",
    );
    for (const kind of ["coordinator", "detector"] as const)
      for (let n = 0; n < 4; n += 1) await this.#edge.journal.read(`${kind}.${n}`, 1, 1_000_000);
    await Promise.all([...this.hands.values()].map((hand) => this.kill(hand, "SIGTERM")));
    const actors = wanted.map((n) => `coordinator/c-${n}`);
    const stored = await this.#edge.store.getMany("actors", actors);
    const records = stored as unknown as (Answered | null)[];
    for (const [n, record] of records.entries()) {
      const { answers, error } = record?.snapshot.context ?? { answers: [], error: "no record" };
      assert.deepEqual([answers.length, error], [1, null], `answers to job ${n + 1}`);
    }
  }

  async close(): Promise<void> {
    this.#stopLoad = true;
    for (const { child } of this.hands.values()) child.kill("SIGKILL");
    await Promise.all([...this.hands.values()].map(({ exited }) => exited));
    await this.#edge.close();
    rmSync(this.world, { recursive: true, force: true });
  }

  async until(holds: () => boolean, what: string, limitMs = 60_000): Promise<void> {
    const deadline = Date.now() + limitMs;
    while (!holds()) {
      if (Date.now() > deadline) {
        const missing = this.#missing();
        assert.fail(
          `it did not happen that ${what}; ${this.#done.size} of ${this.#jobs} jobs are done ` +
            `(not ${missing.slice(0, 5).join()}); alarms: ${[...new Set(this.alarms)].join()}`,
        );
      }
      await sleep(5);
    }
  }

  #heard(by: string, said: Said): void {
    if (said.said === "alarm") this.alarms.push(said.code);
    if (said.said !== "commit") return;
    this.commits.push({ shard: said.shard, by, at: said.at });
    for (const actor of said.done) this.#done.add(actor);
  }
}

/** Of the numbers, the one that `share` of them do not exceed. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
