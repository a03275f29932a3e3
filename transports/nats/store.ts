/**
 * The boundary of: the state store port and one stream a bucket, a key a subject, its newest value a
 * message. Puts are written one by one: behind a journal that is enough, because a checkpoint follows
 * them, and whoever takes over writes what is after it again.
 *
 * A put of an owner is conditional on the revision that this process last wrote or read. Where that
 * is not the newest, the newest says who wrote it: a later owner of the shard refuses the put, any
 * other is followed. So an owner that was followed changes nothing that its successor wrote.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import { checkKey, compareKeys, isStorable } from "../keys.ts";
import type { Owner, Put, StateStore, Table } from "../ports.ts";
import type { NatsBlobs } from "./blobs.ts";
import type { Gate } from "./gate.ts";
import { Listings } from "./listings.ts";
import { placeOf, scansOf, kindOfShard, type Place } from "./names.ts";
import { checkOwner, knownOf, ownerHeader, Revisions, type Known } from "./revisions.ts";
import type { Message, Server } from "./server.ts";

/** Requests of one call that are under way at once. */
const CONCURRENCY_MAX = 256;
/** Another may write between our look and our put, as often as there are others. */
const TRIES_MAX = 8;

interface Change {
  readonly place: Place;
  readonly table: Table;
  readonly data: Buffer | null;
}

type ListOptions = Parameters<StateStore["list"]>[2];

export class NatsStore implements StateStore {
  readonly #gate: Gate;
  readonly #blobs: NatsBlobs;
  readonly #revisions = new Revisions();
  readonly #listings = new Listings();

  constructor(gate: Gate, blobs: NatsBlobs) {
    this.#gate = gate;
    this.#blobs = blobs;
  }

  async get(table: Table, key: string): Promise<Json> {
    return this.#gate.run(null, (server) => this.#value(server, table, key));
  }

  async getMany(table: Table, keys: readonly string[]): Promise<readonly Json[]> {
    return this.#gate.run(null, (server) =>
      inParallel(keys, (key) => this.#value(server, table, key)),
    );
  }

