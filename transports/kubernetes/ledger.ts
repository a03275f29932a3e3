/**
 * The boundary of: the simulated cluster's memory. A change is all or nothing, one at a time, and on
 * disk (fsynced) when its promise resolves: the simulation stands for a world that does not forget
 * an effect because the process that asked for it died.
 */
import type { Database } from "lmdb";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";

export interface LedgerView {
  /** null where nothing is stored. */
  get(key: string): Json;
}

export interface LedgerChange extends LedgerView {
  /** null deletes. */
  put(key: string, value: Json): void;
}

export interface Ledger extends LedgerView {
  /** Values of the keys from `prefix` on, in key order. */
  list(prefix: string): readonly Json[];
  /** Runs `fill` alone; when it throws, nothing is stored and the promise rejects with that. */
  change<T>(fill: (change: LedgerChange) => T): Promise<T>;
  close(): Promise<void>;
}

/** Puts are held back until the change is whole, so that one that throws leaves nothing behind. */
function collect<T>(base: LedgerView, fill: (change: LedgerChange) => T): [T, Map<string, Json>] {
  const puts = new Map<string, Json>();
  const value = fill({
    get: (key) => (puts.has(key) ? (puts.get(key) ?? null) : base.get(key)),
    put: (key, json) => void puts.set(key, json),
  });
  return [value, puts];
}

/** Forgets with the process; serialises all the same. */
export function openMemoryLedger(): Ledger {
  const texts = new Map<string, string>();
  const get = (key: string): Json => parse(texts.get(key));
  return {
    get,
    list: (prefix) =>
      [...texts.keys()]
        .filter((key) => key.startsWith(prefix))
        .toSorted()
        .map(get),
    change: async (fill) => {
      const [value, puts] = collect({ get }, fill);
      for (const [key, json] of puts) {
        if (json === null) texts.delete(key);
        else texts.set(key, JSON.stringify(json));
      }
      return value;
    },
    close: async () => {},
  };
}

/** In an LMDB environment of its own under `path`. */
export async function openDurableLedger(path: string): Promise<Ledger> {
  const { open } = await import("lmdb");
  const db = opened(path, () =>
    // A commit is answered after its flush, not before it.
    open<string, string>({ path, noSubdir: false, encoding: "string", overlappingSync: false }),
  );
  const get = (key: string): Json => parse(db.get(key));
  return {
    get,
    list: (prefix) =>
      [...db.getRange({ start: prefix, end: `${prefix}\uffff` })].map(({ value }) => parse(value)),
    change: async (fill) => {
      const outcome = await db
        .transaction(() =>
          store(
            db,
            attempt(() => collect({ get }, fill)),
          ),
        )
        .catch((cause: unknown) => {
          throw unusable(path, cause);
        });
      if (outcome.failed) throw outcome.error;
      return outcome.value;
    },
    close: () => db.close(),
  };
}

type Outcome<T> =
  | { readonly failed: false; readonly value: T }
  | { readonly failed: true; readonly error: unknown };

/** A refusal is no failure of the store: it crosses the transaction as a value. */
function attempt<T>(run: () => T): Outcome<T> {
  try {
    return { failed: false, value: run() };
  } catch (error) {
    return { failed: true, error };
  }
}

/** Inside the transaction: its puts are part of it at once. */
function store<T>(
  db: Pick<Database<string, string>, "put" | "remove">,
  outcome: Outcome<[T, Map<string, Json>]>,
): Outcome<T> {
  if (outcome.failed) return outcome;
  const [value, puts] = outcome.value;
  for (const [key, json] of puts) {
    if (json === null) void db.remove(key);
    else void db.put(key, JSON.stringify(json));
  }
  return { failed: false, value };
}

function opened<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, cause: unknown): WatchfloorError {
  const text = cause instanceof Error ? cause.message : "";
  if (/no space|MDB_MAP_FULL|ENOSPC/i.test(text)) {
    return new WatchfloorError("disk_full", { path }, { cause });
  }
  return new WatchfloorError("data_unusable", { path, why: text.slice(0, 100) }, { cause });
}

function parse(text: string | undefined): Json {
  return text === undefined ? null : (JSON.parse(text) as Json);
}
