/**
 * The boundary of: the state store port and LMDB.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import { checkKey, isStorable } from "../keys.ts";
import type { Owner, Put, StateStore, Table } from "../ports.ts";
import { readRange, readSealed, type Tables } from "./database.ts";
import type { Reader } from "./reader.ts";
import { seal, unseal, unsealText } from "./sealed.ts";
import type { Writer } from "./writer.ts";

export class LocalStore implements StateStore {
  readonly #tables: Tables;
  readonly #reader: Reader;
  readonly #writer: Writer;

  constructor(tables: Tables, reader: Reader, writer: Writer) {
    this.#tables = tables;
    this.#reader = reader;
    this.#writer = writer;
  }

  async get(table: Table, key: string): Promise<Json> {
    return this.#reader.read(() => this.#value(table, key));
  }

  async getMany(table: Table, keys: readonly string[]): Promise<readonly Json[]> {
    return this.#reader.read(() => keys.map((key) => this.#value(table, key)));
  }

  async list(
    table: Table,
    prefix: string,
    options: { readonly limit?: number; readonly reverse?: boolean; readonly after?: string } = {},
  ): Promise<readonly { readonly key: string; readonly value: Json }[]> {
    return this.#reader.read(() => {
      if (prefix !== "" && !isStorable(prefix)) return [];
      return readRange(this.#tables.state[table], prefix, options).map(({ key, sealed }) => ({
        key,
        value: parsed(table, key, sealed),
      }));
    });
  }

  async write(puts: readonly Put[], owner?: Owner): Promise<void> {
    const changes = puts.map(({ table, key, value, text }) => {
      checkKey(table, key);
      const sealed = value === null ? null : seal(text ?? JSON.stringify(value));
      return { table: this.#tables.state[table], key: Buffer.from(key), sealed };
    });
    const bytes = changes.reduce((sum, { sealed }) => sum + (sealed?.length ?? 0), 0);
    await this.#submitAs(owner, bytes, () => {
      for (const { table, key, sealed } of changes) {
        if (sealed === null) table.removeSync(key);
        else table.putSync(key, sealed);
      }
    });
  }

  async getBlob(key: string): Promise<Uint8Array | null> {
    return this.#reader.read(() => this.#blob(key));
  }

  async putBlob(key: string, bytes: Uint8Array, owner?: Owner): Promise<void> {
    checkKey("blobs", key);
    const sealed = seal(bytes);
    await this.#submitAs(owner, sealed.length, () => {
      this.#tables.blobs.putSync(Buffer.from(key), sealed);
    });
  }

  /** A refused owner must not fail the others of the transaction: it is thrown for after it. */
  async #submitAs(owner: Owner | undefined, bytes: number, apply: () => void): Promise<void> {
    const done = await this.#writer.submit(bytes, () => {
      if (owner !== undefined && !this.#admits(owner)) return false;
      apply();
      return true;
    });
    if (!done) throw new WatchfloorError("fenced", { shard: owner?.shard ?? "" });
  }

  #admits({ shard, epoch }: Owner): boolean {
    const sealed = readSealed(this.#tables.lasts, `epoch/${shard}`);
    const latest = sealed === null ? 0 : Number(unsealText(sealed));
    if (epoch > latest)
      this.#tables.lasts.putSync(Buffer.from(`epoch/${shard}`), seal(String(epoch)));
    return epoch >= latest;
  }

  #blob(key: string): Uint8Array | null {
    if (!isStorable(key)) return null;
    const sealed = readSealed(this.#tables.blobs, key);
    if (sealed === null) return null;
    const content = unseal(sealed);
    if (content === null) throw new WatchfloorError("value_unreadable", { table: "blobs", key });
    return Uint8Array.from(content);
  }

  #value(table: Table, key: string): Json {
    if (!isStorable(key)) return null;
    const sealed = readSealed(this.#tables.state[table], key);
    return sealed === null ? null : parsed(table, key, sealed);
  }
}

function parsed(table: Table, key: string, sealed: Uint8Array): Json {
  const text = unsealText(sealed);
  if (text === null) throw new WatchfloorError("value_unreadable", { table, key });
  const value: Json = JSON.parse(text);
  return value;
}
