/**
 * The boundary of: a case's record and whoever does not trust us. One JSON file with the whole
 * hash-chained history, the events as they were accepted, and a signed head; its check needs nothing
 * else, and names every failure.
 *
 * A signature says that whoever holds the key wrote the file; a head that was noted elsewhere
 * (`--head`) also says that it was not written again later.
 */
import { z } from "zod";
import { canonicalJson, digestOf } from "../machines/digest.ts";
import { errorMessage, WatchfloorError } from "../machines/errors.ts";
import type { Json, JsonObject } from "../machines/protocol.ts";
import type { CaseSummary, EventOutcome } from "../machines/vocabulary.ts";
import { CHAIN_START, verifyChain } from "./history.ts";
import { fingerprint, verifySignature, type Identity } from "./identity.ts";
import type { Reader } from "./reader.ts";
import type { HistoryEntry } from "./record.ts";

const FORMAT = "watchfloor.dev/evidence/v1";

export interface Evidence {
  readonly format: typeof FORMAT;
  readonly case: string;
  readonly summary: CaseSummary;
  readonly entries: readonly HistoryEntry[];
  /** At the gate: score, p-value and fate of every event of the case. */
  readonly outcomes: readonly EventOutcome[];
  /** The events as they were accepted, by digest; those that are still kept. */
  readonly events: Readonly<Record<string, Json>>;
  readonly head: { readonly n: number; readonly hash: string };
  readonly exportedAt: number;
  /** ed25519 over format, case, head, time, and the digests of all other parts. */
  readonly signature: string;
  readonly publicKey: string;
}

/** Throws `case_unknown`. */
export async function exportEvidence(
  reader: Reader,
  caseId: string,
  identity: Identity,
  at: number,
): Promise<Evidence> {
  const summary = await reader.caseSummary(caseId);
  if (summary === null) throw new WatchfloorError("case_unknown", { id: caseId });
  const [entries, outcomes] = await Promise.all([reader.history(caseId), reader.outcomes(caseId)]);
  const digests = outcomes.map((outcome) => outcome.digest);
  const records = await reader.evidence(digests);
  const kept = digests.flatMap((digest, index) =>
    records[index] == null ? [] : [[digest, records[index]] as const],
  );
  const body = {
    format: FORMAT,
    case: caseId,
    summary,
    entries,
    outcomes,
    events: Object.fromEntries(kept),
    head: { n: entries.at(-1)?.n ?? 0, hash: entries.at(-1)?.hash ?? CHAIN_START },
    exportedAt: at,
  } as const;
  const { publicKey } = identity;
  return { ...body, signature: identity.sign(signedText(body)), publicKey };
}

/** The head and time in the clear, the rest by digest. */
function signedText(evidence: Omit<Evidence, "signature" | "publicKey">): string {
  const { format, case: caseId, head, exportedAt, ...parts } = evidence;
  const digests = Object.fromEntries(
    Object.entries(parts).map(([name, part]) => [name, digestOf(part as unknown as Json)]),
  );
  return canonicalJson({ format, case: caseId, head, exportedAt, digests });
}

// ---- Checking ----------------------------------------------------------------------------------

const hash = z.string().regex(/^[0-9a-f]{64}$/, "must be a sha256");

const EvidenceSchema = z.strictObject({
  format: z.literal(FORMAT, `must be ${FORMAT}`),
  case: z.string().min(1).max(200),
  summary: z.looseObject({ case: z.string(), events: z.number(), verdict: z.string().nullable() }),
  entries: z.array(
    z.looseObject({ case: z.string(), n: z.number(), prev: z.string(), hash: z.string() }),
  ),
  outcomes: z.array(z.looseObject({ digest: hash, case: z.string().nullable() })),
  events: z.record(hash, z.json()),
  head: z.strictObject({ n: z.number(), hash }),
  exportedAt: z.number(),
  signature: z.string().max(200),
  publicKey: z.string().max(200),
});

export interface EvidenceReport {
  readonly case: string;
  readonly entries: number;
  readonly events: number;
  /** Events whose digest was computed again from their content. */
  readonly eventsChecked: number;
  readonly head: string;
  /** Fingerprint of the key that signed. */
  readonly key: string;
  readonly failures: readonly EvidenceFailure[];
}

interface EvidenceFailure {
  readonly check: "chain" | "head" | "signature" | "event" | "summary";
  readonly why: string;
}

/**
 * @param options.path for messages. @param options.head the expected head; null takes any.
 * Throws `evidence_unfit` for what is not such a file at all.
 */
export function verifyEvidence(
  text: string,
  options: { readonly path: string; readonly head: string | null },
): EvidenceReport {
  const evidence = parsedEvidence(text, options.path);
  const events = eventChecks(evidence);
  return {
    case: evidence.case,
    entries: evidence.entries.length,
    events: Object.keys(evidence.events).length,
    eventsChecked: events.checked,
    head: evidence.head.hash,
    key: fingerprint(evidence.publicKey),
    failures: [
      ...chainFailures(evidence),
      ...headFailures(evidence, options.head),
      ...signatureFailures(evidence),
      ...events.failures,
      ...summaryFailures(evidence),
    ],
  };
}

