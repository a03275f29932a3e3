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
 * reject with WatchfloorError `policy_invalid_input` or `policy_failed`.
 */
export interface PolicyEngine {
  /** Digest of the policy's sources and its parameters. */
  readonly revision: string;
  readonly parameters: ReviewParameters;
  review(input: PolicyInput): Promise<ReviewResult>;
  approve(input: AuthoriseInput): Promise<Authorisation>;
}

/** The verdict on one action at `at` (wall clock, ms). Never rejects: any failure is an escalation. */
export async function decide(
  engine: PolicyEngine,
  input: EvaluateInput,
  { at }: { readonly at: number },
): Promise<Decision> {
  const inputsDigest = digestOrNone(input);
  const policyRevision = engine.revision;
  const result = await reviewOrEscalate(engine, input, at);
  const decisionId = digestOf([inputsDigest, policyRevision, at]);
  return { decisionId, ...result, policyRevision, inputsDigest };
}

async function reviewOrEscalate(
  engine: PolicyEngine,
  input: EvaluateInput,
  at: number,
): Promise<ReviewResult> {
  try {
    return await engine.review({ ...input, at });
  } catch (error) {
    const invalid = error instanceof WatchfloorError && error.code === "policy_invalid_input";
    const reason = invalid ? "invalid_input" : "policy_failed";
    const field = invalid ? [`input.${error.fields["field"]}`] : ["default"];
    const none = { obligations: [], parametersUsed: {} };
    return { verdict: "escalate", reasons: [reason], ruleIds: field, ...none };
  }
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
    return { allowed: false, peopleNeeded: PEOPLE_NEEDED_MAX, why };
  }
}

/** Input that is no JSON has no digest of its own, and no verdict but escalate. */
function digestOrNone(input: EvaluateInput): string {
  try {
    return digestOf(asJson(input));
  } catch {
    return sha256("");
  }
}
