/**
 * The boundary of: the runtime and a cluster that is not there. It keeps its own record on disk,
 * apart from the runtime's, because it stands for the world outside: an effect that took place has
 * taken place, whether or not whoever asked for it lived to hear the answer.
 *
 * One change of the ledger holds an effect whole: the look-up by key, the deadline, the comparison of
 * versions, the new state, the receipt and the log entry.
 */
import { digestOf, sha256 } from "../../machines/digest.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import { targetName, type Action, type Receipt, type Target } from "../../machines/vocabulary.ts";
import type { Clock, Cluster, EffectOptions, PerformedEffect, RevertOptions } from "../ports.ts";
import { impossible } from "./change.ts";
import type { EstateInventory } from "./estate.ts";
import { describeTarget, nodeFacts, podFacts, workloadFacts } from "./facts.ts";
import { openDurableLedger, openMemoryLedger, type Ledger, type LedgerChange } from "./ledger.ts";
import { planOf } from "./plan.ts";
import { effectHolds, undoAction, undoHolds, versionOf, writeUndo } from "./undo.ts";

/** Effects remembered; a repeat of an older one would be a new one, long after any call could repeat it. */
const EFFECTS_KEPT = 100_000;

export interface SimulatedClusterOptions {
  /** Folder of its record; null forgets with the process. */
  readonly path: string | null;
  readonly clock: Pick<Clock, "now">;
  readonly inventory: EstateInventory;
}

/** Rejects with `data_unusable` or `disk_full`. */
export async function openSimulatedCluster(options: SimulatedClusterOptions): Promise<Cluster> {
  const { path, clock, inventory } = options;
  const ledger = path === null ? openMemoryLedger() : await openDurableLedger(path);
  const commit = effectWriter(ledger, clock);
  return {
    describe: async (action) => describeTarget(ledger, inventory, action),
    dryRun: async (action) => {
      const { diff, blast } = planOf(ledger, inventory, action, "preview");
      return { version: versionOf(ledger, action.target), diff, blast };
    },
    perform: (request, effect) =>
      commit("perform", { ...request, ...effect }, (change, id) => {
        const { action, versionExpected } = request;
        const plan = planOf(change, inventory, action, id);
        if (versionOf(change, action.target) !== versionExpected) {
          throw new WatchfloorError("target_changed", { target: targetName(action.target) });
        }
        return { versionAfter: String(plan.write(change)), inverse: plan.inverse };
      }),
    revert: (receipt, effect) => revert(commit, inventory, receipt, effect),
    lookup: async (key) => receiptByKey(ledger, key),
    verify: async (receipt) => ({ holds: verify(ledger, inventory, receipt) }),
    pod: async (namespace, name) => podFacts(ledger, inventory, namespace, name),
    workload: async (namespace, name) => workloadFacts(ledger, inventory, namespace, name),
    node: async (name) => nodeFacts(ledger, inventory, name),
    log: async (target) => readLog(ledger, target),
    close: () => ledger.close(),
  };
}

// ---- Effects -----------------------------------------------------------------------------------

interface Effect extends EffectOptions {
  readonly action: Action;
  readonly actionDigest: string;
  readonly decisionId: string;
}

interface Written {
  readonly versionAfter: string;
  readonly inverse: Receipt["inverse"];
}

type Commit = (
  kind: PerformedEffect["effect"],
  effect: Effect,
  write: (change: LedgerChange, receiptId: string) => Written | Receipt,
) => Promise<Receipt>;

function effectWriter(ledger: Ledger, clock: Pick<Clock, "now">): Commit {
  return (kind, effect, write) =>
    ledger.change((change) => {
      const known = receiptByKey(change, effect.idempotencyKey);
      if (known !== null) return sameEffect(known, effect);
      const at = clock.now();
      if (at > effect.deadline) throw new WatchfloorError("deadline_passed");
      const id = `r-${sha256(effect.idempotencyKey).slice(0, 16)}`;
      const versionBefore = versionOf(change, effect.action.target);
      const written = write(change, id);
      if ("id" in written) return written;
      const receipt: Receipt = {
        id,
        idempotencyKey: effect.idempotencyKey,
        action: effect.action,
        actionDigest: effect.actionDigest,
        performedAt: at,
        versionBefore,
        ...written,
        decisionId: effect.decisionId,
      };
      record(change, kind, receipt);
      return receipt;
    });
}