function parsedEvidence(text: string, path: string): Evidence {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WatchfloorError(
      "evidence_unfit",
      { path, field: "the file", rule: "is not JSON" },
      { cause },
    );
  }
  const parsed = EvidenceSchema.safeParse(value);
  if (parsed.success) return value as Evidence;
  const issue = parsed.error.issues[0];
  const field = issue?.path.map(String).join(".") || "the file";
  const rule = issue?.message ?? "is not valid";
  throw new WatchfloorError("evidence_unfit", {
    path,
    field,
    rule: rule.charAt(0).toLowerCase() + rule.slice(1),
  });
}

function chainFailures({ entries, case: caseId }: Evidence): EvidenceFailure[] {
  const stray = entries.find((entry) => entry.case !== caseId);
  const failures: EvidenceFailure[] = stray
    ? [{ check: "chain", why: `entry ${stray.n} is of another case` }]
    : [];
  if (entries.length === 0) failures.push({ check: "chain", why: "there is no entry" });
  try {
    verifyChain(entries);
  } catch (error) {
    if (!(error instanceof WatchfloorError)) throw error;
    failures.push({ check: "chain", why: errorMessage(error.code, error.fields) });
  }
  return failures;
}

function headFailures({ entries, head }: Evidence, expected: string | null): EvidenceFailure[] {
  const last = entries.at(-1);
  const failures: EvidenceFailure[] = [];
  if (last && (last.hash !== head.hash || last.n !== head.n)) {
    failures.push({ check: "head", why: "the head is not the last entry" });
  }
  if (expected !== null && expected.toLowerCase() !== head.hash) {
    failures.push({
      check: "head",
      why: `the head is ${head.hash}, not the one that was asked for`,
    });
  }
  return failures;
}

function signatureFailures(evidence: Evidence): EvidenceFailure[] {
  const { signature, publicKey, ...body } = evidence;
  if (verifySignature(publicKey, signedText(body), signature)) return [];
  return [{ check: "signature", why: "the signature does not fit the content" }];
}

function eventChecks({ events, outcomes, case: caseId }: Evidence): {
  checked: number;
  failures: EvidenceFailure[];
} {
  const failures: EvidenceFailure[] = [];
  const known = new Set(outcomes.map((outcome) => outcome.digest));
  for (const outcome of outcomes) {
    if (outcome.case !== caseId)
      failures.push({ check: "event", why: `outcome ${outcome.digest} is of another case` });
  }
  let checked = 0;
  for (const [digest, record] of Object.entries(events)) {
    if (!known.has(digest))
      failures.push({ check: "event", why: `event ${digest} has no outcome in this case` });
    const event = EventSchema.safeParse(record);
    // Of an event that was cut when it was accepted, the content no longer gives the digest.
    if (!event.success || wasCut(event.data)) continue;
    checked++;
    if (identityOf(event.data) !== digest) {
      failures.push({ check: "event", why: `event ${digest} does not match its digest` });
    }
  }
  return { checked, failures };
}

const EventSchema = z.looseObject({
  timeNs: z.string(),
  rule: z.string(),
  source: z.string(),
  hostname: z.string(),
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});

type EventContent = z.output<typeof EventSchema>;

/** An event's identity, computed here once more and apart from the sources, from what was kept of it. */
function identityOf({ hostname, source, rule, timeNs: time, fields }: EventContent): string {
  const output_fields = Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null),
  );
  return digestOf({ hostname, output_fields, rule, source, time });
}

/** How the sources end a string that they cut, and how long it then is at least. */
const CUT_MARKER = " [cut]";
const CUT_CHARS_MIN = 4_000;

function wasCut({ fields, rule, source, hostname }: EventContent): boolean {
  return [rule, source, hostname, ...Object.values(fields)].some(
    (value) =>
      typeof value === "string" && value.length >= CUT_CHARS_MIN && value.endsWith(CUT_MARKER),
  );
}

/** The summary was made in the turn of the last entry: where both speak of a thing, they agree. */
function summaryFailures({
  summary,
  entries,
  case: caseId,
  exportedAt,
}: Evidence): EvidenceFailure[] {
  const failures: EvidenceFailure[] = [];
  const failed = (why: string): void => void failures.push({ check: "summary", why });
  if (summary.case !== caseId) failed("the summary is of another case");
  if (summary.updatedAt > exportedAt) failed("the summary is younger than the file");
  const last = entries.at(-1)?.data;
  if (typeof last !== "object" || last === null || Array.isArray(last)) return failures;
  const said = last as JsonObject;
  for (const name of ["verdict", "events", "reasons"] as const) {
    if (said[name] === undefined) continue;
    if (canonicalJson(said[name]) === canonicalJson(summary[name] as Json)) continue;
    failed(`the summary's ${name} is not the last entry's`);
  }
  return failures;
}
