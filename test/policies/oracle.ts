/**
 * The boundary of: the rules and a second reading of them, in plain code, written from the README and
 * not from the Rego. It says of any value at all whether executing it would be safe; where it says no
 * and the policy says auto_execute, one of the two is wrong.
 */
import type { ReviewParameters } from "../../policies/parameters.ts";

type Dict = Readonly<Record<string, unknown>>;

const CLASSES: Readonly<Record<string, string>> = {
  close_benign: "close",
  reopen: "close",
  label: "mark",
  annotate: "mark",
  isolate: "contain",
  block_egress: "contain",
  terminate: "disrupt",
  scale_to_zero: "disrupt",
  cordon: "disrupt",
  revoke_token: "disrupt",
  deploy_rule: "detect",
  tune_rule: "detect",
  firewall_change: "network",
  undo: "undo",
};
const TARGETS: Readonly<Record<string, string>> = {
  close_benign: "case",
  reopen: "case",
  label: "pod workload",
  annotate: "pod workload",
  isolate: "pod workload",
  block_egress: "workload",
  terminate: "pod",
  scale_to_zero: "workload",
  cordon: "node",
  revoke_token: "service_account",
  deploy_rule: "rule",
  tune_rule: "rule",
  firewall_change: "zone",
  undo: "case pod workload node service_account rule zone",
};
const FLAGS = [
  "injectionSuspected",
  "schemaRepaired",
  "agentsDisagree",
  "budgetSpent",
  "evidenceMissing",
  "modelChanged",
];
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)$/;

const dict = (value: unknown): Dict =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Dict) : {};
const own = (value: unknown, key: string): unknown =>
  Object.hasOwn(dict(value), key) ? dict(value)[key] : undefined;
const text = (value: unknown): value is string => typeof value === "string" && value !== "";
const within = (value: unknown, min: number, max: number): value is number =>
  typeof value === "number" && value >= min && value <= max;
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

interface Asked {
  readonly input: Dict;
  readonly question: Dict;
  readonly action: Dict;
  readonly target: Dict;
  readonly entity: Dict;
  readonly params: Dict;
  readonly type: string;
  readonly spec: ReviewParameters["spec"];
}

/** Would a careful person, who knows the rules, let this be executed without looking further? */
export function isSafe(value: unknown, { spec }: ReviewParameters): boolean {
  const input = dict(value);
  const question = dict(own(input, "question"));
  const action = dict(own(question, "action"));
  const type = own(action, "type");
  if (!text(type) || !Object.hasOwn(CLASSES, type)) return false;
  const asked: Asked = {
    input,
    question,
    action,
    type,
    spec,
    target: dict(own(action, "target")),
    params: dict(own(action, "params")),
    entity: dict(own(question, "entity")),
  };
  if (!neverWaived(asked) || isForbidden(asked)) return false;
  const covered = isApproved(asked);
  const isIndependent = own(asked.params, "requestedBy") !== approver(asked);
  if (type === "undo") {
    const byAnother = covered && text(own(asked.params, "requestedBy")) && isIndependent;
    return (isByName(asked) || byAnother) && (covered || isBeyondDoubt(asked));
  }
  if (covered && isIndependent) return true;
  return isByName(asked) && isBeyondDoubt(asked);
}

/** What no approval covers. */
function neverWaived(asked: Asked): boolean {
  const { input, question, target, entity, type, spec } = asked;
  const kind = own(target, "kind");
  if (!text(kind) || !TARGETS[type]!.split(" ").includes(kind)) return false;
  if (spec.killSwitch || own(entity, "identity") !== "complete") return false;
  if (!isOfEntity(kind, asked)) return false;
  const platform = ["watchfloor", ...spec.assets.platformNamespaces];
  const namespaces = [own(target, "namespace"), own(entity, "namespace")];
  if (namespaces.some((namespace) => platform.includes(namespace as string))) return false;
  if (!within(own(question, "confidence"), 0, 1)) return false;
  if (kind === "case") return true;
  const state = own(input, "target");
  return own(state, "exists") === true && text(own(state, "version"));
}

function isOfEntity(kind: string, { target, entity, question }: Asked): boolean {
  const name = own(target, "name");
  const inside =
    text(own(entity, "namespace")) && own(target, "namespace") === own(entity, "namespace");
  if (kind === "case")
    return text(own(target, "id")) && own(target, "id") === own(question, "case");
  if (kind === "pod") return inside && text(name) && name === own(entity, "pod");
  if (kind === "workload") return inside && text(name) && name === own(entity, "workload");
  if (kind === "node") return text(name) && name === own(entity, "host");
  return kind === "service_account" ? inside : text(name);
}