  async list(
    table: Table,
    prefix: string,
    options: ListOptions = {},
  ): Promise<readonly { readonly key: string; readonly value: Json }[]> {
    if (prefix !== "" && !isStorable(prefix)) return [];
    return this.#gate.run(null, async (server) => {
      const known = options.after === undefined ? null : this.#listings.of(table, prefix);
      const keys = known ?? (await this.#scan(server, table, prefix));
      const { page, more } = pageOf(keys, options);
      if (more && options.limit !== undefined) this.#listings.keep(table, prefix, keys);
      else this.#listings.forget(table);
      return page.map(({ key, data }) => ({ key, value: JSON.parse(data) as Json }));
    });
  }

  async write(puts: readonly Put[], owner?: Owner): Promise<void> {
    const changes = changesOf(puts);
    return this.#gate.run(owner ? kindOfShard(owner.shard) : null, async (server) => {
      for (const { table } of changes) this.#listings.forget(table);
      await inParallel(changes, (change) => this.#change(server, change, owner));
    });
  }

  getBlob(key: string): Promise<Uint8Array | null> {
    return this.#blobs.get(key);
  }

  async putBlob(key: string, bytes: Uint8Array, owner?: Owner): Promise<void> {
    checkKey("blobs", key);
    return this.#blobs.put(key, Uint8Array.from(bytes), owner);
  }

  // ---- Reading ---------------------------------------------------------------------------------

  async #value(server: Server, table: Table, key: string): Promise<Json> {
    const place = isStorable(key) ? placeOf(table, key) : null;
    if (place === null) return null;
    const message = await server.last(place.stream, place.subject);
    if (message === null) return null;
    this.#revisions.set(place.subject, knownOf(message));
    return isRemoval(message) ? null : (JSON.parse(textOf(message)) as Json);
  }

  async #scan(server: Server, table: Table, prefix: string) {
    const found: { key: string; data: string }[] = [];
    for (const { stream, filter, keyOf } of scansOf(table, prefix)) {
      for await (const message of server.scan(stream, filter)) {
        const key = keyOf(message.subject);
        if (key.startsWith(prefix) && !isRemoval(message))
          found.push({ key, data: textOf(message) });
      }
    }
    // A value that was written anew while we read is met twice: the later one counts.
    const newest = new Map(found.map((entry) => [entry.key, entry]));
    return [...newest.values()].toSorted((a, b) => compareKeys(a.key, b.key));
  }

  // ---- Writing ---------------------------------------------------------------------------------

  async #change(server: Server, { place, data }: Change, owner: Owner | undefined): Promise<void> {
    if (owner === undefined) return this.#overwrite(server, place, data);
    checkOwner(this.#revisions.get(place.subject), owner);
    if (data === null) {
      // What is to go must be known: a removal is no message that could be refused.
      const newest = this.#revisions.get(place.subject) ?? (await this.#look(server, place, owner));
      return newest === null ? undefined : this.#remove(server, place, newest.seq);
    }
    for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
      if (await this.#put(server, place, data, owner)) return;
      await this.#look(server, place, owner);
    }
    const why = "others write the same key all the time";
    throw new WatchfloorError("nats_failed", { target: place.stream, why });
  }

  /** False where the newest revision is another than is known here, or nobody answered. */
  async #put(server: Server, { subject }: Place, data: Buffer, owner: Owner): Promise<boolean> {
    const expected = this.#revisions.get(subject)?.seq ?? 0;
    try {
      const seq = await server.publish(subject, data, { headers: ownerHeader(owner), expected });
      if (seq !== null) this.#revisions.set(subject, { seq, owner });
      return seq !== null;
    } catch (error) {
      if (error instanceof WatchfloorError && error.code === "nats_unanswered") return false;
      throw error;
    }
  }

  /** Absolute: what was written since stays. */
  async #remove(server: Server, { stream, subject }: Place, newest: number): Promise<void> {
    await server.purge(stream, subject, newest + 1);
    this.#revisions.forget(subject);
  }

  /** The newest revision. Throws `fenced` where a later owner of the shard wrote it. */
  async #look(server: Server, { stream, subject }: Place, owner: Owner): Promise<Known | null> {
    const message = await server.last(stream, subject);
    const known = message === null ? null : knownOf(message);
    if (known === null) this.#revisions.forget(subject);
    else this.#revisions.set(subject, known);
    checkOwner(known, owner);
    return known;
  }

  async #overwrite(server: Server, { stream, subject }: Place, data: Buffer | null): Promise<void> {
    this.#revisions.forget(subject);
    if (data === null) return server.purge(stream, subject);
    await server.attempt(stream, () => server.publish(subject, data));
  }
}

/** The last put of each key, in their order; everything is checked before anything is written. */
function changesOf(puts: readonly Put[]): Change[] {
  const changes = new Map<string, Change>();
  for (const { table, key, value } of puts) {
    checkKey(table, key);
    const data = value === null ? null : Buffer.from(JSON.stringify(value));
    const place = placeOf(table, key);
    if (place === null) {
      const why = `its key ${key.slice(0, 40)} names no agent kind`;
      throw new WatchfloorError("data_unusable", { path: `table ${table}`, why });
    }
    changes.delete(place.subject);
    changes.set(place.subject, { place, table, data });
  }
  return [...changes.values()];
}

function textOf({ data }: Message): string {
  return Buffer.from(data).toString("utf8");
}

/** What `nats kv del` and `nats kv purge` leave. */
function isRemoval({ headers }: Message): boolean {
  return headers["KV-Operation"] !== undefined;
}

function pageOf<T extends { readonly key: string }>(
  keys: readonly T[],
  { after, reverse = false, limit = Infinity }: NonNullable<ListOptions>,
): { page: readonly T[]; more: boolean } {
  const rest =
    after === undefined
      ? keys
      : keys.filter(({ key }) => {
          const order = compareKeys(key, after);
          return reverse ? order < 0 : order > 0;
        });
  const ordered = reverse ? rest.toReversed() : rest;
  return { page: ordered.slice(0, Math.max(0, limit)), more: ordered.length > limit };
}

async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY_MAX, items.length) }, worker));
  return results;
}
