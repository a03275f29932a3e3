/**
 * The boundary of: an action's target and the policy. The cluster describes its own objects; of a
 * case it knows nothing, so the policy weighs the workload whose case it is.
 */
import type { ReviewQuestion } from "../machines/calls.ts";
import type { Action, TargetState } from "../machines/vocabulary.ts";
import type { ToolCaller, ToolCallOptions, WorkloadFacts } from "../transports/ports.ts";
import { asArguments, typed } from "./calling.ts";

export async function describeTarget(
  clusterRead: ToolCaller,
  action: Action,
  options: ToolCallOptions,
): Promise<TargetState> {
  const answer = await clusterRead.call("describe_target", asArguments({ action }), options);
  return typed<TargetState>(answer);
}

/**
 * What the policy is told of the target. Of a case: how critical its workload is, and null where the
 * cluster does not know the workload, since there is then nothing to weigh.
 */
export async function weighedTarget(
  clusterRead: ToolCaller,
  question: Pick<ReviewQuestion, "action" | "entity">,
  described: TargetState | null,
  options: ToolCallOptions,
): Promise<TargetState | null> {
  const { namespace, workload } = question.entity;
  if (question.action.target.kind !== "case" || described === null) return described;
  if (namespace === null || workload === null) return null;
  const answer = await clusterRead.call("get_workload", { namespace, name: workload }, options);
  const facts = typed<{ workload: WorkloadFacts | null }>(answer).workload;
  if (facts === null) return null;
  return { ...described, criticality: facts.criticality, owner: facts.owner };
}
