/**
 * The boundary of: envelopes and the mailboxes of shards that are elsewhere. One publish is in flight
 * for each receiver, and what failed is sent again before anything else: a mailbox never holds a
 * sender's number before the one that goes before it.
 */
import { WatchfloorError } from "../machines/errors.ts";
import type { Envelope } from "../machines/protocol.ts";
import { backoffMs } from "../machines/retry.ts";
import type { Clock, Mailbox, Random, ShardId } from "../transports/ports.ts";

const RETRY = { attemptsMax: Infinity, delayMsMin: 20, delayMsMax: 1_000 };
const PUBLISH_MAX = 256;

/** Whose envelope it is: told when the mailbox has it. */
export interface Sender {
  readonly ended: boolean;
  settle(envelope: Envelope): void;
}

export interface PostingHost {
  readonly mailbox: Mailbox;
  readonly clock: Clock;
  readonly random: Random;
  /** The mailbox cannot be written, and trying again is no help. */
  failed(sender: Sender, error: unknown): void;
}

interface Post {
  readonly envelope: Envelope;
  readonly sender: Sender;
}

interface Queue {
  posts: Post[];
  sending: boolean;
}

export class Posting {
  readonly #host: PostingHost;
  readonly #queues = new Map<ShardId, Queue>();
  #stopped = false;

  constructor(host: PostingHost) {
    this.#host = host;
  }

  get idle(): boolean {
    return this.#queues.size === 0;
  }

  post(receiver: ShardId, envelope: Envelope, sender: Sender): void {
    const queue = this.#queues.get(receiver) ?? { posts: [], sending: false };
    this.#queues.set(receiver, queue);
    queue.posts.push({ envelope, sender });
    if (!queue.sending) void this.#send(receiver, queue);
  }

  /** Forgets what waits for this receiver: the caller posts all that is unsettled, in order. */
  clear(receiver: ShardId): void {
    const queue = this.#queues.get(receiver);
    if (queue) queue.posts = [];
  }

  stop(): void {
    this.#stopped = true;
    for (const queue of this.#queues.values()) queue.posts = [];
  }

  async #send(receiver: ShardId, queue: Queue): Promise<void> {
    queue.sending = true;
    for (let attempt = 1; ;) {
      // What an ended tenure wanted sent, its successor sends.
      queue.posts = queue.posts.filter(({ sender }) => !sender.ended);
      const batch = queue.posts.splice(0, PUBLISH_MAX);
      if (batch.length === 0) break;
      if (await this.#publish(receiver, batch)) {
        attempt = 1;
        continue;
      }
      queue.posts = [...batch, ...queue.posts];
      const delayMs = backoffMs(RETRY, attempt++, this.#host.random());
      await new Promise<void>((resolve) => void this.#host.clock.after(delayMs, resolve));
      if (this.#stopped) queue.posts = [];
    }
    queue.sending = false;
    this.#queues.delete(receiver);
  }

  async #publish(receiver: ShardId, batch: readonly Post[]): Promise<boolean> {
    try {
      await this.#host.mailbox.publish(
        receiver,
        batch.map(({ envelope }) => envelope),
      );
      for (const { sender, envelope } of batch) sender.settle(envelope);
      return true;
    } catch (error) {
      if (!(error instanceof WatchfloorError) || error.retryable) return false;
      for (const sender of new Set(batch.map((post) => post.sender)))
        this.#host.failed(sender, error);
      return false;
    }
  }
}
