/**
 * The boundary of: one run of the whole from one seed. Runners come, go and die while events are
 * worked; then nothing goes wrong any more, and what is unfinished must finish. The checkers judge.
 */
import { sha256 } from "../../machines/digest.ts";
import type { Envelope, Json, Kind } from "../../machines/protocol.ts";
import { LIMITS } from "../../supervisor/limits.ts";
import { MemoryDisk, openMemory } from "../../transports/memory.ts";
import type { Random, Transport } from "../../transports/ports.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { check } from "./checkers.ts";
import { Faults } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { Process, type Surroundings } from "./process.ts";
import { KINDS, Target } from "./team.ts";
import { ProcessTime, WorldTime } from "./time.ts";

/** Small, so that what happens rarely in production happens here in seconds. */
const SMALL_LIMITS = {
  mailboxReadMax: 4,
  packRecordsMax: 8,
  flushRecordsMax: 12,
  flushAfterMs: 250,
  residentsMax: 3,
  tailReadMax: 5,
  companionEnvelopesMax: 3,
  companionAfterMs: 1_500,
  drainMs: 4_000,
  retakeAfterMs: 300,
  moveAfterMs: 1_100,
};

const SHARDS = 2;
const STORM_MS = 9_000;
/** What is unfinished when nothing goes wrong any more is finished by then. */
const CALM_MS = 120_000;
/** A publish of another process is heard of within a second. */
const HEARD_MS = 1_500;
const LOOK_MS = 250;
/** Also how much later than meant a timer may be that was armed by a wrong clock. */
const CLOCK_WRONG_MS = 15_000;
const ENTITIES = ["shop/cart/web", "shop/pay/api", "ops/cron/job"];

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly timeline: readonly string[];
  readonly records: number;
  readonly effects: number;
  /** World time, ms. */
  readonly took: number;
}

export async function simulate(seed: number, log = false): Promise<Outcome> {
  const usual = { ...LIMITS };
  Object.assign(LIMITS, SMALL_LIMITS);
  const world = new World(seed, log);
  try {
    await world.run();
  } finally {
    // Other tests of the same process live with the usual ones.
    Object.assign(LIMITS, usual);
  }
  const { ledger, time } = world;
  return {
    seed,
    violations: ledger.violations,
    timeline: ledger.timeline,
    records: ledger.entries.length,
    effects: ledger.effects.length,
    took: time.now,
  };
}

class World {
  readonly ledger: Ledger;
  readonly time: WorldTime;
  readonly #random: Random;
  readonly #around: Surroundings;
  readonly #faults: Faults;
  readonly #slots: (Process | null)[] = [];
  /** Talks to the servers as sources and people do: patiently. */
  readonly #edge: Transport;
  readonly #answered = new Set<string>();
  #starts = 0;
  /** World time by which all that was sent from outside so far has been heard of. */
  #heardAt = 0;
  #closing = false;

