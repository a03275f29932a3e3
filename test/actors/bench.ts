/** The tool servers over a simulated cluster and the built policy, as the remediator and its like see them. */
import type { ReviewQuestion } from "../../machines/calls.ts";
import { digestOf } from "../../machines/digest.ts";
import type { Json } from "../../machines/protocol.ts";
import type {
  Action,
  CaseSummary,
  Decision,
  Entity,
  Review,
  TargetState,
} from "../../machines/vocabulary.ts";
import type { CallContext } from "../../actors/define.ts";
import { clusterActServer } from "../../actors/tools/cluster-act.ts";
import { clusterReadServer } from "../../actors/tools/cluster-read.ts";
import { entityPrefix, historyServer } from "../../actors/tools/history.ts";
import { policyServer } from "../../actors/tools/policy.ts";
import { defaultParametersPath } from "../../policies/bundle.ts";
import { createDecisionPoint, type DecisionPoint } from "../../policies/decision-point.ts";
import { adjustParameters, loadParameters } from "../../policies/parameters.ts";
import { loadWasmEngine, type WasmEngine } from "../../policies/wasm-engine.ts";
import type { EstateInventory } from "../../transports/kubernetes/estate.ts";
import { openSimulatedCluster } from "../../transports/kubernetes/simulated.ts";
import { connectInProcess } from "../../transports/mcp/in-process.ts";
import { openMemory } from "../../transports/memory.ts";
import type { Cluster, Put, StateStore, ToolCaller } from "../../transports/ports.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

export const NOON = 1_790_000_000_000;
export const CASE = "c-0123456789ab";

const INVENTORY: EstateInventory = {
  nodes: [{ name: "worker-1" }],
  workloads: ["runner", "vital"].map((name) => ({
    namespace: "ci",
    name,
    kind: "Deployment" as const,
    pods: [1, 2, 3].map((n) => ({ name: `${name}-abc-${n}`, node: "worker-1" })),
    containers: [{ name }],
    serviceAccount: name,
    services: [name],
    criticality: name === "vital" ? ("high" as const) : ("low" as const),
    owner: "team-ci",
    customerFacing: false,
  })),
};

export function entityOf(workload: string): Entity {
  return {
    key: `ci/${workload}/${workload}`,
    namespace: "ci",
    workload,
    pod: `${workload}-abc-1`,
    container: workload,
    host: "worker-1",
    identity: "complete",
  };
}

const POD = { kind: "pod", namespace: "ci", name: "runner-abc-1" } as const;
export const ISOLATE: Action = { type: "isolate", target: POD, params: {} };
export const CLOSE: Action = {
  type: "close_benign",
  target: { kind: "case", id: CASE },
  params: {},
};

export function questionOf(action: Action, more: Partial<ReviewQuestion> = {}): ReviewQuestion {
  return {
    case: CASE,
    action,
    entity: entityOf("runner"),
    origin: "live",
    priority: "critical",
    pValue: 0.001,
    events: 3,
    techniques: action.type === "close_benign" ? [] : ["T1059.004"],
    confidence: 1,
    flags: {
      injectionSuspected: false,
      schemaRepaired: false,
      agentsDisagree: false,
      budgetSpent: false,
      evidenceMissing: false,
      modelChanged: false,
    },
    policyRevision: null,
    approval: null,
    ...more,
  };
}

export function digestOfAction(action: Action): string {
  return digestOf(action as unknown as Json);
}

export function reviewOf(action: Action, decision: Decision, target: TargetState | null): Review {
  return { action, actionDigest: digestOfAction(action), decision, confidence: 1, target };
}

export function contextOf(more: Partial<CallContext> = {}): CallContext {
  return {
    callId: "call-1",
    idempotencyKey: "remediator/c-1:4:0",
    actor: "remediator/c-1.abc",
    case: CASE,
    traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    signal: new AbortController().signal,
    timeoutMs: 5_000,
    at: NOON,
    actUntil: () => Number.MAX_SAFE_INTEGER,
    ...more,
  };
}

type CaseStore = Pick<StateStore, "list" | "getMany">;

/** Summaries and the index of their entities, as the runtime writes them. */
export async function casesStore(
  cases: readonly Pick<CaseSummary, "case" | "entity" | "verdict" | "state" | "openedAt">[],
): Promise<CaseStore> {
  const { store } = openMemory({ clock: virtualClock() });
  const puts = cases.flatMap((summary): Put[] => [
    { table: "cases", key: summary.case, value: summary as unknown as Json },
    { table: "entities", key: `${entityPrefix(summary.entity)}${summary.case}`, value: 1 },
  ]);
  await store.write(puts);
  return store;
}

export interface Bench {
  readonly cluster: Cluster;
  readonly clusterRead: ToolCaller;
  readonly clusterAct: ToolCaller;
  readonly policy: ToolCaller;
  readonly history: ToolCaller;
  readonly clock: { now(): number; at: number };
  readonly decisions: DecisionPoint;
  policyRevision(this: void): string;
  /** From now on the engine in force has the kill switch on. */
  killSwitch(): Promise<void>;
  close(): Promise<void>;
}

async function enforcing(): Promise<WasmEngine> {
  const parameters = loadParameters(defaultParametersPath());
  return loadWasmEngine(adjustParameters(parameters, { mode: "enforce" }));
}

/** Loaded once: an engine is fixed, and loading it costs more than a test. */
let loaded: Promise<WasmEngine> | null = null;

export async function openBench(cases: CaseStore | null = null): Promise<Bench> {
  const store = cases ?? (await casesStore([]));
  let inForce = await (loaded ??= enforcing());
  const clock = { at: NOON, now: () => clock.at };
  const engine = () => inForce;
  const log = { write: async () => {} };
  const decisions = createDecisionPoint({
    engine,
    log,
    clock: { now: clock.now, steady: () => 0 },
  });
  const cluster = await openSimulatedCluster({ path: null, clock, inventory: INVENTORY });
  const [clusterRead, clusterAct, policy, history] = await Promise.all(
    [
      clusterReadServer(cluster),
      clusterActServer(cluster),
      policyServer({ point: decisions, find: async () => null, by: "reviewer" }),
      historyServer(store),
    ].map(connectInProcess),
  );
  if (!clusterRead || !clusterAct || !policy || !history) throw new Error("not connected");
  return {
    cluster,
    clusterRead,
    clusterAct,
    policy,
    history,
    clock,
    decisions,
    policyRevision: () => inForce.revision,
    killSwitch: async () => {
      inForce = await inForce.withParameters(
        adjustParameters(inForce.parameters, { killSwitch: true }),
      );
    },
    close: async () => {
      for (const caller of [clusterRead, clusterAct, policy, history]) await caller.close();
    },
  };
}
