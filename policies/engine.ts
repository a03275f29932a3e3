/**
 * The boundary of: whoever asks for a verdict, and the engine that gives it. An engine may fail; the
 * functions here do not: what cannot be decided is escalated, who cannot be judged is refused.
 */
import type { Authorisation, AuthoriseInput, EvaluateInput } from "../machines/calls.ts";
import { digestOf, sha256 } from "../machines/digest.ts";
import { WatchfloorError } from "../machines/errors.ts";
import { asJson } from "../machines/step.ts";
import type { Decision } from "../machines/vocabulary.ts";
import type { ReviewParameters } from "./parameters.ts";
import { PEOPLE_NEEDED_MAX, type PolicyInput, type ReviewResult } from "./shapes.ts";

/**
 * A policy with its parameters, both fixed: a change of either is another engine. The promises
 * reject with WatchfloorError `policy_invalid_input`, `policy_failed`, `policy_unreachable` or
 * `policy_stale`.
 */
export interface PolicyEngine {
  /** Digest of the policy's sources and its parameters. */
  readonly revision: string;
  /** Of the policy alone. */
  readonly bundleRevision: string;
  readonly parameters: ReviewParameters;
  review(input: PolicyInput): Promise<ReviewResult>;
  approve(input: AuthoriseInput): Promise<Authorisation>;
}

/** The same for every engine: the revision of a decision says which policy and parameters made it. */
export function engineRevision(bundleRevision: string, parameters: ReviewParameters): string {
  return digestOf([bundleRevision, parameters.revision]);
}

/** What the policy cannot know by itself. */
export interface Circumstances {
  /** Wall clock, ms. */
  readonly at: number;
  /** Effects of the action's class within the last hour. */
  readonly recentEffects: number;
}

/** The verdict on one action. Never rejects: any failure is an escalation with its own reason. */
export async function decide(
  engine: PolicyEngine,
  input: EvaluateInput,
  circumstances: Circumstances,
): Promise<Decision> {
  const inputsDigest = digestOrNone(input);
  const policyRevision = engine.revision;
  const result = await reviewOrEscalate(engine, input, circumstances);
  const decisionId = digestOf([inputsDigest, policyRevision, circumstances.at]);
  return { decisionId, ...result, policyRevision, inputsDigest };
}

async function reviewOrEscalate(
  engine: PolicyEngine,
  input: EvaluateInput,
  circumstances: Circumstances,
): Promise<ReviewResult> {
  try {
    return await engine.review(policyInput(engine, input, circumstances));
  } catch (error) {
    return escalationFor(error);
  }
}

export function policyInput(
  engine: Pick<PolicyEngine, "revision">,
  input: EvaluateInput,
  { at, recentEffects }: Circumstances,
): PolicyInput {
  return { ...input, at, recentEffects, policyRevision: engine.revision };
}

const REASONS: Readonly<Record<string, string>> = {
  policy_invalid_input: "invalid_input",
  policy_unreachable: "policy_unreachable",
  policy_stale: "policy_stale",
};

/** The answer for a policy that gave none. */
export function escalationFor(error: unknown): ReviewResult {
  const code = error instanceof WatchfloorError ? error.code : "policy_failed";
  const field = error instanceof WatchfloorError ? error.fields["field"] : undefined;
  const ruleId = code === "policy_invalid_input" ? `input.${field}` : "default";
  return {
    verdict: "escalate",
    reasons: [REASONS[code] ?? "policy_failed"],
    ruleIds: [ruleId],
    obligations: [],
    parametersUsed: {},
  };
}

/** May this person answer? Never rejects: any failure is a refusal. */
export async function authorise(
  engine: PolicyEngine,
  input: AuthoriseInput,
): Promise<Authorisation> {
  try {
    return await engine.approve(input);
  } catch (error) {
    const why =
      error instanceof WatchfloorError ? error.message : "the policy could not be evaluated";
    return refusal(why);
  }
}

export function refusal(why: string): Authorisation {
  return { allowed: false, peopleNeeded: PEOPLE_NEEDED_MAX, why };
}

/** Input that is no JSON has no digest of its own, and no verdict but escalate. */
function digestOrNone(input: EvaluateInput): string {
  try {
    return digestOf(asJson(input));
  } catch {
    return sha256("");
  }
}
