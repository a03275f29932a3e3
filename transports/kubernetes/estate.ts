/**
 * The boundary of: what the simulated cluster consists of. The inventory never changes; an object's
 * record holds what effects made of it. Both together are what a reader sees.
 */
import { sha256 } from "../../machines/digest.ts";
import type { Json } from "../../machines/protocol.ts";
import {
  targetName,
  type BlastRadius,
  type Target,
  type TargetState,
} from "../../machines/vocabulary.ts";
import type { LedgerChange, LedgerView } from "./ledger.ts";

export interface EstatePod {
  readonly name: string;
  readonly node: string;
}

/** A pod without a controller is a workload of kind `Pod` with itself as its one pod. */
export interface EstateWorkload {
  readonly namespace: string;
  readonly name: string;
  readonly kind: "Deployment" | "StatefulSet" | "DaemonSet" | "Pod";
  readonly pods: readonly EstatePod[];
  readonly containers: readonly { readonly name: string }[];
  readonly serviceAccount: string;
  readonly services: readonly string[];
  readonly criticality: "low" | "medium" | "high";
  readonly owner: string;
  readonly customerFacing: boolean;
}

export interface EstateInventory {
  readonly nodes: readonly { readonly name: string }[];
  readonly workloads: readonly EstateWorkload[];
}

/** A network policy object: deny everything, or one address on the way out. */
export type EstatePolicy =
  { readonly deny: "all" } | { readonly deny: "egress"; readonly address: string };

/** What effects made of one object. `pods` is null until an effect changed a workload's pods. */
export interface ObjectRecord {
  readonly version: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** By name: each effect has its own, so that undoing one leaves the others. */
  readonly policies: Readonly<Record<string, EstatePolicy>>;
  readonly pods: readonly EstatePod[] | null;
  readonly cordoned: boolean;
}

export const UNTOUCHED: ObjectRecord = {
  version: 1,
  labels: {},
  annotations: {},
  policies: {},
  pods: null,
  cordoned: false,
};

/** What an action's target is made of: the workloads it reaches, and the pods of theirs it counts. */
export interface Reach {
  readonly workloads: readonly EstateWorkload[];
  readonly pods: readonly EstatePod[];
}

export function readRecord(view: LedgerView, target: Target): ObjectRecord {
  return (view.get(recordKey(target)) as unknown as ObjectRecord | null) ?? UNTOUCHED;
}

/** Stores the record under the next version of the object. */
export function writeRecord(
  change: LedgerChange,
  target: Target,
  record: Omit<ObjectRecord, "version">,
): number {
  const version = readRecord(change, target).version + 1;
  change.put(recordKey(target), { ...record, version } as unknown as Json);
  return version;
}

/** Which pods a workload has is its status, not its definition: its version stays. */
export function writePods(
  change: LedgerChange,
  workload: EstateWorkload,
  pods: readonly EstatePod[],
): void {
  const target = workloadTarget(workload);
  const record = { ...readRecord(change, target), pods };
  change.put(recordKey(target), record as unknown as Json);
}

function recordKey(target: Target): string {
  return `object/${targetName(target)}`;
}

function workloadTarget({ namespace, name }: EstateWorkload): Target {
  return { kind: "workload", namespace, name };
}

export function podsOf(view: LedgerView, workload: EstateWorkload): readonly EstatePod[] {
  return readRecord(view, workloadTarget(workload)).pods ?? workload.pods;
}

/** What the target reaches now, or null for what the cluster does not have. */
export function reachOf(
  view: LedgerView,
  inventory: EstateInventory,
  target: Target,
): Reach | null {
  switch (target.kind) {
    case "pod":
      return podReach(view, inventory, target.namespace, target.name);
    case "workload": {
      const workload = inventory.workloads.find(
        ({ namespace, name }) => namespace === target.namespace && name === target.name,
      );
      return workload === undefined
        ? null
        : { workloads: [workload], pods: podsOf(view, workload) };
    }
    case "service_account": {
      const workloads = inventory.workloads.filter(
        ({ namespace, serviceAccount }) =>
          namespace === target.namespace && serviceAccount === target.name,
      );
      if (workloads.length === 0) return null;
      return { workloads, pods: workloads.flatMap((workload) => podsOf(view, workload)) };
    }
    case "node":
      return nodeReach(view, inventory, target.name);
    case "case":
    case "rule":
    case "zone":
      return null;
  }
}

function podReach(
  view: LedgerView,
  inventory: EstateInventory,
  namespace: string,
  name: string,
): Reach | null {
  for (const workload of inventory.workloads) {
    if (workload.namespace !== namespace) continue;
    const pod = podsOf(view, workload).find((candidate) => candidate.name === name);
    if (pod !== undefined) return { workloads: [workload], pods: [pod] };
  }
  return null;
}

function nodeReach(view: LedgerView, inventory: EstateInventory, name: string): Reach | null {
  if (!inventory.nodes.some((node) => node.name === name)) return null;
  const placed = inventory.workloads.map((workload) => ({
    workload,
    pods: podsOf(view, workload).filter((pod) => pod.node === name),
  }));
  const here = placed.filter(({ pods }) => pods.length > 0);
  return {
    workloads: here.map(({ workload }) => workload),
    pods: here.flatMap(({ pods }) => pods),
  };
}

const RANK = { low: 0, medium: 1, high: 2 } as const;

/** Of everything reached, the most critical; a node without pods is of low criticality. */
export function criticalityOf(reach: Reach): TargetState["criticality"] {
  return reach.workloads
    .map(({ criticality }) => criticality)
    .reduce((most, next) => (RANK[next] > RANK[most] ? next : most), "low");
}

/** The owner of everything reached, null where there are several. */
export function ownerOf(reach: Reach): string | null {
  const owners = new Set(reach.workloads.map(({ owner }) => owner));
  return owners.size === 1 ? ([...owners][0] ?? null) : null;
}

export function blastOf(reach: Reach, parts: { share: number; services: boolean }): BlastRadius {
  return {
    pods: reach.pods.length,
    replicasShare: parts.share,
    services: parts.services
      ? reach.workloads.reduce((sum, { services }) => sum + services.length, 0)
      : 0,
    namespaces: new Set(reach.workloads.map(({ namespace }) => namespace)).size,
  };
}

/** The letters Kubernetes makes its suffixes of. */
const SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

/**
 * The pod that a controller puts in the place of one that is gone. A StatefulSet gives the name
 * again, the others a new suffix, drawn from `seed` so that it is the same at every attempt.
 */
export function replacementOf(
  workload: EstateWorkload,
  gone: EstatePod,
  place: { readonly seed: string; readonly node: string },
): EstatePod {
  if (workload.kind === "StatefulSet") return { name: gone.name, node: place.node };
  const bytes = Buffer.from(sha256(`${place.seed}/${gone.name}`), "hex").subarray(0, 5);
  const suffix = [...bytes].map((byte) => SUFFIX_LETTERS[byte % SUFFIX_LETTERS.length]).join("");
  const stem = gone.name.slice(0, gone.name.lastIndexOf("-"));
  return { name: `${stem}-${suffix}`, node: place.node };
}

/** Where a replaced pod goes: its node, unless that is cordoned and another one is not. */
export function nodeFor(view: LedgerView, inventory: EstateInventory, node: string): string {
  const open = inventory.nodes.filter(
    ({ name }) => !readRecord(view, { kind: "node", name }).cordoned,
  );
  if (open.length === 0 || open.some(({ name }) => name === node)) return node;
  return open.at(-1)?.name ?? node;
}
