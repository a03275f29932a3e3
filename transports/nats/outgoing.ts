/**
 * The boundary of: many senders of this process and one mailbox. Group commit: what became ready
 * while the last message to a shard was in flight goes into the next, in order; a message holds
 * envelopes of one sender's kind. A publish without an answer is repeated with the same id, so that
 * the server keeps one of them.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Envelope, Kind } from "../../machines/protocol.ts";
import { backoffMs } from "../../machines/retry.ts";
import type { Clock, ShardId } from "../ports.ts";
import type { Gate } from "./gate.ts";
import { kindOfShard, mailboxSubject, senderOf } from "./names.ts";

/** Fewer than the positions that a message may take. */
export const PACK_ENVELOPES_MAX = 1_000;
/** Of the server's limit; the rest is for headers. */
const PAYLOAD_SHARE = 0.9;
const RETRY = { attemptsMax: 8, delayMsMin: 50, delayMsMax: 2_000 };

/** Envelopes of one sender's kind that were sent together, and fit one message. */
interface Waiting {
  readonly sender: Kind | "edge";
  readonly first: Envelope;
  readonly texts: string[];
  bytes: number;
  readonly sent: Promise<Sent>;
  readonly stored: (sent: Sent) => void;
  readonly failed: (error: unknown) => void;
}

/** Where the last of the envelopes that were sent together lies. */
export interface Sent {
  readonly seq: number;
  readonly place: number;
}

export interface OutgoingOptions {
  readonly gate: Gate;
  readonly clock: Clock;
  readonly instance: string;
}

export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #published: (shard: ShardId, seq: number, count: number) => void;
  /** Of shards to which a message is in flight. */
  readonly #queues = new Map<ShardId, Waiting[]>();
  #sent = 0;
  #closed = false;

  constructor(
    options: OutgoingOptions,
    published: (shard: ShardId, seq: number, count: number) => void,
  ) {
    this.#options = options;
    this.#published = published;
  }

  /** @param texts of the envelopes, at least one. */
  async send(
    shard: ShardId,
    envelopes: readonly Envelope[],
    texts: readonly string[],
  ): Promise<Sent> {
    const parts = this.#parts(shard, envelopes, texts);
    return this.#options.gate.run(kindOfShard(shard), async () => {
      const queue = this.#queues.get(shard);
      if (queue) queue.push(...parts);
      else void this.#drain(shard, parts);
      const all = await Promise.all(parts.map(({ sent }) => sent));
      return all.at(-1)!;
    });
  }

  #parts(shard: ShardId, envelopes: readonly Envelope[], texts: readonly string[]): Waiting[] {
    const limit = this.#bytesMax(shard);
    const parts: Waiting[] = [];
    for (const [n, envelope] of envelopes.entries()) {
      const text = texts[n] ?? "";
      const sender = senderOf(envelope);
      const bytes = Buffer.byteLength(text) + 1;
      const part = parts.at(-1);
      if (part && fits(part, sender, bytes, 1, limit)) {
        part.texts.push(text);
        part.bytes += bytes;
      } else parts.push(waiting(sender, envelope, text, bytes));
    }
    return parts;
  }

  #bytesMax(shard: ShardId): number {
    return this.#options.gate.serverOf(kindOfShard(shard)).maxPayload * PAYLOAD_SHARE;
  }

  /** Nothing is repeated any more. */
  close(): void {
    this.#closed = true;
  }

  async #drain(shard: ShardId, first: Waiting[]): Promise<void> {
    const queue = [...first];
    this.#queues.set(shard, queue);
    while (queue.length > 0) {
      const pack = this.#cut(shard, queue);
      try {
        const seq = await this.#publish(shard, pack);
        let place = -1;
        for (const { texts, stored } of pack) stored({ seq, place: (place += texts.length) });
        this.#published(shard, seq, place + 1);
      } catch (error) {
        for (const { failed } of pack) failed(error);
      }
    }
    this.#queues.delete(shard);
  }

  /** Always takes the first, however large: the server says what is too large. */
  #cut(shard: ShardId, queue: Waiting[]): readonly Waiting[] {
    const limit = this.#bytesMax(shard);
    const pack: Waiting = { ...queue[0]!, texts: [...queue[0]!.texts] };
    let parts = 1;
    for (const { sender, bytes, texts } of queue.slice(1)) {
      if (!fits(pack, sender, bytes, texts.length, limit)) break;
      pack.texts.push(...texts);
      pack.bytes += bytes;
      parts += 1;
    }
    return queue.splice(0, parts);
  }

  async #publish(shard: ShardId, pack: readonly Waiting[]): Promise<number> {
    const { gate, clock, instance } = this.#options;
    const { sender, first } = pack[0]!;
    const server = gate.serverOf(sender === "edge" ? null : sender);
    const texts = pack.flatMap((part) => part.texts);
    const data = Buffer.from(texts.join("\n"));
    const id = `${instance}-${++this.#sent}`;
    // For people; what is read back is in the envelopes.
    const headers = {
      "Watchfloor-Kind": sender,
      "Watchfloor-Count": String(texts.length),
      "Watchfloor-Trace": first.traceparent,
      ...(first.case === null ? {} : { "Watchfloor-Case": first.case }),
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const seq = await server.publish(mailboxSubject(shard, sender), data, { headers, id });
        return seq ?? 0;
      } catch (error) {
        const unanswered = error instanceof WatchfloorError && error.code === "nats_unanswered";
        if (!unanswered || this.#closed || attempt >= RETRY.attemptsMax) throw error;
        const delayMs = backoffMs(RETRY, attempt, 0.5);
        await new Promise<void>((resolve) => void clock.after(delayMs, resolve));
      }
    }
  }
}

function fits(
  part: Waiting,
  sender: string,
  bytes: number,
  count: number,
  bytesMax: number,
): boolean {
  if (part.sender !== sender || part.bytes + bytes > bytesMax) return false;
  return part.texts.length + count <= PACK_ENVELOPES_MAX;
}

function waiting(sender: Kind | "edge", first: Envelope, text: string, bytes: number): Waiting {
  let stored: (sent: Sent) => void = () => {};
  let failed: (error: unknown) => void = () => {};
  const sent = new Promise<Sent>((resolve, reject) => {
    stored = resolve;
    failed = reject;
  });
  return { sender, first, texts: [text], bytes, sent, stored, failed };
}