  constructor(seed: number, log: boolean) {
    this.#random = seededRandom(seed);
    this.ledger = new Ledger(log);
    this.time = new WorldTime(this.#random);
    this.#faults = new Faults(this.#random);
    const disk = new MemoryDisk();
    const clock = new ProcessTime(this.time, this.#random);
    this.#edge = openMemory({ clock, disk, shared: true });
    this.#around = {
      world: this.time,
      faults: this.#faults,
      ledger: this.ledger,
      disk,
      target: new Target(),
      random: this.#random,
      shardCount: SHARDS,
    };
  }

  async run(): Promise<void> {
    const slots = this.#faults.between(2, 3);
    const lateMs = this.#random() < 0.5 ? 80 : 2_000;
    for (let slot = 0; slot < slots; slot++) {
      this.#slots.push(null);
      this.time.after(slot === 0 ? 0 : this.#faults.between(0, lateMs), () => this.#start(slot));
    }
    this.#schedule();
    await this.time.run(STORM_MS);
    this.#faults.calm = true;
    for (const process of this.#slots) if (process) process.time.offsetMs = 0;
    this.ledger.note(this.time.now, "-", () => "calm");
    const finished = await this.#untilFinished();
    if (!finished) this.ledger.violate("what is unfinished finishes", this.#unfinished());
    await this.#close();
    await check({ ledger: this.ledger, transport: this.#edge, shardCount: SHARDS, kinds: KINDS });
  }

  // ---- Processes -------------------------------------------------------------------------------

  #start(slot: number): void {
    if (this.#closing || this.#slots[slot]) return;
    const process = new Process(this.#around, {
      id: `r${slot}.${++this.#starts}`,
      kinds: this.#kindsOf(slot),
      weight: this.#random() < 0.2 ? 2 : 1,
      died: () => {
        if (this.#slots[slot] === process) this.#slots[slot] = null;
        this.time.after(this.#faults.between(50, 4_000), () => this.#start(slot));
      },
    });
    this.#slots[slot] = process;
    if (this.#faults.chance(0.15))
      process.time.offsetMs = this.#faults.between(-CLOCK_WRONG_MS, CLOCK_WRONG_MS);
    process.start();
  }

  /** The first runs everything; others may be for some agents only. */
  #kindsOf(slot: number): readonly Kind[] {
    if (slot === 0 || this.#random() < 0.5) return KINDS;
    return KINDS.filter(() => this.#random() < 0.6);
  }

  #someone(): Process | null {
    return this.#slots[Math.floor(this.#random() * this.#slots.length)] ?? null;
  }

  // ---- What comes from outside -----------------------------------------------------------------

  #schedule(): void {
    const { between } = { between: (min: number, max: number) => this.#faults.between(min, max) };
    for (let n = between(1, 4); n > 0; n--)
      this.time.after(between(0, 7_000), () => this.#event(n));
    if (this.#random() < 0.3) this.time.after(between(500, 7_000), () => this.#poison());
    if (this.#random() < 0.5)
      this.time.after(between(2_000, 8_000), () => void this.#someone()?.drain());
    if (this.#random() < 0.3)
      this.time.after(between(1_000, 8_000), () => this.#jump(this.#someone()));
    this.#people();
    this.#usurp();
  }

  /** A title is written by somebody else: free, or for a runner that knows nothing of it yet. */
  #usurp(): void {
    if (this.#faults.calm) return;
    this.time.after(100, () => this.#usurp());
    if (!this.#faults.strikes("usurped")) return;
    const titles = this.#around.disk.registers
      .list("")
      .filter(({ key }) => key.includes("/shards/"));
    const any = titles[Math.floor(this.#random() * titles.length)];
    const title = this.#random() < 0.5 ? any : (this.#awaited(titles) ?? any);
    if (!title) return;
    const runner = this.#random() < 0.5 ? null : (this.#someone()?.id ?? null);
    this.ledger.note(this.time.now, "-", () => `${title.key} is given to ${runner}`);
    const text = JSON.stringify({ runner, refusedBy: [] });
    this.#around.disk.registers.write(title.key, title.revision, text);
  }

  /** The title of a shard that something is on its way to. */
  #awaited<T extends { readonly key: string }>(titles: readonly T[]): T | undefined {
    const [envelope] = this.ledger.pending.values();
    const receiver = envelope?.id.slice(envelope.id.indexOf(">") + 1, envelope.id.lastIndexOf("#"));
    return titles.find(({ key }) => key === receiver?.replace(".", "/shards/"));
  }

  #event(n: number): void {
    const entity = ENTITIES[Math.floor(this.#random() * ENTITIES.length)]!;
    const digest = sha256(`event ${n}`);
    const quiet = this.#random() < 0.15;
    const data = { entity, at: this.time.wall, quiet, event: { digest } };
    const shard = sha256(entity).charCodeAt(0) % SHARDS;
    this.ledger.note(this.time.now, "edge", () => `event ${digest.slice(0, 8)} of ${entity}`);
    void this.#publish(
      `ingest.${shard}`,
      this.#envelope(digest, `ingest/${shard}`, "falco.event", data),
    );
    this.ledger.accepted.add(digest);
  }

  /** A machine fails on it, whatever is tried. */
  #poison(): void {
    const cases = [...this.ledger.summaries.keys()];
    const id = cases[Math.floor(this.#random() * cases.length)] ?? "c-poisoned";
    this.ledger.note(this.time.now, "edge", () => `poison for ${id}`);
    this.ledger.poisons.add(`poison-${id}`);
    const envelope = this.#envelope(`poison-${id}`, `coordinator/${id}`, "case.event", null);
    void this.#publish(shardOfActor(envelope.to), envelope);
  }

  #jump(process: Process | null): void {
    if (!process) return;
    const ms = this.#faults.between(-CLOCK_WRONG_MS, CLOCK_WRONG_MS);
    process.time.offsetMs += ms;
    this.ledger.note(this.time.now, process.id, () => `clock jumps by ${ms} ms`);
  }

  /** People answer what they are asked, some while later. */
  #people(): void {
    for (const [id, summary] of this.ledger.summaries) {
      const question = `${id}@${summary.updatedAt}`;
      if (summary.waitingFor === null || this.#answered.has(question)) continue;
      this.#answered.add(question);
      const answer = this.#random() < 0.6 ? "approve" : "dismiss";
      const delayMs = this.#faults.between(100, 3_000);
      this.#heardAt = Math.max(this.#heardAt, this.time.now + delayMs + HEARD_MS);
      this.time.after(delayMs, () => this.#answer(id, question, answer));
    }
    this.time.after(LOOK_MS, () => {
      if (!this.#closing) this.#people();
    });
  }

  #answer(id: string, command: string, answer: "approve" | "dismiss"): void {
    const data = {
      id: command,
      answer,
      person: { user: "ada", uid: 1001, as: null },
      reason: null,
      dismissal: answer === "dismiss" ? "benign_expected" : null,
    };
    this.ledger.note(this.time.now, "edge", () => `answer ${answer} for ${id}`);
    const envelope = this.#envelope(command, `coordinator/${id}`, "human.answer", data);
    void this.#publish(shardOfActor(envelope.to), envelope);
  }

  async #publish(shard: string, envelope: Envelope): Promise<void> {
    await this.#edge.mailbox.publish(shard, [envelope]);
  }

  #envelope(id: string, to: string, type: string, data: unknown): Envelope {
    const trace = sha256(id);
    return {
      id,
      from: "edge/sim",
      to: to as Envelope["to"],
      type,
      data: data as Json,
      traceparent: `00-${trace.slice(0, 32)}-${trace.slice(32, 48)}-01`,
      case: to.startsWith("coordinator/") ? to.slice("coordinator/".length) : null,
      cause: null,
      replyTo: null,
      shard: null,
      seq: null,
    };
  }

  // ---- The end ---------------------------------------------------------------------------------

  async #untilFinished(): Promise<boolean> {
    const until = this.time.now + CALM_MS;
    while (this.time.now < until) {
      await this.time.run(LOOK_MS);
      if (this.time.now < this.#heardAt) continue;
      const resting = this.#slots.every((process) => process?.time.paused === false);
      if (resting && this.#unfinished() === "") return true;
    }
    return false;
  }

  /** What is not done yet, by the journals alone; empty when everything is. */
  #unfinished(): string {
    const { ledger } = this;
    const orphan = this.#orphan();
    if (orphan !== null) return `${orphan} has no owner`;
    for (const digest of ledger.accepted) {
      const outcome = ledger.outcomes.get(digest);
      if (outcome === undefined) return `event ${digest.slice(0, 8)} has no outcome`;
      if (outcome === null) continue;
      const state = ledger.summaries.get(outcome)?.state;
      if (!SETTLED.has(state ?? "")) return `case ${outcome} is ${state}`;
    }
    for (const [id, { to }] of ledger.pending)
      if (KINDS.includes(to.split("/")[0] as Kind)) return `${id} to ${to} is not applied`;
    for (const [actor, record] of ledger.actors) {
      if (record.setAside) continue;
      const [call] = record.calls;
      if (call) return `${actor} waits for ${call.src} ${call.id}`;
      const near = record.timers.find(({ dueAt }) => dueAt < this.time.wall + 900_000);
      if (near) return `${actor} waits for ${near.name}`;
    }
    for (const id of ledger.poisons)
      if (!ledger.entries.some(({ record }) => record.r === "dead"))
        return `${id} is no dead letter`;
    return "";
  }

  /** A shard that nobody runs although somebody could. */
  #orphan(): string | null {
    const alive = new Map(
      this.#slots.flatMap((process) => (process ? [[process.id, process]] : [])),
    );
    for (const { key, value } of this.#around.disk.registers.list("")) {
      if (!key.includes("/shards/")) continue;
      const { runner } = value as { runner: string | null };
      if (runner === null || alive.get(runner)?.runner.ready !== true) return key;
    }
    return null;
  }

  async #close(): Promise<void> {
    // Longer than it takes to write behind.
    await this.time.run(1_000);
    this.#closing = true;
    for (const process of this.#slots) process?.checkBounds(SHARDS);
    const drains = this.#slots.map((process) => process?.drain() ?? Promise.resolve());
    let drained = false;
    void Promise.all(drains).then(() => (drained = true));
    await this.time.run(20_000, () => drained);
    if (!drained) this.ledger.violate("runners stop when they are told to", "not after 20 s");
  }
}

const SETTLED = new Set(["closed", "escalated", "failed_to_human", "archived"]);

function shardOfActor(actor: string): string {
  const [kind, id = ""] = actor.split("/");
  const slice = Number.parseInt(sha256(id).slice(0, 8), 16) % SHARDS;
  return `${kind}.${slice}`;
}
