/**
 * The boundary of: the runner and those who watch it. An observer that keeps the last turns of
 * recent actors, and shows them to each viewer: first who is there, then what happens.
 *
 * The runner never waits for this: a commit only notes its turns, and a timer of ours shows them a
 * slice at a time. When turns come faster than they can be shown, the ones in between are left out
 * and each actor's newest is shown. Without a viewer nothing is built at all.
 */
import { MACHINES } from "../actors/registry.ts";
import { kindOf, type ActorAddress, type Kind } from "../machines/protocol.ts";
import {
  createInspector,
  type InspectorClient,
  type InspectorLimits,
} from "../transports/inspector.ts";
import { INSPECTOR_URL } from "../transports/inspector-page.ts";
import type { Clock } from "../transports/ports.ts";
import {
  actorMessage,
  definitionOf,
  eventMessage,
  parentOf,
  seenTurn,
  snapshotMessage,
  type InspectionMessage,
  type SeenTurn,
} from "./inspection.events.ts";
import type { JournalRecord, Source } from "./record.ts";
import type { Observer } from "./runner.ts";
import { envelopeId } from "./state.ts";

const KEEP = {
  /** Actors that a late viewer is told of. */
  recent: 500,
  /** Turns that wait to be shown. */
  queue: 2_000,
  /** Envelopes whose sender is remembered until they are applied. */
  sent: 2_000,
  /** Actors that a viewer was told of; one that is forgotten is told of again. */
  known: 10_000,
} as const;
const SLICE_MS = 20;
/** Text built in one slice, so that showing never holds the process for long. */
const SLICE_CHARS = 256 * 1024;
const PAST_CHARS = SLICE_CHARS / 4;
/** Actors of the past wait while a viewer has this much to read: live turns go first. */
const CATCH_UP_BYTES = 1024 * 1024;

export interface InspectionOptions {
  /** Loopback, as an address or as `localhost`. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly limits?: Partial<InspectorLimits>;
}

export interface Inspection {
  readonly observer: Observer;
  readonly address: { readonly host: string; readonly port: number };
  /** One line for people: where it listens, and how to look. */
  readonly announcement: string;
  close(): Promise<void>;
}

/** @throws WatchfloorError `config_invalid` for a host that is not loopback, or `port_taken`. */
export async function createInspection(options: InspectionOptions): Promise<Inspection> {
  const feed = new Feed(options.clock);
  const server = createInspector({
    ...options,
    joined: (client) => feed.join(client),
    left: (client) => feed.leave(client),
  });
  const address = await server.listen();
  return {
    observer: { committed: (shard, records) => feed.take(shard, records) },
    address,
    announcement: announcementOf(address),
    close: () => {
      feed.stop();
      return server.close();
    },
  };
}

function announcementOf({ host, port }: Inspection["address"]): string {
  const shown = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return (
    `Inspector: open http://${shown}/ in a browser. Its picture is Stately's page ${INSPECTOR_URL}, ` +
    `which needs the internet and is given what is inspected; a tool of your own reads ws://${shown}/`
  );
}

interface Viewer {
  readonly client: InspectorClient;
  readonly known: Set<ActorAddress>;
  /** Actors of before it came, of which it was not told yet. */
  readonly past: ActorAddress[];
}

class Feed {
  readonly #clock: Clock;
  readonly #viewers = new Map<InspectorClient, Viewer>();
  /** The last turn of each recent actor as far as it was shown, the longest unchanged first. */
  readonly #recent = new Map<ActorAddress, SeenTurn>();
  readonly #sent = new Map<string, NonNullable<SeenTurn["sender"]>>();
  #queue: SeenTurn[] = [];
  /** The newest of each actor whose turns were left out; shown before the queue. */
  readonly #behind = new Map<ActorAddress, SeenTurn>();
  readonly #definitions = new Map<Kind, string>();
  #cancel: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take(shard: string, records: readonly JournalRecord[]): void {
    for (const record of records) {
      if ("outbox" in record) {
        for (const { id, from, data } of record.outbox) {
          put(this.#sent, id, { actor: from, data }, KEEP.sent);
        }
      }
      if (record.r === "turn") this.#note(seenTurn(record, this.#senderOf(shard, record.source)));
    }
  }

