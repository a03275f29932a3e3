/**
 * The boundary of: the simulated cluster and its readers. Names, numbers and enums of the inventory,
 * with what effects made of them; nothing that came from an event.
 */
import type { Action, Target, TargetState } from "../../machines/vocabulary.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { NodeFacts, PodFacts, WorkloadFacts } from "../ports.ts";
import {
  blastOf,
  criticalityOf,
  ownerOf,
  reachOf,
  readRecord,
  type EstateInventory,
  type EstateWorkload,
  type ObjectRecord,
  type Reach,
} from "./estate.ts";
import type { LedgerView } from "./ledger.ts";
import { planOf } from "./plan.ts";

const NOTHING = { pods: 0, replicasShare: 0, services: 0, namespaces: 0 } as const;

/** A case is closed and opened in its own record: the cluster has nothing to say of it. */
const CASE_STATE: TargetState = {
  exists: true,
  version: "case",
  criticality: "unknown",
  labels: {},
  owner: null,
  blast: NOTHING,
  diff: [],
};

const ABSENT: TargetState = { ...CASE_STATE, exists: false, version: "none" };

export function describeTarget(
  view: LedgerView,
  inventory: EstateInventory,
  action: Action,
): TargetState {
  if (action.target.kind === "case") return CASE_STATE;
  const reach = reachOf(view, inventory, action.target);
  if (reach === null) return ABSENT;
  const record = readRecord(view, action.target);
  return {
    exists: true,
    version: String(record.version),
    criticality: criticalityOf(reach),
    labels: labelsOf(view, action.target, reach, record),
    owner: ownerOf(reach),
    ...prospect(view, inventory, action, reach),
  };
}

/** What would change. An action the cluster cannot make says so in its difference, and fails at its dry run. */
function prospect(
  view: LedgerView,
  inventory: EstateInventory,
  action: Action,
  reach: Reach,
): Pick<TargetState, "blast" | "diff"> {
  try {
    const { blast, diff } = planOf(view, inventory, action, "preview");
    return { blast, diff };
  } catch (error) {
    if (!(error instanceof WatchfloorError) || error.code !== "action_impossible") throw error;
    const why = String(error.fields["why"]);
    const blast = blastOf(reach, { share: 0, services: true });
    return { blast, diff: action.type === "undo" ? [] : [`not possible: ${why}`] };
  }
}

/** The cluster's own facts come last: a label that an effect wrote cannot pass for one of them. */
function labelsOf(
  view: LedgerView,
  target: Target,
  reach: Reach,
  record: ObjectRecord,
): Record<string, string> {
  const [workload] = reach.workloads;
  if (workload === undefined || (target.kind !== "pod" && target.kind !== "workload")) {
    return { ...record.labels };
  }
  return {
    ...record.labels,
    "app.kubernetes.io/name": workload.name,
    "watchfloor.dev/controller": workload.kind === "Pod" ? "none" : workload.kind,
    "watchfloor.dev/customer-facing": String(workload.customerFacing),
    "watchfloor.dev/isolated": String(isIsolated(view, workload, record)),
  };
}

export function podFacts(
  view: LedgerView,
  inventory: EstateInventory,
  namespace: string,
  name: string,
): PodFacts | null {
  const target: Target = { kind: "pod", namespace, name };
  const reach = reachOf(view, inventory, target);
  const [workload] = reach?.workloads ?? [];
  const [pod] = reach?.pods ?? [];
  if (workload === undefined || pod === undefined) return null;
  const record = readRecord(view, target);
  return {
    namespace,
    name,
    node: pod.node,
    workload: workload.name,
    controller: workload.kind === "Pod" ? null : workload.kind,
    containers: workload.containers.map((container) => container.name),
    serviceAccount: workload.serviceAccount,
    isolated: isIsolated(view, workload, record),
    version: String(record.version),
  };
}

export function workloadFacts(
  view: LedgerView,
  inventory: EstateInventory,
  namespace: string,
  name: string,
): WorkloadFacts | null {
  const target: Target = { kind: "workload", namespace, name };
  const reach = reachOf(view, inventory, target);
  const [workload] = reach?.workloads ?? [];
  if (reach === null || workload === undefined) return null;
  const record = readRecord(view, target);
  const { kind, services, criticality, owner, customerFacing } = workload;
  const addresses = Object.values(record.policies).flatMap((policy) =>
    policy.deny === "egress" ? [policy.address] : [],
  );
  return {
    namespace,
    name,
    kind,
    replicas: reach.pods.length,
    pods: reach.pods.map((pod) => pod.name),
    services,
    criticality,
    owner,
    customerFacing,
    isolated: deniesAll(record),
    addressesBlocked: [...new Set(addresses)].toSorted(),
    version: String(record.version),
  };
}

export function nodeFacts(
  view: LedgerView,
  inventory: EstateInventory,
  name: string,
): NodeFacts | null {
  const target: Target = { kind: "node", name };
  const reach = reachOf(view, inventory, target);
  if (reach === null) return null;
  const { cordoned, version } = readRecord(view, target);
  const { pods, namespaces } = blastOf(reach, { share: 0, services: false });
  return { name, cordoned, pods, namespaces, version: String(version) };
}

/** A pod is isolated by a policy of its own or of its workload. */
function isIsolated(view: LedgerView, workload: EstateWorkload, record: ObjectRecord): boolean {
  const { namespace, name } = workload;
  return deniesAll(record) || deniesAll(readRecord(view, { kind: "workload", namespace, name }));
}

function deniesAll(record: ObjectRecord): boolean {
  return Object.values(record.policies).some((policy) => policy.deny === "all");
}
