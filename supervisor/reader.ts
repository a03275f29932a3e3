/**
 * The boundary of: what is stored and whoever asks. Reads beside a runner or without one. What a
 * runner appended but has not yet written behind is in the tails of its journals: they are laid over
 * the store, by the same projection that writes it.
 */
import { WatchfloorError } from "../machines/errors.ts";
import { KINDS, type ActorAddress, type Json, type Kind } from "../machines/protocol.ts";
import type { CaseSummary, EventOutcome } from "../machines/vocabulary.ts";
import type { Put, Table, Transport } from "../transports/ports.ts";
import { shardsOf } from "./placement.ts";
import { project } from "./projection.ts";
import { decodeRecord, type ActorRecord, type DeadLetter, type HistoryEntry } from "./record.ts";

export interface CaseFilter {
  /** Only cases that wait for a person. */
  readonly waiting?: boolean;
}

/** What an id that a person typed stands for. */
export interface Found {
  readonly case: string | null;
  readonly digest: string | null;
}

const PREFIX_CHARS_MIN = 8;
const READ_LIMIT = 1_000;
const PAGE = 1_000;
const DIGEST = /^[0-9a-f]{64}$/;

type Overlay = ReadonlyMap<Table, ReadonlyMap<string, Json>>;

export class Reader {
  readonly #transport: Transport;
  readonly #shards: readonly string[];
  #laid: Promise<Overlay> | null = null;

  constructor(transport: Transport, shardCount: number) {
    this.#transport = transport;
    this.#shards = shardsOf(KINDS, shardCount);
  }

  /** Forgets the tails: the next read sees what was appended since. */
  refresh(): void {
    this.#laid = null;
  }

  /** Oldest first. */
  async cases(filter: CaseFilter = {}): Promise<CaseSummary[]> {
    const found = await this.#all<CaseSummary>("cases", "");
    return found
      .filter((summary) => !filter.waiting || summary.waitingFor !== null)
      .toSorted((a, b) => a.openedAt - b.openedAt || (a.case < b.case ? -1 : 1));
  }

  caseSummary(caseId: string): Promise<CaseSummary | null> {
    return this.#one<CaseSummary>("cases", caseId);
  }

  history(caseId: string): Promise<HistoryEntry[]> {
    return this.#all<HistoryEntry>("history", `${caseId}/`);
  }

  outcome(digest: string): Promise<EventOutcome | null> {
    return this.#one<EventOutcome>("outcomes", digest);
  }

  /** Outcomes of a case's events, in the order of their time at the gate. */
  async outcomes(caseId: string): Promise<EventOutcome[]> {
    const overlay = await this.#overlay();
    const members = await this.#entries("members", `${caseId}/`, overlay);
    const digests = members.map(({ key }) => key.slice(caseId.length + 1));
    const found = await Promise.all(digests.map((digest) => this.outcome(digest)));
    return found
      .filter((outcome) => outcome !== null)
      .toSorted((a, b) => a.at - b.at || (a.digest < b.digest ? -1 : 1));
  }

  async deadLetters(): Promise<DeadLetter[]> {
    const found = await this.#all<DeadLetter>("deadletters", "");
    return found.toSorted((a, b) => a.at - b.at);
  }

  deadLetter(letterId: string): Promise<DeadLetter | null> {
    return this.#one<DeadLetter>("deadletters", letterId);
  }

  /** The events as they were accepted; null for one that is no longer kept. */
  evidence(digests: readonly string[]): Promise<readonly Json[]> {
    return this.#transport.store.getMany("evidence", digests);
  }

  /** The actors of a kind that work on a case: `kind/<case>` and `kind/<case>.<round>`. */
  async actors(
    kind: Kind,
    caseId: string,
  ): Promise<{ actor: ActorAddress; record: ActorRecord }[]> {
    const overlay = await this.#overlay();
    const entries = await this.#entries("actors", `${kind}/${caseId}`, overlay);
    const own = `${kind}/${caseId}`;
    return entries
      .filter(({ key }) => key === own || key.startsWith(`${own}.`))
      .map(({ key, value }) => ({
        actor: key as ActorAddress,
        record: value as unknown as ActorRecord,
      }));
  }

