/**
 * The boundary of: one process and the servers it talks to. The memory transport behind a network
 * that is slow, loses requests and answers, and brings some of them after everyone gave up on them;
 * and a process that dies or is stopped at any of its operations.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Envelope, Json } from "../../machines/protocol.ts";
import type { AppendResult, Owner, Put, Transport } from "../../transports/ports.ts";
import type { Faults } from "./faults.ts";
import type { Ledger } from "./ledger.ts";
import type { ProcessTime, WorldTime } from "./time.ts";

export interface Link {
  readonly id: string;
  readonly world: WorldTime;
  readonly time: ProcessTime;
  readonly faults: Faults;
  readonly ledger: Ledger;
  readonly server: Transport;
  /** Kills the process this link belongs to. */
  die(): void;
  /** A lease of this kind was renewed by a write begun at this moment of the own steady clock. */
  renewed(kind: string, beganAt: number): void;
}

type Fate = "done" | "lost" | "unanswered" | "late";

/** Leases are renewed and looked at all the time: most faults are for what is done with them. */
const LEASE_SHARE = 0.15;
/** What is applied and not appended yet is in danger for as long as the append takes. */
const APPEND_SHARE = 2;

interface Operation<T> {
  readonly what: string;
  readonly fate: Fate;
  apply(): Promise<T>;
  /** What the caller gets instead of an answer. */
  failure(): unknown;
}

export function connect(link: Link): Transport {
  const { server, faults } = link;
  const read = <T>(what: string, apply: () => Promise<T>): Promise<T> =>
    operate(link, {
      what,
      fate: faults.strikes("readFails") ? "lost" : "done",
      apply,
      failure: () => new Error(`${what}: no answer`),
    });
  return {
    name: "memory",
    journal: {
      append: (shard, expected, records) => append(link, shard, expected, records),
      read: (shard, from, limit) =>
        read(`read ${shard}`, () => server.journal.read(shard, from, limit)),
      last: (shard) => read(`last ${shard}`, () => server.journal.last(shard)),
      trim: (shard, below) => write(link, "store", "trim", () => server.journal.trim(shard, below)),
    },
    store: {
      get: (table, key) => read(`get ${table}`, () => server.store.get(table, key)),
      getMany: (table, keys) => read(`get ${table}`, () => server.store.getMany(table, keys)),
      list: (table, prefix, options) =>
        read(`list ${table}`, () => server.store.list(table, prefix, options)),
      write: (puts, owner) => writeState(link, puts, owner),
      getBlob: (key) => read("get blob", () => server.store.getBlob(key)),
      putBlob: (key, bytes, owner) =>
        write(link, "store", "blob", () => server.store.putBlob(key, bytes, owner)),
    },
    mailbox: {
      publish: (shard, envelopes) => publish(link, shard, envelopes),
      read: (shard, after, limit) =>
        read(`mail ${shard}`, () => server.mailbox.read(shard, after, limit)),
      depth: (shard, after) => read("depth", () => server.mailbox.depth(shard, after)),
      trim: (shard, upTo) =>
        write(link, "store", "mail trim", () => server.mailbox.trim(shard, upTo)),
      subscribe: (shard, ring) => server.mailbox.subscribe(shard, () => rung(link, ring)),
    },
    leases: leases(link),
    close: async () => {},
  };
}

/**
 * Sends the request, unless the process dies or is stopped first; then the answer, unless it does
 * so in between. What is on its way reaches the server whatever becomes of the process.
 */
function operate<T>(link: Link, operation: Operation<T>): Promise<T> {
  const { faults, time, world } = link;
  const share = shareOf(operation.what);
  if (!stopsAt(link, "before", operation.what, share)) return new Promise(() => {});
  return new Promise<T>((resolve, reject) => {
    const send = (): void => {
      if (operation.fate === "lost") return answer(() => reject(operation.failure() as Error));
      if (operation.fate === "late") {
        world.after(faults.between(5, 6_000), () => void operation.apply().catch(() => {}));
        return answer(() => reject(operation.failure() as Error));
      }
      operation.apply().then(
        (result) => {
          if (!stopsAt(link, "after", operation.what, share)) return;
          if (operation.fate === "unanswered") answer(() => reject(operation.failure() as Error));
          else answer(() => resolve(result));
        },
        (error: unknown) => answer(() => reject(error as Error)),
      );
    };
    const answer = (tell: () => void): void => {
      const latencyMs = faults.latencyMs(share);
      if (latencyMs === 0) time.deliver(tell);
      else world.after(latencyMs, () => time.deliver(tell));
    };
    const latencyMs = faults.latencyMs(share);
    if (latencyMs === 0 && !time.paused) send();
    else world.after(latencyMs, () => time.deliver(send));
  });
}

