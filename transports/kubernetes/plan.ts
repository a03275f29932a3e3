/**
 * The boundary of: what a change would do, and doing it. A plan is computed from what the cluster is
 * now, shows its difference and its blast radius, and writes when asked to; it never half-writes,
 * because it is written inside one change of the ledger.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import {
  targetName,
  type Action,
  type BlastRadius,
  type Target,
} from "../../machines/vocabulary.ts";
import { changeOf, impossible, type Change, type Inverse } from "./change.ts";
import {
  blastOf,
  nodeFor,
  podsOf,
  reachOf,
  readRecord,
  replacementOf,
  UNTOUCHED,
  writePods,
  writeRecord,
  type EstateInventory,
  type EstatePolicy,
  type ObjectRecord,
  type Reach,
} from "./estate.ts";
import type { LedgerChange, LedgerView } from "./ledger.ts";

export interface Plan {
  /** One line a field: `field: before -> after`. */
  readonly diff: readonly string[];
  readonly blast: BlastRadius;
  readonly inverse: Inverse | null;
  /** Makes the change and gives the object's new version. */
  write(change: LedgerChange): number;
}

interface Scene {
  readonly view: LedgerView;
  readonly inventory: EstateInventory;
  readonly action: Action;
  readonly target: Target;
  readonly reach: Reach;
  readonly record: ObjectRecord;
  /** Names what the effect makes; the same for every attempt of one effect. */
  readonly seed: string;
}

/** Throws `target_unknown` or `action_impossible`. */
export function planOf(
  view: LedgerView,
  inventory: EstateInventory,
  action: Action,
  seed: string,
): Plan {
  const change = changeOf(action);
  const reach = reachOf(view, inventory, action.target);
  if (reach === null) throw unknownTarget(action.target);
  const record = readRecord(view, action.target);
  return planChange(
    { view, inventory, action, target: action.target, reach, record, seed },
    change,
  );
}

export function unknownTarget(target: Target): WatchfloorError {
  return new WatchfloorError("target_unknown", { target: targetName(target) });
}

function planChange(scene: Scene, change: Change): Plan {
  switch (change.type) {
    case "label":
      return planMark(scene, "labels", change);
    case "annotate":
      return planMark(scene, "annotations", change);
    case "isolate":
      return planPolicy(scene, { deny: "all" });
    case "block_egress":
      return planPolicy(scene, { deny: "egress", address: change.address });
    case "terminate":
      return planTerminate(scene);
    case "scale_to_zero":
      return planScaleToZero(scene);
    case "cordon":
      return planCordon(scene);
    case "revoke_token":
      return planRevoke(scene);
  }
}

function planMark(
  { target, reach, record }: Scene,
  restore: "labels" | "annotations",
  { key, value }: { readonly key: string; readonly value: string },
): Plan {
  const previous = record[restore][key] ?? null;
  return {
    diff: [`${restore}.${key}: ${previous ?? "none"} -> ${value}`],
    blast: { ...blastOf(reach, { share: 0, services: false }), pods: 1 },
    inverse: { restore, key, written: value, previous },
    write: (change) =>
      writeRecord(change, target, { ...record, [restore]: { ...record[restore], [key]: value } }),
  };
}

function planPolicy({ target, reach, record, seed }: Scene, policy: EstatePolicy): Plan {
  const name = `watchfloor-${seed}`;
  const before = denies(record, policy) ? "denied" : "allowed";
  const field = policy.deny === "all" ? "traffic" : `egress.${policy.address}`;
  return {
    diff: [`${field}: ${before} -> denied`],
    blast: blastOf(reach, { share: 0, services: policy.deny === "all" }),
    inverse: { restore: "policies", name },
    write: (change) =>
      writeRecord(change, target, { ...record, policies: { ...record.policies, [name]: policy } }),
  };
}

function denies(record: ObjectRecord, wanted: EstatePolicy): boolean {
  return Object.values(record.policies).some((policy) =>
    policy.deny === "egress"
      ? wanted.deny === "egress" && policy.address === wanted.address
      : wanted.deny === "all",
  );
}

function planTerminate({ view, inventory, action, target, reach, seed }: Scene): Plan {
  const [workload] = reach.workloads;
  const [pod] = reach.pods;
  if (workload === undefined || pod === undefined) throw unknownTarget(target);
  if (workload.kind === "Pod") throw impossible(action, "no controller would recreate it");
  const siblings = podsOf(view, workload);
  const node = workload.kind === "DaemonSet" ? pod.node : nodeFor(view, inventory, pod.node);
  const next = replacementOf(workload, pod, { seed, node });
  return {
    diff: [`pod: running -> recreated by its ${workload.kind}`],
    blast: blastOf(reach, { share: 1 / siblings.length, services: false }),
    inverse: null,
    write: (change) => {
      writePods(
        change,
        workload,
        siblings.map((each) => (each.name === pod.name ? next : each)),
      );
      return writeRecord(change, target, UNTOUCHED);
    },
  };
}

function planScaleToZero({ view, action, target, reach, record }: Scene): Plan {
  const [workload] = reach.workloads;
  if (workload === undefined) throw unknownTarget(target);
  if (workload.kind === "DaemonSet" || workload.kind === "Pod") {
    throw impossible(action, `a ${workload.kind} has no replicas to set`);
  }
  const previous = podsOf(view, workload).length;
  return {
    diff: [`replicas: ${previous} -> 0`],
    blast: blastOf(reach, { share: previous === 0 ? 0 : 1, services: true }),
    inverse: { restore: "replicas", previous },
    write: (change) => writeRecord(change, target, { ...record, pods: [] }),
  };
}

function planCordon({ target, reach, record }: Scene): Plan {
  return {
    diff: [`schedulable: ${String(!record.cordoned)} -> false`],
    blast: blastOf(reach, { share: 0, services: false }),
    inverse: { restore: "cordoned", previous: record.cordoned },
    write: (change) => writeRecord(change, target, { ...record, cordoned: true }),
  };
}

function planRevoke({ target, reach, record }: Scene): Plan {
  const users = reach.workloads.map(({ name }) => name).join(", ");
  return {
    diff: [`tokens of ${users}: valid -> revoked`],
    blast: blastOf(reach, { share: 0, services: true }),
    inverse: null,
    write: (change) => writeRecord(change, target, record),
  };
}
