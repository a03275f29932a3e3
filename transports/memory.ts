/**
 * The boundary of: a transport that lives in this process only; the twin of `local`, and the base
 * of simulations. What goes in is JSON text from then on, so no value is ever shared between the
 * one who stored it and the one who reads it. Writes are applied one at a time, in order.
 *
 * A `MemoryDisk` outlives the transports opened on it, as a disk outlives a process: closing one
 * and opening another is a restart, two at once are two runners.
 */
import { WatchfloorError } from "../machines/errors.ts";
import type { Envelope, Json } from "../machines/protocol.ts";
import { Bells } from "./bells.ts";
import { checkKey, compareKeys } from "./keys.ts";
import { Gate, type MemoryOperation } from "./memory-gate.ts";
import { MemoryLeases, Registers } from "./memory-leases.ts";
import type {
  AppendResult,
  Clock,
  Journal,
  Mailbox,
  MailboxEntry,
  Owner,
  Position,
  Put,
  ShardId,
  StateStore,
  StoredRecord,
  Table,
  Transport,
} from "./ports.ts";

export interface MemoryOptions {
  readonly clock: Clock;
  readonly disk?: MemoryDisk;
  /** Several runners work on the disk at once: who runs what is settled by leases. */
  readonly shared?: boolean;
  /** Runs before each operation: may delay it, or fail it by rejecting; then nothing was done. */
  readonly before?: (operation: MemoryOperation) => Promise<void>;
}

export class MemoryDisk {
  readonly journals = new ShardLogs();
  readonly mailboxes = new ShardLogs();
  readonly blobs = new Map<string, Uint8Array>();
  readonly registers = new Registers();
  /** Latest epoch that wrote, by shard. */
  readonly #epochs = new Map<ShardId, Position>();
  readonly #tables = new Map<Table, SortedTexts>();

  table(name: Table): SortedTexts {
    return existing(this.#tables, name, () => new SortedTexts());
  }

  /** Throws `fenced` for an owner whom a later one followed. */
  checkOwner(owner: Owner | undefined): void {
    if (owner === undefined) return;
    const { shard, epoch } = owner;
    if (epoch < (this.#epochs.get(shard) ?? 0)) throw new WatchfloorError("fenced", { shard });
    this.#epochs.set(shard, epoch);
  }
}

export function openMemory(options: MemoryOptions): Transport {
  const disk = options.disk ?? new MemoryDisk();
  const bells = new Bells(options.clock, (shard) => disk.mailboxes.last(shard));
  const gate = new Gate(options.before);
  const leases = options.shared === true ? new MemoryLeases(disk.registers, gate) : null;
  return {
    name: "memory",
    journal: new MemoryJournal(disk, gate),
    store: new MemoryStore(disk, gate),
    mailbox: new MemoryMailbox(disk, gate, bells),
    leases,
    close: async () => {
      bells.close();
      leases?.close();
      await gate.close();
    },
  };
}

// ---- Journal -----------------------------------------------------------------------------------

class MemoryJournal implements Journal {
  readonly #logs: ShardLogs;
  readonly #gate: Gate;

  constructor(disk: MemoryDisk, gate: Gate) {
    this.#logs = disk.journals;
    this.#gate = gate;
  }

  async append(
    shard: ShardId,
    expected: Position,
    records: readonly string[],
  ): Promise<AppendResult> {
    const texts = [...records];
    return this.#gate.write({ port: "journal", method: "append", target: shard }, () => {
      const last = this.#logs.last(shard);
      if (last !== expected) return { appended: false, last };
      return { appended: true, last: this.#logs.append(shard, texts) };
    });
  }

  async read(shard: ShardId, from: Position, limit: number): Promise<readonly StoredRecord[]> {
    return this.#gate.read({ port: "journal", method: "read", target: shard }, () =>
      this.#logs.read(shard, from, limit),
    );
  }

  async last(shard: ShardId): Promise<Position> {
    return this.#gate.read({ port: "journal", method: "last", target: shard }, () =>
      this.#logs.last(shard),
    );
  }

  async trim(shard: ShardId, below: Position): Promise<void> {
    return this.#gate.write({ port: "journal", method: "trim", target: shard }, () =>
      this.#logs.trim(shard, below),
    );
  }
}

// ---- Mailbox -----------------------------------------------------------------------------------

class MemoryMailbox implements Mailbox {
  readonly #logs: ShardLogs;
  readonly #gate: Gate;
  readonly #bells: Bells;

  constructor(disk: MemoryDisk, gate: Gate, bells: Bells) {
    this.#logs = disk.mailboxes;
    this.#gate = gate;
    this.#bells = bells;
  }

  async publish(shard: ShardId, envelopes: readonly Envelope[]): Promise<Position> {
    const texts = envelopes.map((envelope) => JSON.stringify(envelope));
    const last = await this.#gate.write({ port: "mailbox", method: "publish", target: shard }, () =>
      this.#logs.append(shard, texts),
    );
    if (texts.length > 0) this.#bells.published(shard, last);
    return last;
  }

  async read(shard: ShardId, after: Position, limit: number): Promise<readonly MailboxEntry[]> {
    return this.#gate.read({ port: "mailbox", method: "read", target: shard }, () =>
      this.#logs.read(shard, after + 1, limit).map(({ position, text }) => {
        const envelope: Envelope = JSON.parse(text);
        return { position, envelope };
      }),
    );
  }

  async depth(shard: ShardId, after: Position): Promise<number> {
    return this.#gate.read({ port: "mailbox", method: "depth", target: shard }, () =>
      this.#logs.depth(shard, after),
    );
  }

  async trim(shard: ShardId, upTo: Position): Promise<void> {
    return this.#gate.write({ port: "mailbox", method: "trim", target: shard }, () =>
      this.#logs.trim(shard, upTo + 1),
    );
  }

  subscribe(shard: ShardId, ring: () => void): () => void {
    return this.#bells.subscribe(shard, ring);
  }
}

