/**
 * The boundary of: decisions that were made and a policy that may come. Decides again what a log
 * holds, with the time, the counts and the parameters of then, and says what would be different.
 */
import type { AuthoriseInput } from "../machines/calls.ts";
import { canonicalJson } from "../machines/digest.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { Json } from "../machines/protocol.ts";
import { APPROVAL_PATH, PARAMETERS_PATH, type DecisionEntry } from "./decision-log.ts";
import { authorise, engineRevision, escalationFor, type PolicyEngine } from "./engine.ts";
import { checkedParameters, resourceOf, type ReviewParameters } from "./parameters.ts";
import type { PolicyInput } from "./shapes.ts";

/** What was answered, or would be; of an approval the verdict is whether it is allowed. */
interface Answer {
  readonly verdict: string;
  readonly reasons: readonly string[];
  readonly ruleIds: readonly string[];
}

export type Replayed =
  /** `verdict`: another verdict. `reasons`: the same one for other reasons. */
  | {
      readonly entry: DecisionEntry;
      readonly changed: "verdict" | "reasons" | null;
      readonly before: Answer;
      readonly after: Answer;
    }
  /** Not the policy's word: it could not be asked, its input is not kept, or its parameters are not. */
  | { readonly entry: DecisionEntry; readonly skipped: string };

/** The policy that may come, with any parameters. */
export type Candidate = (parameters: ReviewParameters) => Promise<PolicyEngine>;

const NOT_ASKED = new Set(["policy_unreachable", "policy_stale", "policy_failed"]);
/** Engines kept, one for each set of parameters of the log. */
const ENGINES_MAX = 64;

export class Replay {
  readonly #candidate: Candidate;
  /** Null takes those of the log. */
  readonly #parameters: ReviewParameters | null;
  /** By the revision of each. */
  readonly #known = new Map<string, ReviewParameters>();
  readonly #engines = new Map<string, Promise<PolicyEngine>>();
  #latest: ReviewParameters | null = null;

  constructor(candidate: Candidate, parameters: ReviewParameters | null) {
    this.#candidate = candidate;
    this.#parameters = parameters;
  }

  /** Null for an entry that is no decision. Entries come in the order of the log. */
  async take(entry: DecisionEntry): Promise<Replayed | null> {
    if (entry.path === PARAMETERS_PATH) return this.#learn(entry);
    if (entry.input === undefined) return { entry, skipped: "its input was not kept" };
    const parameters = this.#parameters ?? this.#parametersOf(entry);
    if (parameters === null) return { entry, skipped: "its parameters are not in the log" };
    const engine = await this.#engine(parameters);
    return entry.path === APPROVAL_PATH
      ? replayApproval(engine, entry)
      : replayReview(engine, entry);
  }

  #learn({ result }: DecisionEntry): null {
    const { revision, ...spec } = result as { readonly revision: string };
    const parameters = checkedParameters(resourceOf("logged", spec), "the log");
    this.#known.set(revision, parameters);
    this.#latest = parameters;
    return null;
  }

  /** Exactly those it was decided by: the revision of a decision is made of both. */
  #parametersOf({ path, bundles, result }: DecisionEntry): ReviewParameters | null {
    if (path === APPROVAL_PATH) return this.#latest;
    const { policyRevision } = result as { readonly policyRevision?: unknown };
    const revisions = Object.values(bundles).map(({ revision }) => revision);
    const found = [...this.#known.values()].find((parameters) =>
      revisions.some((bundle) => engineRevision(bundle, parameters) === policyRevision),
    );
    return found ?? null;
  }

  #engine(parameters: ReviewParameters): Promise<PolicyEngine> {
    const known = this.#engines.get(parameters.revision);
    if (known !== undefined) return known;
    const engine = this.#candidate(parameters);
    if (this.#engines.size >= ENGINES_MAX) this.#engines.clear();
    this.#engines.set(parameters.revision, engine);
    return engine;
  }
}

async function replayReview(engine: PolicyEngine, entry: DecisionEntry): Promise<Replayed> {
  const before = entry.result as unknown as Answer;
  const [reason] = before.reasons;
  if (reason !== undefined && NOT_ASKED.has(reason)) return { entry, skipped: reason };
  const input = restored(entry) as unknown as PolicyInput;
  return compared(entry, before, await engine.review(input).catch(escalationFor));
}

async function replayApproval(engine: PolicyEngine, entry: DecisionEntry): Promise<Replayed> {
  const input = restored(entry) as unknown as AuthoriseInput;
  const before = answerOf(entry.result as unknown as Said);
  return compared(entry, before, answerOf(await authorise(engine, input)));
}

interface Said {
  readonly allowed: boolean;
  readonly peopleNeeded: number;
  readonly why: string;
}

function answerOf({ allowed, peopleNeeded, why }: Said): Answer {
  const verdict = allowed ? `allowed (${peopleNeeded} needed)` : "refused";
  return { verdict, reasons: [why], ruleIds: [] };
}

function compared(entry: DecisionEntry, before: Answer, after: Answer): Replayed {
  const { verdict, reasons, ruleIds } = after;
  const answer = { verdict, reasons, ruleIds };
  const changed =
    verdict !== before.verdict ? "verdict" : isSame(before, answer) ? null : "reasons";
  return { entry, changed, before, after: answer };
}

function isSame(a: Answer, b: Answer): boolean {
  const lists = ({ reasons, ruleIds }: Answer): string =>
    canonicalJson([reasons, ruleIds] as unknown as Json);
  return lists(a) === lists(b);
}

/** What was erased is read by no rule, but has to be there: it may be null. */
function restored({ input, erased = [] }: DecisionEntry): Json {
  const copy = structuredClone(input) as Json;
  for (const pointer of erased) {
    const [, , ...path] = pointer.split("/");
    const last = path.pop();
    let branch = copy as Record<string, unknown> | null;
    for (const key of path) branch = (branch?.[key] ?? null) as Record<string, unknown> | null;
    if (last === undefined || branch === null) throw unreadable(pointer);
    branch[last] = null;
  }
  return copy;
}

function unreadable(field: string): WatchfloorError {
  return new WatchfloorError("policy_invalid_input", { field });
}
