/**
 * The boundary of: the news that a mailbox has something to read. Whoever published rings over the
 * connection, without storing anything; a ring that was lost is made up for by a look once a second.
 */
import type { Subscription } from "@nats-io/transport-node";
import type { Clock, ShardId } from "../ports.ts";
import type { Gate } from "./gate.ts";
import { kindOfShard, mailboxBell, mailboxStream, mailboxSubject } from "./names.ts";

const LOOK_INTERVAL_MS = 1_000;

type Heard = (seq: number, count: number) => void;

interface Bell {
  readonly shard: ShardId;
  readonly heard: Heard;
  /** Looked after once a second; else only told what is rung. */
  readonly looked: boolean;
}

/** One subscription of the connection, for all bells of a shard. */
interface Line {
  readonly subscription: Subscription;
  readonly bells: Set<Bell>;
  /** Sequence of the newest message that was rung for, or read. */
  seen: number;
}

export class Doorbells {
  readonly #gate: Gate;
  readonly #clock: Clock;
  readonly #lines = new Map<ShardId, Line>();
  #cancelLook: (() => void) | null = null;

  constructor(gate: Gate, clock: Clock) {
    this.#gate = gate;
    this.#clock = clock;
  }

  subscribe(shard: ShardId, ring: () => void): () => void {
    return this.#add({ shard, heard: () => ring(), looked: true });
  }

  /** Told of every publish of other processes that is rung for. */
  listen(shard: ShardId, heard: Heard): () => void {
    return this.#add({ shard, heard, looked: false });
  }

  /** Something of this process was stored. */
  published(shard: ShardId, seq: number, count: number): void {
    this.#strike(shard, seq, count, true);
    const { nc } = this.#gate.serverOf(kindOfShard(shard));
    if (!nc.isClosed()) nc.publish(mailboxBell(shard), `${seq} ${count}`);
  }

  /** Up to here the mailbox was read. */
  saw(shard: ShardId, seq: number): void {
    const line = this.#lines.get(shard);
    if (line) line.seen = Math.max(line.seen, seq);
  }

  /** Bells that were handed out stay silent from now on. */
  close(): void {
    for (const { subscription } of this.#lines.values()) subscription.unsubscribe();
    this.#lines.clear();
    this.#cancelLook?.();
    this.#cancelLook = null;
  }

  #add(bell: Bell): () => void {
    const line = this.#lines.get(bell.shard) ?? this.#open(bell.shard);
    line.bells.add(bell);
    if (bell.looked) this.#arm();
    return () => this.#remove(line, bell);
  }

  #remove(line: Line, bell: Bell): void {
    line.bells.delete(bell);
    if (line.bells.size === 0 && this.#lines.get(bell.shard) === line) {
      line.subscription.unsubscribe();
      this.#lines.delete(bell.shard);
    }
    if (this.#looked().length > 0) return;
    this.#cancelLook?.();
    this.#cancelLook = null;
  }

  #open(shard: ShardId): Line {
    const { nc } = this.#gate.serverOf(kindOfShard(shard));
    const subscription = nc.subscribe(mailboxBell(shard), {
      callback: (error, message) => {
        if (error) return;
        const [seq = 0, count = 0] = message.string().split(" ").map(Number);
        if (Number.isSafeInteger(seq) && Number.isSafeInteger(count))
          this.#strike(shard, seq, count, false);
      },
    });
    const line: Line = { subscription, bells: new Set(), seen: 0 };
    this.#lines.set(shard, line);
    return line;
  }

  /** Our own bell comes back over the connection: it was struck already. */
  #strike(shard: ShardId, seq: number, count: number, own: boolean): void {
    const line = this.#lines.get(shard);
    if (!line || seq <= line.seen) return;
    line.seen = seq;
    for (const bell of line.bells) if (bell.looked || !own) bell.heard(seq, count);
  }

  #looked(): ShardId[] {
    return [...this.#lines].flatMap(([shard, { bells }]) =>
      [...bells].some(({ looked }) => looked) ? [shard] : [],
    );
  }

  #arm(): void {
    this.#cancelLook ??= this.#clock.after(LOOK_INTERVAL_MS, () => {
      this.#cancelLook = null;
      for (const shard of this.#looked()) void this.#look(shard);
      if (this.#looked().length > 0) this.#arm();
    });
  }

  async #look(shard: ShardId): Promise<void> {
    const line = this.#lines.get(shard);
    if (!line) return;
    try {
      const kind = kindOfShard(shard);
      const subject = mailboxSubject(shard, "*");
      const server = this.#gate.serverOf(kind);
      const newer = await server.next(mailboxStream(kind), subject, line.seen + 1);
      if (newer === null || this.#lines.get(shard) !== line || newer.seq <= line.seen) return;
      line.seen = newer.seq;
    } catch {
      // A timer has nobody to tell. Whoever is rung reads, and gets the failure with its name.
    }
    for (const bell of line.bells) if (bell.looked) bell.heard(line.seen, 0);
  }
}
