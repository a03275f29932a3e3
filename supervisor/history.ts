/**
 * The boundary of: a case's history as a chain of hashes. A chain alone proves nothing against
 * whoever rewrites all of it; that is why its head is signed and shown to people.
 */
import { canonicalJson, sha256 } from "../machines/digest.ts";
import type { Json } from "../machines/protocol.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { HistoryEntry } from "./record.ts";

/** `prev` of the first entry. */
export const CHAIN_START = "0".repeat(64);

export function chain(
  head: { readonly n: number; readonly hash: string } | null,
  entry: Omit<HistoryEntry, "n" | "prev" | "hash">,
): HistoryEntry {
  const body = { ...entry, n: (head?.n ?? 0) + 1, prev: head?.hash ?? CHAIN_START };
  return { ...body, hash: hashOf(body) };
}

function hashOf(body: Omit<HistoryEntry, "hash">): string {
  return sha256(canonicalJson(body as unknown as Json));
}

/** Throws `evidence_broken`, naming the first entry that does not fit; returns the head's hash. */
export function verifyChain(entries: readonly HistoryEntry[]): string {
  let prev = CHAIN_START;
  for (const [index, entry] of entries.entries()) {
    const broken = (why: string): WatchfloorError =>
      new WatchfloorError("evidence_broken", { n: index + 1, why });
    if (entry.n !== index + 1) throw broken(`it says it is entry ${String(entry.n).slice(0, 12)}`);
    if (entry.prev !== prev) throw broken("it does not name its predecessor's hash");
    const { hash, ...body } = entry;
    if (hashOf(body) !== hash) throw broken("its content does not match its hash");
    prev = hash;
  }
  return prev;
}
