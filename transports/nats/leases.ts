/**
 * The boundary of: the leases port and one bucket. A register is a key's newest message, its revision
 * that message's sequence; a removal leaves a marker, so that a revision is never used again.
 *
 * Presence: a runner answers on a subject of its own for as long as its connection lives. Another
 * that asks there and hears from the server that nobody listens takes the runner's register away, and
 * need not wait for the lease to pass. That is safe for state, because the journal is the fence.
 */
import type { Subscription } from "@nats-io/transport-node";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json, Kind } from "../../machines/protocol.ts";
import { compareKeys } from "../keys.ts";
import type { Clock, Leases, Register, Revision } from "../ports.ts";
import type { Gate } from "./gate.ts";
import { aliveSubject, decodeKey, encodeKey, leaseBell, LEASES } from "./names.ts";
import type { Message, Server } from "./server.ts";

const OPERATION = "KV-Operation";
/** What the client's own `kv` writes for a removed key. */
const REMOVED = { [OPERATION]: "DEL" };
const PRESENCE_INTERVAL_MS = 100;
const PRESENCE_ANSWER_MS = 1_000;
/** Every so many looks, what changed is asked for too: a ring may be lost. */
const LOOKS_PER_POLL = 10;
const RUNNERS = "/runners/";

interface Watch {
  readonly prefix: string;
  readonly subscription: Subscription;
  readonly ring: () => void;
  /** Sequence of the newest change that was rung for by a look. */
  seen: number;
}

export interface LeasesOptions {
  readonly gate: Gate;
  readonly clock: Clock;
}

export class NatsLeases implements Leases {
  readonly #gate: Gate;
  readonly #clock: Clock;
  /** Registers of runners in this process: it answers for them. */
  readonly #alive = new Map<string, Subscription>();
  /** Registers of other runners, as they were last seen. */
  readonly #others = new Map<string, Register>();
  readonly #watches = new Set<Watch>();
  #cancelLook: (() => void) | null = null;
  #looking = false;
  #looks = 0;

  constructor({ gate, clock }: LeasesOptions) {
    this.#gate = gate;
    this.#clock = clock;
  }