  /**
   * A case, an event's digest, a trace id, or the beginning of one, from 8 characters.
   * Throws `case_unknown` or `id_ambiguous`.
   */
  async resolve(id: string): Promise<Found> {
    const overlay = await this.#overlay();
    const exact = await this.#exact(id, overlay);
    if (exact) return exact;
    if (id.length < PREFIX_CHARS_MIN) throw new WatchfloorError("case_unknown", { id });
    for (const table of ["cases", "outcomes", "traces"] as const) {
      const found = await this.#entries(table, id, overlay, 2);
      if (found.length > 1) throw new WatchfloorError("id_ambiguous", { id, count: found.length });
      const [only] = found;
      if (only) return (await this.#exact(only.key, overlay)) ?? { case: null, digest: null };
    }
    throw new WatchfloorError("case_unknown", { id: id.slice(0, 80) });
  }

  async #exact(id: string, overlay: Overlay): Promise<Found | null> {
    if (await this.#get("cases", id, overlay)) return { case: id, digest: null };
    const outcome = (await this.#get("outcomes", id, overlay)) as unknown as EventOutcome | null;
    if (outcome) return { case: outcome.case, digest: id };
    const traced = await this.#get("traces", id, overlay);
    if (typeof traced !== "string") return null;
    return DIGEST.test(traced) ? { case: null, digest: traced } : { case: traced, digest: null };
  }

  // ---- Store and tail --------------------------------------------------------------------------

  async #one<T>(table: Table, key: string): Promise<T | null> {
    const overlay = await this.#overlay();
    return (await this.#get(table, key, overlay)) as T | null;
  }

  async #all<T>(table: Table, prefix: string): Promise<T[]> {
    const overlay = await this.#overlay();
    const kept = new Map<string, Json>();
    for await (const { key, value } of this.#stored(table, prefix)) kept.set(key, value);
    for (const [key, value] of overlay.get(table) ?? []) {
      if (!key.startsWith(prefix)) continue;
      if (value === null) kept.delete(key);
      else if (!isOlder(value, kept.get(key))) kept.set(key, value);
    }
    return [...kept].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value as T);
  }

  async *#stored(table: Table, prefix: string): AsyncGenerator<{ key: string; value: Json }> {
    let after: string | null = null;
    for (;;) {
      const options: { limit: number; after?: string } = {
        limit: PAGE,
        ...(after === null ? {} : { after }),
      };
      const page = await this.#transport.store.list(table, prefix, options);
      yield* page;
      if (page.length < PAGE) return;
      after = page.at(-1)!.key;
    }
  }

  async #get(table: Table, key: string, overlay: Overlay): Promise<Json> {
    const stored = await this.#transport.store.get(table, key);
    const laid = overlay.get(table)?.get(key);
    return laid === undefined || isOlder(laid, stored) ? stored : laid;
  }

  async #entries(
    table: Table,
    prefix: string,
    overlay: Overlay,
    limit = Infinity,
  ): Promise<{ key: string; value: Json }[]> {
    const found = new Map<string, Json>();
    for await (const { key, value } of this.#stored(table, prefix)) {
      found.set(key, value);
      if (found.size >= limit) break;
    }
    for (const [key, value] of overlay.get(table) ?? [])
      if (key.startsWith(prefix)) found.set(key, value);
    return [...found].filter(([, value]) => value !== null).map(([key, value]) => ({ key, value }));
  }

  /** Read before the store: what is written behind in between is then in the store. */
  #overlay(): Promise<Overlay> {
    return (this.#laid ??= this.#readTails());
  }

  async #readTails(): Promise<Overlay> {
    const overlay = new Map<Table, Map<string, Json>>();
    for (const shard of this.#shards) {
      for (const { table, key, value } of await this.#tail(shard)) {
        const laid = overlay.get(table) ?? new Map<string, Json>();
        overlay.set(table, laid.set(key, value));
      }
    }
    return overlay;
  }

  async #tail(shard: string): Promise<Put[]> {
    const puts: Put[] = [];
    let from = 0;
    for (;;) {
      const found = await this.#transport.journal.read(shard, from, READ_LIMIT);
      for (const { text } of found) {
        const record = decodeRecord(text);
        if (!("unreadable" in record)) puts.push(...project(shard, record));
      }
      if (found.length < READ_LIMIT) return puts;
      from = found.at(-1)!.position + 1;
    }
  }
}

/** The store may have moved on after the tail was read; of a summary its own time tells. */
function isOlder(laid: Json, stored: unknown): boolean {
  const [a, b] = [timeOf(laid), timeOf(stored)];
  return a !== null && b !== null && a < b;
}

function timeOf(value: unknown): number | null {
  if (typeof value !== "object" || value === null || !("updatedAt" in value)) return null;
  return typeof value.updatedAt === "number" ? value.updatedAt : null;
}
