/**
 * The boundary of: sources and the gate. An event is accepted when its envelope is durable in the
 * mailbox of its slice, and only then does a source hear so. Its digest is its id: what is seen
 * again here or there is recognised by it.
 */
import { entityOf } from "../anomaly/index.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress, Envelope, Json } from "../machines/protocol.ts";
import type { EventOutcome, FalcoEvent } from "../machines/vocabulary.ts";
import type { Transport } from "../transports/ports.ts";
import { LIMITS } from "./limits.ts";
import { sliceOf } from "./placement.ts";

export type Origin = "sample" | "live";

export interface IntakeOptions {
  readonly transport: Transport;
  readonly shardCount: number;
  /** The cursor up to which a slice's mailbox was worked off. */
  applied(shard: string): number;
}

/** Trace id of an event: of its digest, so that it is the same whoever computes it. */
function traceIdOf(digest: string): string {
  return digest.slice(0, 32);
}

function traceparentOf(digest: string): string {
  return `00-${traceIdOf(digest)}-${digest.slice(32, 48)}-01`;
}

export class Intake {
  readonly #options: IntakeOptions;
  /** Accepted and waiting for the transaction in flight, by slice. */
  readonly #waiting = new Map<string, { envelopes: Envelope[]; done: Promise<void> }>();

  /** Where the mailbox of each slice ended after our last publish. */
  readonly #ends = new Map<string, number>();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Events that this process took and that no gate has screened yet. */
  waiting(): number {
    let waiting = 0;
    for (const [shard, end] of this.#ends)
      waiting += Math.max(0, end - this.#options.applied(shard));
    return waiting;
  }

  /** Resolves when the events are durable. Rejects with `mailbox_full` before anything is taken. */
  async accept(events: readonly FalcoEvent[], origin: Origin, source: string): Promise<void> {
    const slices = new Map<string, Envelope[]>();
    for (const event of events) {
      const slice = sliceOf(entityOf(event).key, this.#options.shardCount);
      const shard = `ingest.${slice}`;
      const envelope = envelopeOf(event, `ingest/${slice}`, origin, source);
      slices.set(shard, [...(slices.get(shard) ?? []), envelope]);
    }
    for (const shard of slices.keys()) await this.#assertRoom(shard);
    await Promise.all([...slices].map(([shard, envelopes]) => this.#publish(shard, envelopes)));
  }

  /** What was recorded of these events before, in their order; null for one never recorded. */
  async recorded(digests: readonly string[]): Promise<readonly (EventOutcome | null)[]> {
    const found = await this.#options.transport.store.getMany("outcomes", digests);
    return found as unknown as readonly (EventOutcome | null)[];
  }

  async #assertRoom(shard: string): Promise<void> {
    const depth = await this.#options.transport.mailbox.depth(shard, this.#options.applied(shard));
    if (depth >= LIMITS.intakeDepthMax) throw new WatchfloorError("mailbox_full", { shard, depth });
  }

  /** Events that come while a publish is in flight go together into the next. */
  #publish(shard: string, envelopes: readonly Envelope[]): Promise<void> {
    const next = this.#waiting.get(shard);
    if (next) {
      next.envelopes.push(...envelopes);
      return next.done;
    }
    const batch = [...envelopes];
    const done = Promise.resolve().then(async () => {
      this.#waiting.delete(shard);
      this.#ends.set(shard, await this.#options.transport.mailbox.publish(shard, batch));
    });
    this.#waiting.set(shard, { envelopes: batch, done });
    return done;
  }
}

function envelopeOf(event: FalcoEvent, to: ActorAddress, origin: Origin, source: string): Envelope {
  return {
    id: event.digest,
    from: `edge/${source}`,
    to,
    type: "falco.event",
    data: { event, origin } as unknown as Json,
    traceparent: traceparentOf(event.digest),
    case: null,
    cause: null,
    replyTo: null,
    shard: null,
    seq: null,
  };
}
