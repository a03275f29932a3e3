/**
 * The boundary of: bytes of any size and messages of a limited one. Chunks under a generation of
 * their own, then one message that names it: who reads finds the whole of one put or of another.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import { isStorable } from "../keys.ts";
import type { Owner } from "../ports.ts";
import type { Gate } from "./gate.ts";
import { BLOBS, encodeKey, kindOfShard } from "./names.ts";
import { checkOwner, knownOf, ownerHeader } from "./revisions.ts";
import type { Message, Server } from "./server.ts";

const CHUNK_SHARE = 0.5;
const TRIES_MAX = 8;
/** A put that was overtaken while we read took its chunks away. */
const READS_MAX = 5;

interface Manifest {
  readonly generation: string;
  readonly chunks: number;
  readonly bytes: number;
}

export class NatsBlobs {
  readonly #gate: Gate;
  readonly #instance: string;
  #puts = 0;

  constructor(gate: Gate, instance: string) {
    this.#gate = gate;
    this.#instance = instance;
  }

  async get(key: string): Promise<Uint8Array | null> {
    if (!isStorable(key)) return null;
    return this.#gate.run(null, async (server) => {
      for (let attempt = 1; attempt <= READS_MAX; attempt += 1) {
        const message = await server.last(BLOBS.stream, manifestOf(key));
        if (message === null) return null;
        const bytes = await this.#joined(server, key, parsed(message));
        if (bytes !== null) return bytes;
      }
      throw new WatchfloorError("value_unreadable", { table: "blobs", key });
    });
  }

  async put(key: string, bytes: Uint8Array, owner?: Owner): Promise<void> {
    return this.#gate.run(owner ? kindOfShard(owner.shard) : null, async (server) => {
      const before = await server.last(BLOBS.stream, manifestOf(key));
      if (before && owner) checkOwner(knownOf(before), owner);
      const generation = `${this.#instance}-${++this.#puts}`;
      const chunks = await this.#chunks(server, key, generation, bytes);
      const manifest: Manifest = { generation, chunks, bytes: bytes.length };
      const replaced = await this.#commit(server, key, manifest, before, owner);
      if (replaced === null) return;
      await server.purge(BLOBS.stream, chunkOf(key, parsed(replaced).generation, "*"));
    });
  }

  async #chunks(
    server: Server,
    key: string,
    generation: string,
    bytes: Uint8Array,
  ): Promise<number> {
    const size = Math.floor(server.maxPayload * CHUNK_SHARE);
    const count = Math.ceil(bytes.length / size);
    const each = Array.from({ length: count }, (_, n) =>
      server.attempt(BLOBS.stream, () =>
        server.publish(chunkOf(key, generation, n), bytes.subarray(n * size, (n + 1) * size)),
      ),
    );
    await Promise.all(each);
    return count;
  }

  /** The message that was replaced. */
  async #commit(
    server: Server,
    key: string,
    manifest: Manifest,
    seen: Message | null,
    owner: Owner | undefined,
  ): Promise<Message | null> {
    const data = Buffer.from(JSON.stringify(manifest));
    const headers = owner ? ownerHeader(owner) : {};
    let before = seen;
    for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
      const expected = before?.seq ?? 0;
      const seq = await server.publish(manifestOf(key), data, { headers, expected });
      if (seq !== null) return before;
      before = await server.last(BLOBS.stream, manifestOf(key));
      if (before && owner) checkOwner(knownOf(before), owner);
    }
    const why = "others write the same key all the time";
    throw new WatchfloorError("nats_failed", { target: BLOBS.stream, why });
  }

  async #joined(
    server: Server,
    key: string,
    { generation, chunks, bytes }: Manifest,
  ): Promise<Uint8Array | null> {
    const parts = await Promise.all(
      Array.from({ length: chunks }, (_, n) =>
        server.last(BLOBS.stream, chunkOf(key, generation, n)),
      ),
    );
    const whole = Buffer.concat(parts.map((part) => part?.data ?? new Uint8Array()));
    return whole.length === bytes ? Uint8Array.from(whole) : null;
  }
}

function manifestOf(key: string): string {
  return `${BLOBS.prefix}manifest.${encodeKey(key)}`;
}

function chunkOf(key: string, generation: string, n: number | "*"): string {
  return `${BLOBS.prefix}chunk.${encodeKey(key)}.${generation}.${n}`;
}

function parsed({ data }: Message): Manifest {
  return JSON.parse(Buffer.from(data).toString("utf8")) as Manifest;
}
