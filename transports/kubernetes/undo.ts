/**
 * The boundary of: a performed effect and the state before it. Undoing compares with what the effect
 * wrote: what someone else has changed since is not theirs to lose, and is left to a person.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import { targetName, type Action, type Receipt, type Target } from "../../machines/vocabulary.ts";
import { impossible, InverseSchema, type Inverse } from "./change.ts";
import {
  nodeFor,
  podsOf,
  reachOf,
  readRecord,
  replacementOf,
  writeRecord,
  type EstateInventory,
  type EstateWorkload,
  type ObjectRecord,
} from "./estate.ts";
import { unknownTarget } from "./plan.ts";
import type { LedgerChange, LedgerView } from "./ledger.ts";

/** The action under which an undo is recorded. */
export function undoAction(receipt: Receipt): Action {
  const { target, type } = receipt.action;
  return { type: "undo", target, params: { receipt: receipt.id, undoes: type } };
}

/** Puts back what the effect replaced; the object's new version. Throws `target_changed` or `target_unknown`. */
export function writeUndo(
  change: LedgerChange,
  inventory: EstateInventory,
  receipt: Receipt,
  seed: string,
): number {
  const inverse = inverseOf(receipt);
  const { target } = receipt.action;
  const workload = reachOf(change, inventory, target)?.workloads[0];
  if (workload === undefined && target.kind !== "node") throw unknownTarget(target);
  const record = readRecord(change, target);
  if (changedNothing(inverse) || isRestored(change, workload, record, inverse))
    return writeRecord(change, target, record);
  if (!isAsWritten(change, workload, record, inverse)) {
    throw new WatchfloorError("target_changed", { target: targetName(target) });
  }
  return writeRecord(change, target, restored(change, inventory, workload, record, inverse, seed));
}

function inverseOf(receipt: Receipt): Inverse {
  const parsed = InverseSchema.safeParse(receipt.inverse);
  if (parsed.success) return parsed.data;
  throw impossible({ ...receipt.action, type: "undo" }, `${receipt.action.type} has no inverse`);
}

function restored(
  view: LedgerView,
  inventory: EstateInventory,
  workload: EstateWorkload | undefined,
  record: ObjectRecord,
  inverse: Inverse,
  seed: string,
): ObjectRecord {
  switch (inverse.restore) {
    case "labels":
    case "annotations": {
      const { [inverse.key]: _, ...others } = record[inverse.restore];
      const values =
        inverse.previous === null ? others : { ...others, [inverse.key]: inverse.previous };
      return { ...record, [inverse.restore]: values };
    }
    case "policies": {
      const { [inverse.name]: _, ...policies } = record.policies;
      return { ...record, policies };
    }
    case "replicas": {
      const former = (workload?.pods ?? []).slice(0, inverse.previous);
      const pods = former.map((gone) =>
        workload === undefined
          ? gone
          : replacementOf(workload, gone, { seed, node: nodeFor(view, inventory, gone.node) }),
      );
      return { ...record, pods };
    }
    case "cordoned":
      return { ...record, cordoned: inverse.previous };
  }
}

/** The effect found what it would have written: nothing is its own to put back. */
function changedNothing(inverse: Inverse): boolean {
  switch (inverse.restore) {
    case "labels":
    case "annotations":
      return inverse.previous === inverse.written;
    case "policies":
      return false;
    case "replicas":
      return inverse.previous === 0;
    case "cordoned":
      return inverse.previous;
  }
}

function isRestored(
  view: LedgerView,
  workload: EstateWorkload | undefined,
  record: ObjectRecord,
  inverse: Inverse,
): boolean {
  switch (inverse.restore) {
    case "labels":
    case "annotations":
      return (record[inverse.restore][inverse.key] ?? null) === inverse.previous;
    case "policies":
      return !Object.hasOwn(record.policies, inverse.name);
    case "replicas":
      return workload !== undefined && podsOf(view, workload).length === inverse.previous;
    case "cordoned":
      return record.cordoned === inverse.previous;
  }
}

function isAsWritten(
  view: LedgerView,
  workload: EstateWorkload | undefined,
  record: ObjectRecord,
  inverse: Inverse,
): boolean {
  switch (inverse.restore) {
    case "labels":
    case "annotations":
      return record[inverse.restore][inverse.key] === inverse.written;
    case "policies":
      return Object.hasOwn(record.policies, inverse.name);
    case "replicas":
      return workload !== undefined && podsOf(view, workload).length === 0;
    case "cordoned":
      return record.cordoned;
  }
}

/** Does the effect still stand? One without an inverse stands once its object has moved on. */
export function effectHolds(
  view: LedgerView,
  inventory: EstateInventory,
  receipt: Receipt,
): boolean {
  const { target } = receipt.action;
  const record = readRecord(view, target);
  if (receipt.inverse === null) return record.version >= Number(receipt.versionAfter);
  const reach = reachOf(view, inventory, target);
  return reach !== null && isAsWritten(view, reach.workloads[0], record, inverseOf(receipt));
}

/** Is the effect gone, as its undo promised? */
export function undoHolds(view: LedgerView, inventory: EstateInventory, receipt: Receipt): boolean {
  const { target } = receipt.action;
  const reach = reachOf(view, inventory, target);
  if (reach === null) return false;
  const inverse = inverseOf(receipt);
  if (changedNothing(inverse)) return true;
  return isRestored(view, reach.workloads[0], readRecord(view, target), inverse);
}

/** Where the target of a receipt stands, for a reader. */
export function versionOf(view: LedgerView, target: Target): string {
  return String(readRecord(view, target).version);
}
