/**
 * The boundary of: a verdict and an effect. An effect handler takes an `AllowedEffect` and nothing
 * else, and only this file makes one, after asking the policy again at the moment of acting.
 */
import type { EvaluateInput, RevertInput } from "../machines/calls.ts";
import { actionDigest } from "../machines/actions.ts";
import { WatchfloorError } from "../machines/errors.ts";
import {
  targetName,
  type Action,
  type Decision,
  type Receipt,
  type Review,
} from "../machines/vocabulary.ts";
import type { DecisionPoint, LoggedDecision } from "./decision-point.ts";
import type { PolicyEngine } from "./engine.ts";

declare const allowed: unique symbol;

/** An action the policy allows now. */
export interface AllowedEffect {
  readonly [allowed]: "effect";
  readonly action: Action;
  readonly actionDigest: string;
  /** The decision made at minting, not the reviewed one; it is in the log. */
  readonly decision: LoggedDecision;
  /** The target's version at the review; null for a case. */
  readonly versionExpected: string | null;
  readonly idempotencyKey: string;
  /** Wall clock, ms; nothing takes effect after it. */
  readonly deadline: number;
}

/** The undoing of a receipt that the policy allows now. */
export interface AllowedRevert {
  readonly [allowed]: "revert";
  readonly receipt: Receipt;
  readonly decisionId: string;
  readonly idempotencyKey: string;
  readonly deadline: number;
}

export interface EffectTerms {
  /** Wall clock, ms. */
  readonly at: number;
  readonly idempotencyKey: string;
  readonly deadline: number;
  readonly traceparent: string | null;
}

/**
 * Evaluates `input` again and mints the effect of `review`. `input.target` is the target as it is
 * now. Rejects with `deadline_passed`, `policy_denied`, `target_changed` or `decision_not_logged`.
 */
export async function authoriseEffect(
  point: DecisionPoint,
  input: EvaluateInput,
  review: Review,
  { at, idempotencyKey, deadline, traceparent }: EffectTerms,
): Promise<AllowedEffect> {
  if (at >= deadline) throw new WatchfloorError("deadline_passed");
  const { action } = input.question;
  checkReviewed(input, review);
  const decision = await point.decideLogged(input, { by: "remediator", traceparent });
  checkAllowed(decision);
  point.performs(action);
  const effect: Omit<AllowedEffect, typeof allowed> = {
    action,
    actionDigest: input.actionDigest,
    decision,
    versionExpected: review.target?.version ?? null,
    idempotencyKey,
    deadline,
  };
  return effect as AllowedEffect;
}

/** What was reviewed is what is asked about, and its target has not moved since. */
function checkReviewed(input: EvaluateInput, review: Review): void {
  const { action } = input.question;
  const digest = actionDigest(action);
  if (review.actionDigest !== digest || input.actionDigest !== digest) throw denied("not reviewed");
  checkAllowed(review.decision);
  if (action.target.kind === "case") return;
  if (review.target === null || input.target?.version !== review.target.version) {
    throw new WatchfloorError("target_changed", { target: targetName(action.target) });
  }
}

function checkAllowed(decision: Decision): void {
  const { verdict, reasons } = decision;
  if (verdict !== "auto_execute") throw denied(`${verdict}: ${reasons.join(", ")}`);
  if (decision.obligations.includes("record_only")) throw denied("record_only");
}

function denied(verdict: string): WatchfloorError {
  return new WatchfloorError("policy_denied", { verdict });
}

/**
 * Mints the undoing of a receipt. By command it takes a decision of the policy in force; by expiry
 * it was the condition of the effect itself, and only the kill switch holds it up. Throws
 * `deadline_passed` or `policy_denied`.
 */
export function authoriseRevert(
  engine: PolicyEngine,
  { receipt, decision, because }: Pick<RevertInput, "receipt" | "decision" | "because">,
  { at, idempotencyKey, deadline }: EffectTerms,
): AllowedRevert {
  if (at >= deadline) throw new WatchfloorError("deadline_passed");
  if (engine.parameters.spec.killSwitch) throw denied("kill_switch_on");
  if (because === "command") checkCommand(engine, decision);
  const decisionId = decision?.decisionId ?? receipt.decisionId;
  const revert: Omit<AllowedRevert, typeof allowed> = {
    receipt,
    decisionId,
    idempotencyKey,
    deadline,
  };
  return revert as AllowedRevert;
}

function checkCommand(engine: PolicyEngine, decision: Decision | null): void {
  if (decision === null) throw denied("none");
  checkAllowed(decision);
  if (decision.policyRevision !== engine.revision) throw denied("of an earlier policy");
}