  async read(key: string): Promise<Register | null> {
    return this.#gate.run(kindIn(key), async (server) => {
      const message = await server.last(LEASES.stream, subjectOf(key));
      return message === null ? null : registerOf(message);
    });
  }

  async list(prefix: string): Promise<readonly Register[]> {
    return this.#gate.run(kindIn(prefix), async (server) => {
      const found = new Map<string, Register>();
      for await (const message of server.scan(LEASES.stream, filterOf(prefix))) {
        const register = registerOf(message);
        const key = keyOf(message);
        if (register === null) found.delete(key);
        else if (key.startsWith(prefix)) found.set(key, register);
      }
      this.#meet(prefix, found);
      return [...found.values()].toSorted((a, b) => compareKeys(a.key, b.key));
    });
  }

  async write(key: string, expected: Revision, value: Json): Promise<Revision | null> {
    const data = Buffer.from(JSON.stringify(value));
    return this.#gate.run(kindIn(key), async (server) => {
      const revision = await this.#put(server, key, expected, data);
      if (revision === null) return null;
      if (key.includes(RUNNERS)) this.#answerFor(server, key);
      this.#ring(server, key);
      return revision;
    });
  }

  async remove(key: string, expected: Revision): Promise<boolean> {
    return this.#gate.run(kindIn(key), async (server) => {
      if (!(await this.#take(server, key, expected))) return false;
      this.#silence(key);
      return true;
    });
  }

  subscribe(prefix: string, ring: () => void): () => void {
    const { nc } = this.#gate.serverOf(kindIn(prefix));
    const whole = prefix.slice(0, prefix.lastIndexOf("/"));
    const subscription = nc.subscribe(`${leaseBell(whole)}.>`, {
      callback: (error) => {
        if (error === null) ring();
      },
    });
    const watch = { prefix, subscription, ring, seen: 0 };
    this.#watches.add(watch);
    this.#arm();
    return () => {
      subscription.unsubscribe();
      this.#watches.delete(watch);
      if (this.#watches.size === 0) this.#rest();
    };
  }

  close(): void {
    for (const { subscription } of this.#watches) subscription.unsubscribe();
    for (const subscription of this.#alive.values()) subscription.unsubscribe();
    this.#watches.clear();
    this.#alive.clear();
    this.#rest();
  }

  // ---- Registers -------------------------------------------------------------------------------

  async #put(
    server: Server,
    key: string,
    expected: Revision,
    data: Buffer,
  ): Promise<Revision | null> {
    const written = await server.publish(subjectOf(key), data, { expected });
    if (written !== null || expected !== 0) return written;
    // Nothing is expected, and a marker of what was removed is nothing.
    const message = await server.last(LEASES.stream, subjectOf(key));
    if (message === null || registerOf(message) !== null) return null;
    return server.publish(subjectOf(key), data, { expected: message.seq });
  }

  async #take(server: Server, key: string, expected: Revision): Promise<boolean> {
    if (expected < 1) return false;
    const message = await server.last(LEASES.stream, subjectOf(key));
    if (message?.seq !== expected || registerOf(message) === null) return false;
    const marker = await server.publish(subjectOf(key), new Uint8Array(), {
      headers: REMOVED,
      expected,
    });
    if (marker === null) return false;
    this.#ring(server, key);
    // A runner's name never comes back; the marker of a shard stays until the next owner.
    if (key.includes(RUNNERS)) await server.purge(LEASES.stream, subjectOf(key), marker + 1);
    return true;
  }

  #ring(server: Server, key: string): void {
    if (!server.nc.isClosed()) server.nc.publish(leaseBell(key));
  }

  // ---- Presence --------------------------------------------------------------------------------

  #answerFor(server: Server, key: string): void {
    if (this.#alive.has(key)) return;
    const subscription = server.nc.subscribe(aliveSubject(key), {
      callback: (_, message) => void message.respond(),
    });
    this.#alive.set(key, subscription);
  }

  #silence(key: string): void {
    this.#alive.get(key)?.unsubscribe();
    this.#alive.delete(key);
    this.#others.delete(key);
  }

  #meet(prefix: string, found: ReadonlyMap<string, Register>): void {
    for (const key of this.#others.keys())
      if (key.startsWith(prefix) && !found.has(key)) this.#others.delete(key);
    for (const [key, register] of found)
      if (key.includes(RUNNERS) && !this.#alive.has(key)) this.#others.set(key, register);
  }

  #arm(): void {
    this.#cancelLook ??= this.#clock.after(PRESENCE_INTERVAL_MS, () => {
      this.#cancelLook = null;
      void this.#look().finally(() => {
        if (this.#watches.size > 0) this.#arm();
      });
    });
  }

  #rest(): void {
    this.#cancelLook?.();
    this.#cancelLook = null;
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      this.#looks += 1;
      const polls = this.#looks % LOOKS_PER_POLL === 0 ? [...this.#watches] : [];
      await Promise.all([
        ...[...this.#others.values()].map((register) => this.#check(register)),
        ...polls.map((watch) => this.#poll(watch)),
      ]);
    } finally {
      this.#looking = false;
    }
  }

  async #poll(watch: Watch): Promise<void> {
    const server = this.#gate.serverOf(kindIn(watch.prefix));
    try {
      const newer = await server.next(LEASES.stream, filterOf(watch.prefix), watch.seen + 1);
      if (newer === null || !this.#watches.has(watch)) return;
      watch.seen = newer.seq;
    } catch (error) {
      if (!(error instanceof WatchfloorError)) throw error;
    }
    watch.ring();
  }

  /** Any failure but the server's word that nobody listens says nothing about the runner. */
  async #check({ key, revision }: Register): Promise<void> {
    const server = this.#gate.serverOf(kindIn(key));
    if (!(await isAbandoned(server, key)) || this.#gate.closed) return;
    try {
      const now = await server.last(LEASES.stream, subjectOf(key));
      // It renewed itself since it was listed: then it is asked again in the next round.
      const same = now !== null && registerOf(now) !== null;
      if (same && now.seq === revision) await this.#take(server, key, revision);
      else if (same) this.#others.set(key, registerOf(now)!);
      else this.#others.delete(key);
    } catch (error) {
      if (!(error instanceof WatchfloorError)) throw error;
    }
  }
}

async function isAbandoned(server: Server, key: string): Promise<boolean> {
  try {
    await server.nc.request(aliveSubject(key), undefined, { timeout: PRESENCE_ANSWER_MS });
    return false;
  } catch (error) {
    return error instanceof Error && "isNoResponders" in error
      ? (error as { isNoResponders(): boolean }).isNoResponders()
      : false;
  }
}

/** Registers are of a kind: `<kind>/runners/…` and `<kind>/shards/…`. */
function kindIn(key: string): Kind | null {
  const slash = key.indexOf("/");
  return slash < 0 ? null : (key.slice(0, slash) as Kind);
}

function subjectOf(key: string): string {
  return `${LEASES.prefix}${encodeKey(key)}`;
}

function keyOf({ subject }: Message): string {
  return decodeKey(subject.slice(LEASES.prefix.length));
}

function filterOf(prefix: string): string {
  const whole = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  return whole === "" ? `${LEASES.prefix}>` : `${subjectOf(whole.slice(0, -1))}.>`;
}

/** Null for the marker of a removal. */
function registerOf(message: Message): Register | null {
  if (message.headers[OPERATION] !== undefined) return null;
  const value = JSON.parse(Buffer.from(message.data).toString("utf8")) as Json;
  return { key: keyOf(message), revision: message.seq, value };
}