function isForbidden({ type, input, question, spec }: Asked): boolean {
  const labels = own(own(input, "target"), "labels");
  if (type === "isolate" && own(labels, "watchfloor.dev/isolated") === "true") return true;
  if (type !== "close_benign") return false;
  const urgent = ["emergency", "alert", "critical"].includes(String(own(question, "priority")));
  const sure = Number(own(question, "confidence")) >= spec.confidenceFloor.close;
  return urgent || (list(own(question, "techniques")).length > 0 && sure);
}

function approver({ question }: Asked): unknown {
  return own(own(own(question, "approval"), "person"), "user");
}

function isApproved({ input, question, spec }: Asked): boolean {
  const approval = own(question, "approval");
  const age = Number(own(input, "at")) - Number(own(approval, "at"));
  return (
    own(approval, "answer") === "approve" &&
    text(own(own(approval, "person"), "user")) &&
    list(own(approval, "actionDigests")).includes(own(input, "actionDigest")) &&
    age >= -5_000 &&
    age <= spec.approval.validMs
  );
}

function isByName({ type, params, spec }: Asked): boolean {
  if (type === "undo") return spec.autoAllowed.undo.includes(own(params, "undoes") as never);
  const allowed = spec.autoAllowed[CLASSES[type] as "mark"] as readonly string[];
  return allowed.includes(type);
}

/** What a person may answer for, and nobody did. */
function isBeyondDoubt(asked: Asked): boolean {
  const { input, question, type, spec } = asked;
  const actionClass = CLASSES[type] as keyof typeof spec.confidenceFloor;
  const flags = FLAGS.map((name) => own(own(question, "flags"), name));
  const seen = own(question, "policyRevision");
  const origin = own(question, "origin");
  return (
    (origin === "sample" || (origin === "live" && spec.mode !== "recommend")) &&
    within(own(question, "confidence"), spec.confidenceFloor[actionClass], 1) &&
    flags.every((flag) => flag === false) &&
    (seen === null || seen === own(input, "policyRevision")) &&
    within(own(input, "recentEffects"), 0, spec.rateLimits[actionClass].perHourMax - 1) &&
    hasHarmlessParams(asked) &&
    isOrdinaryAsset(asked) &&
    isSmall(asked)
  );
}

function hasHarmlessParams({ type, params }: Asked): boolean {
  if (type === "block_egress") return ADDRESS.test(String(own(params, "address")));
  if (type !== "label" && type !== "annotate") return true;
  const key = own(params, "key");
  return text(key) && key.startsWith("watchfloor.dev/") && typeof own(params, "value") === "string";
}

function isOrdinaryAsset({ input, target, entity, spec }: Asked): boolean {
  const { assets } = spec;
  const state = own(input, "target");
  const isCase = own(target, "kind") === "case";
  const criticality = own(state, "criticality");
  const known = (assets.criticalityAuto as readonly unknown[]).includes(criticality);
  if (!known && !(isCase && (state === null || criticality === "unknown"))) return false;
  const names = [own(target, "name"), own(entity, "workload")];
  const namespaces = [own(target, "namespace"), own(entity, "namespace")];
  const labels = dict(own(state, "labels"));
  return (
    !names.some((name) => assets.alwaysEscalateNames.includes(name as string)) &&
    !namespaces.some((name) => assets.alwaysEscalateNamespaces.includes(name as string)) &&
    !Object.entries(assets.alwaysEscalateLabels).some(([key, values]) => {
      const value = own(labels, key);
      if (typeof value !== "string") return false;
      return values.includes("*") || values.includes(value.toLowerCase());
    })
  );
}

function isSmall({ input, question, target, type, spec }: Asked): boolean {
  if (type === "close_benign") {
    const { eventsMax, pValueMin } = spec.close;
    return (
      list(own(question, "techniques")).length === 0 &&
      within(own(question, "events"), 0, eventsMax) &&
      within(own(question, "pValue"), pValueMin, 1)
    );
  }
  if (own(target, "kind") === "case") return true;
  const limits = spec.blastRadius[CLASSES[type] as "mark"];
  const blast = own(own(input, "target"), "blast");
  return (
    within(own(blast, "pods"), 0, limits.podsMax) &&
    within(own(blast, "replicasShare"), 0, limits.replicasShareMax) &&
    within(own(blast, "services"), 0, limits.servicesMax) &&
    within(own(blast, "namespaces"), 0, limits.namespacesMax)
  );
}
