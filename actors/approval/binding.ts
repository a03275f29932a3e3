/**
 * The boundary of: the approval's machine, the policy's rule of who may answer, and a closer look on
 * request. The look calls cluster-read and history and nothing else; its lines hold names, numbers
 * and enums, so they can be shown to anyone.
 */
import type { AuthoriseInput, Findings, InvestigateInput } from "../../machines/calls.ts";
import type { Json } from "../../machines/protocol.ts";
import { targetName, type Action, type Entity } from "../../machines/vocabulary.ts";
import type { DecisionPoint } from "../../policies/decision-point.ts";
import type {
  NodeFacts,
  PerformedEffect,
  PodFacts,
  ToolCaller,
  ToolCallOptions,
  WorkloadFacts,
} from "../../transports/ports.ts";
import { asArguments, asJson, callOptions, typed } from "../calling.ts";
import type { CallContext, ToolBinding } from "../define.ts";
import { describeTarget } from "../target.ts";
import type { PastCases } from "../tools/history.ts";

export interface ApprovalDeps {
  readonly clusterRead: ToolCaller;
  readonly history: ToolCaller;
  readonly decisions: DecisionPoint;
}

const AUTHORISE_TIMEOUT_MS = 10_000;
const INVESTIGATE_TIMEOUT_MS = 30_000;
const CONCURRENCY_MAX = 16;
const ACTIONS_MAX = 8;

export function createApprovalCalls(
  deps: ApprovalDeps,
): Record<"authorise" | "investigate", ToolBinding> {
  const asking = { call: "tool", recovery: "retry", concurrencyMax: CONCURRENCY_MAX } as const;
  return {
    authorise: {
      ...asking,
      timeoutMs: AUTHORISE_TIMEOUT_MS,
      run: async (input, { traceparent }) => {
        const asked = { by: "approval", traceparent } as const;
        return asJson(await deps.decisions.authorise(typed<AuthoriseInput>(input), asked));
      },
    },
    investigate: {
      ...asking,
      timeoutMs: INVESTIGATE_TIMEOUT_MS,
      run: (input, context) => investigate(deps, typed(input), context),
    },
  };
}

async function investigate(
  { clusterRead, history }: ApprovalDeps,
  { case: caseId, entity, actions }: InvestigateInput,
  context: CallContext,
): Promise<Json> {
  const options = callOptions(context);
  const sections = await Promise.all([
    historyLines(history, { entity: entity.key, except: caseId }, options),
    workloadLines(clusterRead, entity, options),
    podLines(clusterRead, entity, options),
    nodeLines(clusterRead, entity, options),
    ...actions.slice(0, ACTIONS_MAX).map((action) => actionLines(clusterRead, action, options)),
  ]);
  const findings: Findings = { lines: sections.flat() };
  return asJson(findings);
}

type Lines = Promise<readonly string[]>;

async function historyLines(
  history: ToolCaller,
  request: { readonly entity: string; readonly except: string },
  options: ToolCallOptions,
): Lines {
  const past = typed<PastCases>(await history.call("past_cases", request, options));
  if (past.cases === 0) return ["history: no earlier case of this entity"];
  const { auto_execute, auto_reject, escalate } = past.verdicts;
  const more = past.complete ? "" : " or more";
  return [
    `history: ${past.cases}${more} earlier cases (${auto_execute} executed, ${auto_reject} rejected, ${escalate} escalated)`,
  ];
}

async function workloadLines(
  clusterRead: ToolCaller,
  { namespace, workload: name }: Entity,
  options: ToolCallOptions,
): Lines {
  if (namespace === null || name === null) return ["workload: not known"];
  const answer = await clusterRead.call("get_workload", { namespace, name }, options);
  const { workload } = typed<{ workload: WorkloadFacts | null }>(answer);
  if (workload === null) return [`workload: the cluster has no ${namespace}/${name}`];
  const blocked = workload.addressesBlocked.length;
  return [
    `workload: ${workload.kind} ${namespace}/${name}, ${workload.replicas} replicas, ` +
      `criticality ${workload.criticality}, owner ${workload.owner}, ` +
      `services ${workload.services.join(" ") || "none"}`,
    `workload: ${workload.isolated ? "isolated" : "not isolated"}, ${blocked} addresses blocked`,
  ];
}

async function podLines(
  clusterRead: ToolCaller,
  { namespace, pod: name }: Entity,
  options: ToolCallOptions,
): Lines {
  if (namespace === null || name === null) return [];
  const answer = await clusterRead.call("get_pod", { namespace, name }, options);
  const { pod } = typed<{ pod: PodFacts | null }>(answer);
  if (pod === null) return [`pod: ${namespace}/${name} is gone`];
  const kept =
    pod.controller === null ? "nothing would recreate it" : `kept by its ${pod.controller}`;
  return [
    `pod: ${namespace}/${name} on ${pod.node}, ${kept}, ${pod.isolated ? "isolated" : "not isolated"}`,
  ];
}

async function nodeLines(
  clusterRead: ToolCaller,
  { host }: Entity,
  options: ToolCallOptions,
): Lines {
  if (host === null) return [];
  const answer = await clusterRead.call("get_node", { name: host }, options);
  const { node } = typed<{ node: NodeFacts | null }>(answer);
  if (node === null) return [];
  const state = node.cordoned ? "cordoned" : "schedulable";
  return [`node: ${node.name} is ${state}, ${node.pods} pods of ${node.namespaces} namespaces`];
}

async function actionLines(
  clusterRead: ToolCaller,
  action: Action,
  options: ToolCallOptions,
): Lines {
  const target = targetName(action.target);
  if (action.target.kind === "case") return [];
  const state = await describeTarget(clusterRead, action, options);
  if (!state.exists) return [`${action.type}: the cluster has no ${target}`];
  const request = asArguments({ target: action.target });
  const answer = await clusterRead.call("list_effects", request, options);
  const { effects } = typed<{ effects: readonly PerformedEffect[] }>(answer);
  return [
    `${action.type}: ${target} at version ${state.version}, ${effects.length} effects so far`,
    ...state.diff.map((change) => `${action.type}: would change ${change}`),
  ];
}
