/**
 * The boundary of: what the policy allowed and the world. The only file that asks the cluster-act
 * server for a change, and it takes nothing but an AllowedEffect or an AllowedRevert: to skip the
 * policy does not compile. A case is no cluster object; closing it is proved by a receipt all the
 * same, so that it can be undone like anything else.
 */
import { digestOf, sha256 } from "../../machines/digest.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import { targetName, type Action, type Receipt } from "../../machines/vocabulary.ts";
import type { AllowedEffect, AllowedRevert } from "../../policies/effect.ts";
import type { ToolCaller, ToolCallOptions } from "../../transports/ports.ts";
import { asArguments, typed } from "../calling.ts";

export interface EffectTools {
  /** Connected to the cluster-act server. */
  readonly clusterAct: ToolCaller;
  /** The key in it is replaced by the effect's own. */
  readonly options: ToolCallOptions;
  /** Wall clock, ms: when the effect is performed. */
  readonly at: number;
}

/** The version of everything the cluster does not keep. */
const CASE_VERSION = "case";

/** Rejects with what the server answers, `target_changed` without a reviewed version. */
export async function performEffect(effect: AllowedEffect, tools: EffectTools): Promise<Receipt> {
  const { action, actionDigest, decision, idempotencyKey, deadline, versionExpected } = effect;
  const { decisionId } = decision;
  if (action.target.kind === "case") {
    const inverse = action.type === "close_benign" ? { restore: "reopen" } : null;
    return caseReceipt({ action, idempotencyKey, decisionId, inverse }, tools.at);
  }
  if (versionExpected === null) {
    throw new WatchfloorError("target_changed", { target: targetName(action.target) });
  }
  const request = { action, actionDigest, versionExpected, decisionId, deadline };
  return typed<Receipt>(
    await tools.clusterAct.call("perform", asArguments(request), keyed(tools, idempotencyKey)),
  );
}

/** Rejects with what the server answers, `no_inverse` for a case that was not closed. */
export async function performRevert(revert: AllowedRevert, tools: EffectTools): Promise<Receipt> {
  const { receipt, decisionId, deadline, idempotencyKey } = revert;
  const { target } = receipt.action;
  if (receipt.inverse === null) {
    throw new WatchfloorError("no_inverse", { target: targetName(target) });
  }
  if (target.kind === "case") {
    const action: Action = { type: "reopen", target, params: {} };
    return caseReceipt({ action, idempotencyKey, decisionId, inverse: null }, tools.at);
  }
  const request = { receipt, decisionId, deadline };
  return typed<Receipt>(
    await tools.clusterAct.call("revert", asArguments(request), keyed(tools, idempotencyKey)),
  );
}

function keyed({ options }: EffectTools, idempotencyKey: string): ToolCallOptions {
  return { ...options, idempotencyKey };
}

/** The same for the same key but for its time: a repeat proves the same closing. */
function caseReceipt(
  effect: Pick<Receipt, "action" | "idempotencyKey" | "decisionId" | "inverse">,
  at: number,
): Receipt {
  return {
    ...effect,
    id: `r-${sha256(effect.idempotencyKey).slice(0, 16)}`,
    actionDigest: digestOf(effect.action as unknown as Json),
    performedAt: at,
    versionBefore: CASE_VERSION,
    versionAfter: CASE_VERSION,
  };
}
