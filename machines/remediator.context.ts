/**
 * The boundary of: what a remediator knows of its one effect. Who waits for it, what it may do, and
 * what it can prove; pure functions only.
 */
import { isAllowed, shortDigest, undoAfterMs } from "./actions.ts";
import type {
  ActInput,
  DryRun,
  RemediationOrder,
  RevertInput,
  UndoOrder,
  VerifyInput,
} from "./calls.ts";
import type {
  ActorAddress,
  FailureData,
  MachineEvent,
  Outgoing,
  Reply,
  ReplyTo,
} from "./protocol.ts";
import { asJson, FRESH_STEP, nobody, ownFailure, type Step } from "./step.ts";
import {
  targetName,
  type BlastRadius,
  type Decision,
  type Receipt,
  type Remediation,
} from "./vocabulary.ts";

export type RemediatorEvent =
  MachineEvent<"perform", RemediationOrder> | MachineEvent<"undo", UndoOrder>;

export interface RemediatorContext {
  readonly address: ActorAddress;
  readonly case: string | null;
  /** Who is answered when the effect under way is settled; null when it ends by expiry. */
  readonly replyTo: ReplyTo | null;
  readonly order: RemediationOrder | null;
  readonly dryRun: DryRun | null;
  readonly receipt: Receipt | null;
  readonly undoReceipt: Receipt | null;
  readonly undoDecision: Decision | null;
  readonly undoBecause: RevertInput["because"];
  readonly failure: FailureData | null;
  /** `unknown` from the moment the act begins: only its receipt or a definite failure ends that. */
  readonly outcome: "none" | "unknown" | "performed";
  readonly step: Step;
}

export function remediatorContext(address: ActorAddress, caseId: string | null): RemediatorContext {
  return {
    address,
    case: caseId,
    replyTo: null,
    order: null,
    dryRun: null,
    receipt: null,
    undoReceipt: null,
    undoDecision: null,
    undoBecause: "command",
    failure: null,
    outcome: "none",
    step: FRESH_STEP,
  };
}

/** The order names an action the policy allows, and this remediator is that action's. */
export function mayPerform(context: RemediatorContext, asked: Asked<RemediationOrder>): boolean {
  const { review } = asked.order;
  return (
    asked.replyTo !== null &&
    isAllowed(review.decision) &&
    context.address.endsWith(`.${shortDigest(review.actionDigest)}`)
  );
}

/** A failed effect may be tried again only if it is certain that nothing was done. */
export function mayTryAgain(context: RemediatorContext, asked: Asked<RemediationOrder>): boolean {
  return context.outcome === "none" && mayPerform(context, asked);
}

export function mayUndo(context: RemediatorContext, asked: Asked<UndoOrder>): boolean {
  return asked.replyTo !== null && isAllowed(asked.order.decision) && hasInverse(context);
}

export function hasInverse(context: RemediatorContext): boolean {
  return context.receipt !== null && context.receipt.inverse !== null;
}

/** How long the effect lasts by its own decision; null where it lasts until someone undoes it. */
export function lastsMs(context: RemediatorContext): number | null {
  return context.order === null ? null : undoAfterMs(context.order.review.decision);
}

/** Would the effect reach further than the reviewer saw? */
export function outgrewReview(context: RemediatorContext): boolean {
  const reviewed = context.order?.review.target?.blast;
  const found = context.dryRun?.blast;
  if (reviewed === undefined || found === undefined) return false;
  const sizes: readonly (keyof BlastRadius)[] = ["pods", "replicasShare", "services", "namespaces"];
  return sizes.some((size) => found[size] > reviewed[size]);
}

/** It is not known whether the effect took place: only a person may go on from there. */
export function outcomeUnknown(step: Step): boolean {
  const codes = [
    "call_outcome_unknown",
    "call_timeout",
    "call_aborted",
    "call_failed",
    "tool_unreachable",
  ];
  return codes.includes(step.failure?.code ?? "");
}

export function actInput(context: RemediatorContext): ActInput {
  return {
    order: context.order as RemediationOrder,
    version: context.dryRun?.version ?? "",
    effectKey: `${context.address}:act`,
  };
}

export function verifyInput(context: RemediatorContext): VerifyInput {
  return { receipt: context.receipt as Receipt };
}

export function revertInput(context: RemediatorContext): RevertInput {
  return {
    receipt: context.receipt as Receipt,
    decision: context.undoDecision,
    because: context.undoBecause,
    effectKey: `${context.address}:revert`,
  };
}

/** The failure of this effect as this room names it. */
export function effectFailure(
  context: RemediatorContext,
  code: "target_changed" | "effect_not_held" | "no_inverse" | "policy_denied",
): FailureData {
  const action = context.order?.review.action;
  const target = action === undefined ? context.address : targetName(action.target);
  const verdict = context.order?.review.decision.verdict ?? "none";
  return ownFailure(code, { target, verdict });
}

export function remediation(
  context: RemediatorContext,
  state: Remediation["state"],
  failure: FailureData | null = context.failure,
): Remediation {
  return {
    actionDigest: context.order?.review.actionDigest ?? "",
    state,
    receipt: state === "undone" ? context.undoReceipt : context.receipt,
    failure,
  };
}

/** The answer to who waits; the chart asks first whether anyone does. */
export function answer(context: RemediatorContext, result: Remediation): Reply {
  return { to: context.replyTo ?? nobody(context.address), output: asJson(result) };
}

/** What nobody asked for and the case must know: an effect that ended by its own expiry. */
export function toldChange(context: RemediatorContext, result: Remediation): readonly Outgoing[] {
  if (context.case === null) return [];
  const data = asJson(result);
  return [{ to: `coordinator/${context.case}`, type: "remediation.changed", data }];
}

export interface Asked<O> {
  readonly order: O;
  readonly replyTo: ReplyTo | null;
}

export function asked<O>(event: MachineEvent<string, O>): Asked<O> {
  return { order: event.data, replyTo: event.meta.replyTo };
}

/** What was settled before is said again, never done again. */
export function settledAnswer(
  context: RemediatorContext,
  event: MachineEvent<string, unknown>,
  state: Remediation["state"],
): Reply {
  return answer({ ...context, replyTo: event.meta.replyTo }, remediation(context, state));
}

/** Nothing is done for this question, and why: irreversible, or not allowed (not now, or not at all). */
export function refusal(context: RemediatorContext, event: MachineEvent<string, unknown>): Reply {
  const irreversible = event.type === "undo" && !hasInverse(context);
  const failure = effectFailure(context, irreversible ? "no_inverse" : "policy_denied");
  const result = remediation(context, "skipped", failure);
  return answer({ ...context, replyTo: event.meta.replyTo }, result);
}
