/**
 * The boundary of: the reviewer's machine, the cluster and the policy, each over MCP. Both calls
 * only ask, so both are `retry`.
 */
import type { DescribeInput, EvaluateInput } from "../../machines/calls.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import type { Decision } from "../../machines/vocabulary.ts";
import type { ToolCaller } from "../../transports/ports.ts";
import { asArguments, asJson, callOptions, typed } from "../calling.ts";
import type { CallContext, ToolBinding } from "../define.ts";
import { describeTarget, weighedTarget } from "../target.ts";

export interface ReviewerDeps {
  readonly clusterRead: ToolCaller;
  readonly policy: ToolCaller;
  /** The revision in force here; an answer by another one is stale. */
  readonly policyRevision: () => string;
}

const TIMEOUT_MS = 10_000;
const CONCURRENCY_MAX = 32;

export function createReviewerCalls(
  deps: ReviewerDeps,
): Record<"describeTarget" | "evaluateAction", ToolBinding> {
  const asking = {
    call: "tool",
    recovery: "retry",
    timeoutMs: TIMEOUT_MS,
    concurrencyMax: CONCURRENCY_MAX,
  } as const;
  return {
    describeTarget: {
      ...asking,
      run: async (input, context) => {
        const { action } = typed<DescribeInput>(input);
        return asJson(await describeTarget(deps.clusterRead, action, callOptions(context)));
      },
    },
    evaluateAction: { ...asking, run: (input, context) => evaluate(deps, typed(input), context) },
  };
}

async function evaluate(
  { clusterRead, policy, policyRevision }: ReviewerDeps,
  { question, actionDigest, target }: EvaluateInput,
  context: CallContext,
): Promise<Json> {
  const options = callOptions(context);
  const weighed = await weighedTarget(clusterRead, question, target, options);
  const input: EvaluateInput = { question, actionDigest, target: weighed };
  const before = policyRevision();
  const answer = await policy.call("evaluate_action", asArguments(input), options);
  const { policyRevision: found } = typed<Decision>(answer);
  // Where it changed while it was asked, either is the policy in force.
  if (found === before || found === policyRevision()) return answer;
  throw new WatchfloorError("policy_stale", { found, wanted: before });
}
