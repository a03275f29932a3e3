/**
 * The boundary of: a decision and its record. The shape is that of OPA's decision log, the same from
 * every engine, so that what reads OPA's reads ours; one entry a line. What no rule reads and may
 * name people is erased, and said to be.
 */
import { z } from "zod";
import type { Authorisation, AuthoriseInput } from "../machines/calls.ts";
import type { Json, JsonObject } from "../machines/protocol.ts";
import type { Decision } from "../machines/vocabulary.ts";
import type { PolicyEngine } from "./engine.ts";
import { parametersDocument } from "./parameters.ts";
import type { PolicyInput } from "./shapes.ts";

export const REVIEW_PATH = "watchfloor/review/result";
export const APPROVAL_PATH = "watchfloor/approval/result";
/** The parameters in force from here on, as the answer to a question for them. */
export const PARAMETERS_PATH = "watchfloor/parameters";

const PATHS = [REVIEW_PATH, APPROVAL_PATH, PARAMETERS_PATH] as const;
const BUNDLE = "watchfloor";
/** A larger input is no sound one; what is kept of it is its digest. */
const INPUT_BYTES_MAX = 256 * 1024;

const entry = z.object({
  decision_id: z.string().min(1).max(256),
  bundles: z.record(z.string(), z.object({ revision: z.string().max(256) })),
  path: z.enum(PATHS),
  input: z.json().optional(),
  result: z.json(),
  erased: z.array(z.string()).optional(),
  requested_by: z.string().max(64).optional(),
  timestamp: z.iso.datetime(),
  metrics: z.record(z.string(), z.number()),
  trace_id: z.string().optional(),
  span_id: z.string().optional(),
});

/** One line of the log. */
export type DecisionEntry = z.output<typeof entry>;

/** Resolves when the entry survives whatever happens to the process. */
export interface DecisionSink {
  write(entry: DecisionEntry): Promise<void>;
}

/** Who asked, on which trace, and how long it took. */
export interface Asked {
  readonly by: "approval" | "mcp" | "remediator" | "reviewer";
  readonly traceparent: string | null;
}

interface Facts extends Asked {
  readonly at: number;
  readonly evalNs: number;
}

export function reviewEntry(
  engine: PolicyEngine,
  input: PolicyInput,
  decision: Decision,
  facts: Facts,
): DecisionEntry {
  const { decisionId, ...result } = decision;
  const masked = erase(input, [
    ["question", "approval", "reason"],
    ["question", "approval", "person", "as"],
  ]);
  return made(engine, REVIEW_PATH, decisionId, { ...masked, result: result as Json }, facts);
}

export function approvalEntry(
  engine: PolicyEngine,
  decisionId: string,
  input: AuthoriseInput,
  result: Authorisation,
  facts: Facts,
): DecisionEntry {
  // Of a review only the action counts here; what it decided is an entry of its own.
  const reviews = input.reviews.map(({ action }) => ({ action }));
  const masked = erase({ ...input, reviews }, [
    ["answer", "reason"],
    ["answer", "person", "as"],
  ]);
  const answer = { ...masked, result: result as unknown as Json };
  return made(engine, APPROVAL_PATH, decisionId, answer, facts);
}

/** So that a log can be decided again by itself: it says what the parameters were. */
export function parametersEntry(engine: PolicyEngine, at: number): DecisionEntry {
  const { parameters } = engine;
  const answer = { result: parametersDocument(parameters), erased: [] };
  const facts = { at, evalNs: 0, by: undefined, traceparent: null };
  return made(engine, PARAMETERS_PATH, `parameters-${parameters.revision}`, answer, facts);
}

interface Answer {
  readonly input?: Json;
  readonly result: Json;
  readonly erased: readonly string[];
}

function made(
  engine: PolicyEngine,
  path: DecisionEntry["path"],
  decisionId: string,
  { input, result, erased }: Answer,
  { at, evalNs, by, traceparent }: Omit<Facts, "by"> & { readonly by?: Facts["by"] | undefined },
): DecisionEntry {
  const [, traceId, spanId] = (traceparent ?? "").split("-");
  return {
    decision_id: decisionId,
    bundles: { [BUNDLE]: { revision: engine.bundleRevision } },
    path,
    ...(input === undefined ? {} : { input: input as never }),
    result: result as never,
    ...(erased.length === 0 ? {} : { erased: [...erased] }),
    ...(by === undefined ? {} : { requested_by: by }),
    timestamp: new Date(Number.isFinite(at) ? Math.max(0, at) : 0).toISOString(),
    metrics: { timer_rego_query_eval_ns: evalNs },
    ...(traceId && spanId ? { trace_id: traceId, span_id: spanId } : {}),
  };
}

/** A copy without what the pointers name; a value that is no JSON, or is too large, is erased whole. */
function erase(
  value: object,
  pointers: readonly (readonly string[])[],
): { readonly input?: Json; readonly erased: readonly string[] } {
  const text = jsonOrNone(value);
  if (text === null || Buffer.byteLength(text) > INPUT_BYTES_MAX) return { erased: ["/input"] };
  const copy = JSON.parse(text) as Record<string, unknown>;
  const erased = pointers.filter((path) => removeAt(copy, path));
  return { input: copy as Json, erased: erased.map((path) => `/input/${path.join("/")}`) };
}

function jsonOrNone(value: object): string | null {
  try {
    return JSON.stringify(value);
  } catch {
    return null;
  }
}

function removeAt(root: Record<string, unknown>, path: readonly string[]): boolean {
  let branch: unknown = root;
  for (const key of path.slice(0, -1)) branch = (branch as JsonObject | null)?.[key];
  const last = path.at(-1) ?? "";
  if (typeof branch !== "object" || branch === null) return false;
  const record = branch as Record<string, unknown>;
  if ((record[last] ?? null) === null) return false;
  return Reflect.deleteProperty(record, last);
}

/** One line of a log; null where it is none. */
export function parseEntry(line: string): DecisionEntry | null {
  try {
    return entry.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