  join(client: InspectorClient): void {
    this.#viewers.set(client, { client, known: new Set(), past: [...this.#recent.keys()] });
    this.#arm();
  }

  leave(client: InspectorClient): void {
    this.#viewers.delete(client);
    if (this.#viewers.size > 0) return;
    this.stop();
    for (const seen of [...this.#behind.values(), ...this.#queue]) this.#remember(seen);
    this.#behind.clear();
    this.#queue = [];
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #senderOf(shard: string, source: Source): SeenTurn["sender"] {
    const sent = source.from === "mailbox" ? source.also : source;
    if (sent === undefined || !("seq" in sent)) return null;
    const id = envelopeId(sent.shard, shard, sent.seq);
    const sender = this.#sent.get(id) ?? null;
    this.#sent.delete(id);
    return sender;
  }

  #note(seen: SeenTurn): void {
    if (this.#viewers.size === 0) return this.#remember(seen);
    if (this.#queue.length >= KEEP.queue) {
      for (const skipped of this.#queue) put(this.#behind, skipped.actor, skipped, KEEP.queue);
      this.#queue = [];
    }
    this.#queue.push(seen);
    this.#arm();
  }

  #remember(seen: SeenTurn): void {
    put(this.#recent, seen.actor, seen, KEEP.recent);
  }

  // ---- Showing ---------------------------------------------------------------------------------

  #arm(): void {
    this.#cancel ??= this.#clock.after(SLICE_MS, () => {
      this.#cancel = null;
      if (this.#showSlice()) this.#arm();
    });
  }

  /** True while there is more. */
  #showSlice(): boolean {
    let chars = 0;
    for (const seen of this.#behind.values()) {
      if (chars >= SLICE_CHARS) return true;
      this.#behind.delete(seen.actor);
      chars += this.#show(seen, [snapshotMessage(seen)]);
    }
    let shown = 0;
    while (shown < this.#queue.length && chars < SLICE_CHARS) {
      const seen = this.#queue[shown++]!;
      chars += this.#show(seen, [eventMessage(seen), snapshotMessage(seen)]);
    }
    this.#queue = this.#queue.slice(shown);
    for (const viewer of this.#viewers.values()) this.#catchUp(viewer);
    return (
      this.#queue.length > 0 || [...this.#viewers.values()].some(({ past }) => past.length > 0)
    );
  }

  #show(seen: SeenTurn, messages: readonly InspectionMessage[]): number {
    const texts = messages.map((message) => JSON.stringify(message));
    let chars = texts.reduce((sum, text) => sum + text.length, 0);
    this.#remember(seen);
    for (const viewer of this.#viewers.values()) {
      chars += this.#introduce(viewer, seen);
      for (const text of texts) viewer.client.send(text);
    }
    return chars;
  }

  /** Has a share of its own: under lasting load, too, a late viewer learns of those who only wait. */
  #catchUp(viewer: Viewer): void {
    let chars = 0;
    while (chars < PAST_CHARS && viewer.client.waitingBytes < CATCH_UP_BYTES) {
      const actor = viewer.past.shift();
      if (actor === undefined) break;
      const seen = this.#recent.get(actor);
      if (seen) chars += this.#introduce(viewer, seen);
    }
  }

  /** An actor is told of once, after the one it works for. */
  #introduce(viewer: Viewer, seen: SeenTurn): number {
    if (viewer.known.has(seen.actor)) return 0;
    const parent = this.#recent.get(parentOf(seen) ?? seen.actor);
    const before = parent && parent !== seen ? this.#introduce(viewer, parent) : 0;
    if (viewer.known.size >= KEEP.known) viewer.known.delete(viewer.known.values().next().value!);
    viewer.known.add(seen.actor);
    const text = JSON.stringify(actorMessage(seen, this.#definition(kindOf(seen.actor))));
    viewer.client.send(text);
    return before + text.length;
  }

  #definition(kind: Kind): string {
    const known = this.#definitions.get(kind) ?? definitionOf(MACHINES[kind].machine);
    this.#definitions.set(kind, known);
    return known;
  }
}

/** As the newest; the oldest makes room. */
function put<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > max) map.delete(map.keys().next().value!);
}