function sameEffect(known: Receipt, effect: Effect): Receipt {
  if (known.actionDigest !== effect.actionDigest) throw new WatchfloorError("key_reused");
  return known;
}

/** The receipt counts as this cluster gave it, not as it comes back; and an effect is undone once. */
function revert(
  commit: Commit,
  inventory: EstateInventory,
  given: Receipt,
  options: RevertOptions,
): Promise<Receipt> {
  const action = undoAction(given);
  const actionDigest = digestOf(action as unknown as Json);
  return commit("revert", { ...options, action, actionDigest }, (change, id) => {
    const receipt = receiptByKey(change, given.idempotencyKey);
    if (receipt === null || receipt.id !== given.id) {
      throw impossible(action, "this cluster never gave its receipt");
    }
    const undoneBy = change.get(undoneKey(receipt));
    const earlier = typeof undoneBy === "string" ? receiptByKey(change, undoneBy) : null;
    if (earlier !== null) return earlier;
    change.put(undoneKey(receipt), options.idempotencyKey);
    return { versionAfter: String(writeUndo(change, inventory, receipt, id)), inverse: null };
  });
}

function verify(ledger: Ledger, inventory: EstateInventory, receipt: Receipt): boolean {
  const known = receiptByKey(ledger, receipt.idempotencyKey);
  if (known === null) return false;
  if (known.action.type !== "undo") return effectHolds(ledger, inventory, known);
  const undone = known.action.params["receipt"];
  const key = typeof undone === "string" ? ledger.get(`receipt/${undone}`) : null;
  const original = typeof key === "string" ? receiptByKey(ledger, key) : null;
  return original !== null && undoHolds(ledger, inventory, original);
}

// ---- Record ------------------------------------------------------------------------------------

function receiptByKey(view: Pick<Ledger, "get">, idempotencyKey: string): Receipt | null {
  return view.get(effectKey(idempotencyKey)) as unknown as Receipt | null;
}

/** Keys come from outside and have no bound of their own; a digest has. */
function effectKey(idempotencyKey: string): string {
  return `effect/${sha256(idempotencyKey)}`;
}

function undoneKey(receipt: Receipt): string {
  return `undone/${receipt.id}`;
}

function logKey(n: number): string {
  return `log/${String(n).padStart(12, "0")}`;
}

function record(change: LedgerChange, effect: PerformedEffect["effect"], receipt: Receipt): void {
  const n = ((change.get("count") as number | null) ?? 0) + 1;
  const entry: PerformedEffect = {
    n,
    at: receipt.performedAt,
    effect,
    idempotencyKey: receipt.idempotencyKey,
    receiptId: receipt.id,
    type: receipt.action.type,
    target: targetName(receipt.action.target),
    actionDigest: receipt.actionDigest,
    decisionId: receipt.decisionId,
  };
  change.put("count", n);
  change.put(logKey(n), entry as unknown as Json);
  change.put(`receipt/${receipt.id}`, receipt.idempotencyKey);
  change.put(effectKey(receipt.idempotencyKey), receipt as unknown as Json);
  if (n > EFFECTS_KEPT) forget(change, n - EFFECTS_KEPT);
}

function forget(change: LedgerChange, n: number): void {
  const entry = change.get(logKey(n)) as unknown as PerformedEffect | null;
  if (entry === null) return;
  change.put(logKey(n), null);
  change.put(`receipt/${entry.receiptId}`, null);
  change.put(`undone/${entry.receiptId}`, null);
  change.put(effectKey(entry.idempotencyKey), null);
}

function readLog(ledger: Ledger, target: Target | undefined): readonly PerformedEffect[] {
  const entries = ledger.list("log/") as unknown as readonly PerformedEffect[];
  if (target === undefined) return entries;
  const name = targetName(target);
  return entries.filter((entry) => entry.target === name);
}