// ---- State store -------------------------------------------------------------------------------

class MemoryStore implements StateStore {
  readonly #disk: MemoryDisk;
  readonly #gate: Gate;

  constructor(disk: MemoryDisk, gate: Gate) {
    this.#disk = disk;
    this.#gate = gate;
  }

  async get(table: Table, key: string): Promise<Json> {
    return this.#gate.read({ port: "store", method: "get", target: table }, () =>
      parsed(this.#disk.table(table).get(key)),
    );
  }

  async getMany(table: Table, keys: readonly string[]): Promise<readonly Json[]> {
    return this.#gate.read({ port: "store", method: "getMany", target: table }, () =>
      keys.map((key) => parsed(this.#disk.table(table).get(key))),
    );
  }

  async list(
    table: Table,
    prefix: string,
    options: { readonly limit?: number; readonly reverse?: boolean; readonly after?: string } = {},
  ): Promise<readonly { readonly key: string; readonly value: Json }[]> {
    return this.#gate.read({ port: "store", method: "list", target: table }, () => {
      const texts = this.#disk.table(table);
      return texts.keys(prefix, options).map((key) => ({ key, value: parsed(texts.get(key)) }));
    });
  }

  async write(puts: readonly Put[], owner?: Owner): Promise<void> {
    const changes = puts.map(({ table, key, value, text }) => {
      checkKey(table, key);
      return { table, key, text: value === null ? null : (text ?? JSON.stringify(value)) };
    });
    return this.#gate.write(
      { port: "store", method: "write", target: puts[0]?.table ?? "" },
      () => {
        this.#disk.checkOwner(owner);
        for (const { table, key, text } of changes) this.#disk.table(table).set(key, text);
      },
    );
  }

  async getBlob(key: string): Promise<Uint8Array | null> {
    return this.#gate.read({ port: "store", method: "getBlob", target: key }, () => {
      const bytes = this.#disk.blobs.get(key);
      return bytes === undefined ? null : Uint8Array.from(bytes);
    });
  }

  async putBlob(key: string, bytes: Uint8Array, owner?: Owner): Promise<void> {
    checkKey("blobs", key);
    const copy = Uint8Array.from(bytes);
    return this.#gate.write({ port: "store", method: "putBlob", target: key }, () => {
      this.#disk.checkOwner(owner);
      this.#disk.blobs.set(key, copy);
    });
  }
}

function parsed(text: string | undefined): Json {
  const value: Json = text === undefined ? null : JSON.parse(text);
  return value;
}

// ---- What the disk is made of ------------------------------------------------------------------

interface ShardLog {
  /** Position of the first text; one past the last when there is none. */
  first: Position;
  readonly texts: string[];
}

class ShardLogs {
  readonly #logs = new Map<ShardId, ShardLog>();

  last(shard: ShardId): Position {
    const log = this.#log(shard);
    return log.first + log.texts.length - 1;
  }

  append(shard: ShardId, texts: readonly string[]): Position {
    for (const text of texts) this.#log(shard).texts.push(text);
    return this.last(shard);
  }

  read(shard: ShardId, from: Position, limit: number): { position: Position; text: string }[] {
    const { first, texts } = this.#log(shard);
    const start = Math.max(0, from - first);
    return texts
      .slice(start, start + Math.max(0, limit))
      .map((text, i) => ({ position: first + start + i, text }));
  }

  depth(shard: ShardId, after: Position): number {
    const { first, texts } = this.#log(shard);
    return Math.max(0, texts.length - Math.max(0, after - first + 1));
  }

  trim(shard: ShardId, below: Position): void {
    const log = this.#log(shard);
    const removed = log.texts.splice(0, Math.max(0, below - log.first));
    log.first += removed.length;
  }

  #log(shard: ShardId): ShardLog {
    return existing(this.#logs, shard, () => ({ first: 1, texts: [] }));
  }
}

class SortedTexts {
  readonly #texts = new Map<string, string>();
  readonly #keys: string[] = [];

  get(key: string): string | undefined {
    return this.#texts.get(key);
  }

  set(key: string, text: string | null): void {
    if (text === null) {
      if (this.#texts.delete(key)) this.#keys.splice(this.#indexOf(key), 1);
      return;
    }
    if (!this.#texts.has(key)) this.#keys.splice(this.#indexOf(key), 0, key);
    this.#texts.set(key, text);
  }

  keys(
    prefix: string,
    options: { readonly limit?: number; readonly reverse?: boolean; readonly after?: string },
  ): string[] {
    const { after, reverse = false, limit = Infinity } = options;
    let start = this.#indexOf(prefix);
    let end = start;
    while (this.#keys[end]?.startsWith(prefix) === true) end += 1;
    if (after !== undefined) {
      const at = this.#indexOf(after);
      if (reverse) end = Math.min(end, at);
      else start = Math.max(start, this.#keys[at] === after ? at + 1 : at);
    }
    const found = this.#keys.slice(start, Math.max(start, end));
    return (reverse ? found.toReversed() : found).slice(0, Math.max(0, limit));
  }

  /** Index of the first key that does not sort before `key`. */
  #indexOf(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle] ?? "", key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function existing<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
