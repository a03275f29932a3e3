/**
 * The boundary of: the mailbox port and one stream a kind. What was ready while the last publish of a
 * shard was in flight is one message, an envelope a line. A position is the message's sequence times
 * a thousand, plus the envelope's place in it.
 *
 * Read from a cursor that the receiver's journal keeps, so there are no consumers to make, hand over
 * or leak; README.md says why. The last token of the subject is the sender's kind, which permissions
 * bind to the credential: an envelope that says it is from another is not delivered.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Envelope } from "../../machines/protocol.ts";
import type { Clock, Mailbox, MailboxEntry, Position, ShardId } from "../ports.ts";
import { Doorbells } from "./doorbells.ts";
import type { Gate } from "./gate.ts";
import { kindOfShard, mailboxStream, mailboxSubject, senderOf } from "./names.ts";
import { Outgoing, PACK_ENVELOPES_MAX } from "./outgoing.ts";
import type { Message, Server } from "./server.ts";
import { Tallies } from "./tallies.ts";

/** Positions that one message may take. */
const SPAN = 1_000;
const VIOLATIONS_KEPT_MAX = 1_000;

export interface MailboxOptions {
  readonly gate: Gate;
  readonly clock: Clock;
  /** Names this process among all: a repeated publish is recognised by it. */
  readonly instance: string;
  /** Something lies in a mailbox that nobody may have put there. */
  readonly alarm: (error: WatchfloorError) => void;
}

export class NatsMailbox implements Mailbox {
  readonly #gate: Gate;
  readonly #alarm: (error: WatchfloorError) => void;
  readonly #bells: Doorbells;
  readonly #tallies = new Tallies();
  readonly #outgoing: Outgoing;
  readonly #reported = new Set<string>();

  constructor({ gate, clock, instance, alarm }: MailboxOptions) {
    this.#gate = gate;
    this.#alarm = alarm;
    this.#bells = new Doorbells(gate, clock);
    this.#outgoing = new Outgoing({ gate, clock, instance }, (shard, seq, count) =>
      this.#published(shard, seq, count),
    );
  }

  async publish(shard: ShardId, envelopes: readonly Envelope[]): Promise<Position> {
    const texts = envelopes.map((envelope) => JSON.stringify(envelope));
    if (texts.length === 0)
      return this.#gate.run(kindOfShard(shard), async () => (await this.#newest(shard)) ?? 0);
    const { seq, place } = await this.#outgoing.send(shard, envelopes, texts);
    return seq * SPAN + place;
  }

  async read(shard: ShardId, after: Position, limit: number): Promise<readonly MailboxEntry[]> {
    return this.#gate.run(kindOfShard(shard), async (server) => {
      const entries: MailboxEntry[] = [];
      let seq = Math.floor((after + 1) / SPAN);
      while (entries.length < limit) {
        const message = await this.#next(server, shard, seq);
        if (message === null) break;
        entries.push(...this.#entriesIn(shard, message, after).slice(0, limit - entries.length));
        this.#bells.saw(shard, message.seq);
        seq = message.seq + 1;
      }
      return entries;
    });
  }

  async depth(shard: ShardId, after: Position): Promise<number> {
    return this.#gate.run(kindOfShard(shard), async (server) => {
      const next = (seq: number) => this.#next(server, shard, seq);
      await this.#tallies.open(shard, next, (heard) =>
        this.#bells.listen(shard, (seq, count) => heard(seq, count)),
      );
      return this.#tallies.after(shard, Math.floor(after / SPAN), after % SPAN, next);
    });
  }

  async trim(shard: ShardId, upTo: Position): Promise<void> {
    return this.#gate.run(kindOfShard(shard), async (server) => {
      const seq = Math.floor(upTo / SPAN);
      if (seq < 1) return;
      const whole = (await this.#countAt(server, shard, seq)) <= (upTo % SPAN) + 1;
      const below = whole ? seq + 1 : seq;
      await server.purge(mailboxStream(kindOfShard(shard)), anySender(shard), below);
      this.#tallies.forget(shard, below);
    });
  }

  subscribe(shard: ShardId, ring: () => void): () => void {
    return this.#bells.subscribe(shard, ring);
  }

  close(): void {
    this.#bells.close();
    this.#outgoing.close();
  }

  // ---- The server ------------------------------------------------------------------------------

  #published(shard: ShardId, seq: number, count: number): void {
    this.#tallies.heard(shard, seq, count);
    this.#bells.published(shard, seq, count);
  }

  #next(server: Server, shard: ShardId, from: number): Promise<Message | null> {
    return server.next(mailboxStream(kindOfShard(shard)), anySender(shard), from);
  }

  /** Position of the newest envelope; null for an empty mailbox. */
  async #newest(shard: ShardId): Promise<Position | null> {
    const server = this.#gate.serverOf(kindOfShard(shard));
    const message = await server.last(mailboxStream(kindOfShard(shard)), anySender(shard));
    return message === null ? null : message.seq * SPAN + countOf(message) - 1;
  }

  /** Envelopes in a message; none when it is gone already. */
  async #countAt(server: Server, shard: ShardId, seq: number): Promise<number> {
    const known = this.#tallies.countAt(shard, seq);
    if (known !== null) return known;
    const message = await this.#next(server, shard, seq);
    return message?.seq === seq ? countOf(message) : 0;
  }

  #entriesIn(shard: ShardId, message: Message, after: Position): MailboxEntry[] {
    const sender = message.subject.slice(message.subject.lastIndexOf(".") + 1);
    const lines = Buffer.from(message.data).toString("utf8").split("\n");
    return lines.slice(0, PACK_ENVELOPES_MAX).flatMap((line, place) => {
      const position = message.seq * SPAN + place;
      if (position <= after) return [];
      const envelope = parsed(line);
      if (envelope !== null && senderOf(envelope) === sender) return [{ position, envelope }];
      this.#refuse(shard, position, sender, envelope);
      return [];
    });
  }

  /** Said once each: what is skipped stays where it is until it is trimmed. */
  #refuse(shard: ShardId, position: Position, sender: string, envelope: Envelope | null): void {
    const key = `${shard}/${position}`;
    if (this.#reported.has(key)) return;
    if (this.#reported.size >= VIOLATIONS_KEPT_MAX) this.#reported.clear();
    this.#reported.add(key);
    const why = envelope === null ? "is no envelope" : `says it is from ${senderOf(envelope)}`;
    this.#alarm(new WatchfloorError("envelope_refused", { shard, position, sender, why }));
  }
}

function anySender(shard: ShardId): string {
  return mailboxSubject(shard, "*");
}

function countOf({ data }: Message): number {
  let count = 1;
  for (const byte of data) if (byte === 0x0a) count += 1;
  return Math.min(count, PACK_ENVELOPES_MAX);
}

function parsed(line: string): Envelope | null {
  try {
    const value: unknown = JSON.parse(line);
    const known =
      typeof value === "object" &&
      value !== null &&
      "from" in value &&
      "to" in value &&
      "id" in value;
    return known && typeof value.from === "string" ? (value as Envelope) : null;
  } catch {
    return null;
  }
}