function shareOf(what: string): number {
  if (what.startsWith("lease")) return LEASE_SHARE;
  return what.startsWith("append") ? APPEND_SHARE : 1;
}

/** False when the process is dead, or died of this. */
function stopsAt(link: Link, when: "before" | "after", what: string, share: number): boolean {
  const { faults, time, ledger, world, id } = link;
  if (time.dead) return false;
  if (faults.strikes(when === "before" ? "crashBefore" : "crashAfter", share)) {
    ledger.note(world.now, id, () => `dies ${when} ${what}`);
    link.die();
    return false;
  }
  if (!time.paused && faults.strikes(when === "before" ? "pauseBefore" : "pauseAfter", share)) {
    const ms = faults.between(200, 9_000);
    ledger.note(world.now, id, () => `is stopped for ${ms} ms ${when} ${what}`);
    time.pause(ms);
  }
  return true;
}

// ---- Writes ------------------------------------------------------------------------------------

function append(
  link: Link,
  shard: string,
  expected: number,
  records: readonly string[],
): Promise<AppendResult> {
  const { faults, ledger, world, server, id } = link;
  const texts = [...records];
  return operate(link, {
    what: `append ${shard}#${expected + 1}`,
    fate: fateOf(faults, "append"),
    apply: async () => {
      const result = await server.journal.append(shard, expected, texts);
      if (result.appended) ledger.append(world.now, id, shard, expected + 1, texts);
      return result;
    },
    failure: () => new WatchfloorError("append_unanswered", { shard }),
  });
}

function publish(link: Link, shard: string, envelopes: readonly Envelope[]): Promise<number> {
  const { faults, world, server } = link;
  const copy = JSON.parse(JSON.stringify(envelopes)) as Envelope[];
  if (faults.strikes("duplicate"))
    world.after(faults.between(50, 10_000), () => void server.mailbox.publish(shard, copy));
  return operate(link, {
    what: `publish ${shard}`,
    fate: fateOf(faults, "publish"),
    apply: () => server.mailbox.publish(shard, copy),
    failure: () => new Error("publish: no answer"),
  });
}

function writeState(link: Link, puts: readonly Put[], owner: Owner | undefined): Promise<void> {
  const copy = JSON.parse(JSON.stringify(puts)) as Put[];
  return write(link, "store", `write ${owner?.shard ?? ""}`, () =>
    link.server.store.write(copy, owner),
  );
}

function write(
  link: Link,
  family: "store",
  what: string,
  apply: () => Promise<void>,
): Promise<void> {
  const { faults } = link;
  const failure = (): unknown => new Error(`${what}: no answer`);
  return operate(link, { what, fate: fateOf(faults, family), apply, failure });
}

function fateOf(faults: Faults, family: "append" | "publish" | "store" | "lease"): Fate {
  if (faults.strikes(`${family}Lost`)) return "lost";
  if (family !== "store" && faults.strikes(`${family}Unanswered`)) return "unanswered";
  return faults.strikes(`${family}Late`) ? "late" : "done";
}

function rung(link: Link, ring: () => void): void {
  const { faults, world, time } = link;
  if (faults.strikes("ringLate")) world.after(faults.between(1, 1_500), () => time.deliver(ring));
  else time.deliver(ring);
}

// ---- Leases ------------------------------------------------------------------------------------

function leases(link: Link): Transport["leases"] {
  const { faults, server, time } = link;
  const port = server.leases!;
  const fail = (what: string) => (): unknown => new Error(`${what}: no answer`);
  const read = <T>(what: string, apply: () => Promise<T>): Promise<T> =>
    operate(link, {
      what,
      fate: faults.strikes("readFails") ? "lost" : "done",
      apply,
      failure: fail(what),
    });
  return {
    read: (key) => read(`lease ${key}`, () => port.read(key)),
    list: (prefix) => read(`leases ${prefix}`, () => port.list(prefix)),
    write: async (key, expected, value: Json) => {
      const began = time.steady();
      const copy = JSON.parse(JSON.stringify(value)) as Json;
      const revision = await operate(link, {
        what: `lease ${key}`,
        fate: fateOf(faults, "lease"),
        apply: () => port.write(key, expected, copy),
        failure: fail(`lease ${key}`),
      });
      if (revision !== null && key.includes("/runners/")) link.renewed(key.split("/")[0]!, began);
      return revision;
    },
    remove: (key, expected) =>
      operate(link, {
        what: `unlease ${key}`,
        fate: fateOf(faults, "lease"),
        apply: () => port.remove(key, expected),
        failure: fail(`unlease ${key}`),
      }),
    // Renewals are looked for, not heard: of each there would be one ring for every runner.
    subscribe: (prefix, ring) => port.subscribe(`${prefix}shards/`, () => time.deliver(ring)),
  };
}
