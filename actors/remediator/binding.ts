/**
 * The boundary of: the remediator's machine and the cluster. Looking is `retry`. An effect is
 * `reconcile`: after a crash the cluster is asked by the effect's key what happened, and only what
 * never took effect is begun, with the policy asked again first.
 */
import type {
  ActInput,
  DryRun,
  EvaluateInput,
  RemediationOrder,
  RevertInput,
  VerifyInput,
} from "../../machines/calls.ts";
import type { Json } from "../../machines/protocol.ts";
import type { Receipt } from "../../machines/vocabulary.ts";
import { authoriseEffect, authoriseRevert, type EffectTerms } from "../../policies/effect.ts";
import type { DecisionPoint } from "../../policies/decision-point.ts";
import type { Clock, ToolCaller } from "../../transports/ports.ts";
import { asArguments, asJson, callOptions, typed } from "../calling.ts";
import type { CallContext, ToolBinding } from "../define.ts";
import { describeTarget, weighedTarget } from "../target.ts";
import { performEffect, performRevert, type EffectTools } from "./effects.ts";

export interface RemediatorDeps {
  readonly clusterRead: ToolCaller;
  readonly clusterAct: ToolCaller;
  readonly decisions: DecisionPoint;
  readonly clock: Pick<Clock, "now">;
}

const LOOK_TIMEOUT_MS = 10_000;
const EFFECT_TIMEOUT_MS = 30_000;
const CONCURRENCY_MAX = 16;

export function createRemediatorCalls(
  deps: RemediatorDeps,
): Record<"dryRun" | "act" | "verify" | "revert", ToolBinding> {
  const looking = {
    call: "tool",
    recovery: "retry",
    timeoutMs: LOOK_TIMEOUT_MS,
    concurrencyMax: CONCURRENCY_MAX,
  } as const;
  const acting = {
    call: "tool",
    recovery: "reconcile",
    timeoutMs: EFFECT_TIMEOUT_MS,
    concurrencyMax: CONCURRENCY_MAX,
    reconcile: (input: Json, context: CallContext) => receiptOf(deps, typed(input), context),
  } as const;
  return {
    dryRun: { ...looking, run: (input, context) => dryRun(deps, typed(input), context) },
    act: { ...acting, run: (input, context) => once(deps, typed<ActInput>(input), context, act) },
    verify: { ...looking, run: (input, context) => verify(deps, typed(input), context) },
    revert: {
      ...acting,
      run: (input, context) => once(deps, typed<RevertInput>(input), context, revert),
    },
  };
}

// ---- Looking -----------------------------------------------------------------------------------

const CASE_DRY_RUN: DryRun = {
  version: "case",
  diff: [],
  blast: { pods: 0, replicasShare: 0, services: 0, namespaces: 0 },
};

async function dryRun(
  { clusterAct }: RemediatorDeps,
  { review }: RemediationOrder,
  context: CallContext,
): Promise<Json> {
  const { action } = review;
  if (action.target.kind === "case") return asJson(CASE_DRY_RUN);
  return clusterAct.call("dry_run", asArguments({ action }), callOptions(context));
}

/** A closed case has nothing to look at: its receipt is all there is. */
async function verify(
  { clusterAct }: RemediatorDeps,
  { receipt }: VerifyInput,
  context: CallContext,
): Promise<Json> {
  if (receipt.action.target.kind === "case") return { holds: true };
  return clusterAct.call("verify", asArguments({ receipt }), callOptions(context));
}

// ---- Acting ------------------------------------------------------------------------------------

/**
 * An attempt that timed out may have taken effect: its own change would then look like somebody
 * else's, so the cluster is asked for the receipt first.
 */
async function once<I extends Pick<ActInput, "effectKey">>(
  deps: RemediatorDeps,
  input: I,
  context: CallContext,
  begin: (deps: RemediatorDeps, input: I, context: CallContext) => Promise<Json>,
): Promise<Json> {
  return (await receiptOf(deps, input, context)) ?? begin(deps, input, context);
}

async function act(
  deps: RemediatorDeps,
  { order, effectKey }: ActInput,
  context: CallContext,
): Promise<Json> {
  const { review, question } = order;
  const { action } = review;
  const options = callOptions(context);
  const described = await describeTarget(deps.clusterRead, action, options);
  const target = await weighedTarget(deps.clusterRead, question, described, options);
  const input: EvaluateInput = {
    question: { ...question, action },
    actionDigest: review.actionDigest,
    target,
  };
  const terms = termsOf(deps, context, effectKey);
  const effect = await authoriseEffect(deps.decisions, input, review, terms);
  return asJson(await performEffect(effect, toolsOf(deps, context, terms)));
}

async function revert(
  deps: RemediatorDeps,
  input: RevertInput,
  context: CallContext,
): Promise<Json> {
  const terms = termsOf(deps, context, input.effectKey);
  const allowed = authoriseRevert(deps.decisions.engine(), input, terms);
  return asJson(await performRevert(allowed, toolsOf(deps, context, terms)));
}

/** Nothing takes effect once the host has given the call up, or may have lost the actor to another. */
function termsOf({ clock }: RemediatorDeps, context: CallContext, effectKey: string): EffectTerms {
  const deadline = Math.max(0, Math.min(context.at + context.timeoutMs, context.actUntil()));
  const { traceparent } = context;
  return { at: clock.now(), idempotencyKey: effectKey, deadline, traceparent };
}

function toolsOf(
  { clusterAct }: RemediatorDeps,
  context: CallContext,
  { at }: EffectTerms,
): EffectTools {
  return { clusterAct, options: callOptions(context), at };
}

/** What became of an effect whose answer was lost. A case's is begun again: it has one outcome. */
async function receiptOf(
  { clusterAct }: RemediatorDeps,
  { effectKey }: Pick<ActInput, "effectKey">,
  context: CallContext,
): Promise<Json> {
  const answer = await clusterAct.call("lookup", { key: effectKey }, callOptions(context));
  return typed<{ receipt: Receipt | null }>(answer).receipt as Json;
}
