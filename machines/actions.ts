/**
 * The boundary of: typed actions as values. Their identity, their class, and what a decision lets
 * be done about them. Pure; nothing here performs anything.
 */
import { ACTION_CLASSES, VERDICTS, type Action, type Decision, type Review } from "./vocabulary.ts";
import { digestOf } from "./digest.ts";
import { asJson } from "./step.ts";

/** An action's identity: an approval, a remediator and a receipt are bound to it. */
export function actionDigest(action: Action): string {
  return digestOf(asJson(action));
}

/** The part of a digest that names a remediator. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 12);
}

/** Does the action hold an attacker back? Its rejection leaves a case open. */
export function isContainment(action: Action): boolean {
  const actionClass = ACTION_CLASSES[action.type];
  return actionClass === "contain" || actionClass === "disrupt";
}

/** The policy lets it happen, and does not say that it is only to be recorded. */
export function isAllowed(decision: Decision): boolean {
  return decision.verdict === "auto_execute" && !isRecordOnly(decision);
}

export function isRecordOnly(decision: Decision): boolean {
  return decision.obligations.includes("record_only");
}

/** The obligation `undo_after:<ms>`, or null where there is none. */
export function undoAfterMs(decision: Decision): number | null {
  const prefix = "undo_after:";
  const found = decision.obligations.find((obligation) => obligation.startsWith(prefix));
  const delayMs = Number(found?.slice(prefix.length));
  return found !== undefined && Number.isSafeInteger(delayMs) && delayMs >= 0 ? delayMs : null;
}

/** Is this a verdict at all? A policy that answers with anything else is not believed. */
export function isVerdict(value: unknown): boolean {
  return VERDICTS.some((verdict) => verdict === value);
}

/** The decision code makes when no policy could be heard: fail closed. */
/** Stands for the policy's revision where the policy was not asked, or did not answer. */
export const NO_POLICY = "unavailable";

export function escalation(reason: string, question: object): Decision {
  const inputsDigest = digestOf(asJson(question));
  return {
    decisionId: `code-${digestOf([inputsDigest, reason]).slice(0, 16)}`,
    verdict: "escalate",
    reasons: [reason],
    ruleIds: [],
    obligations: [],
    parametersUsed: {},
    policyRevision: NO_POLICY,
    inputsDigest,
  };
}

/** The review code makes when a reviewer did not answer. */
export function escalatedReview(action: Action, confidence: number, reason: string): Review {
  return {
    action,
    actionDigest: actionDigest(action),
    decision: escalation(reason, action),
    confidence,
    target: null,
  };
}
