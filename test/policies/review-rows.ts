/**
 * The boundary of: one review and its verdict. Under the shipped parameters, in `enforce`.
 */
import type { EvaluateInput } from "../../machines/calls.ts";
import type { Action, Target } from "../../machines/vocabulary.ts";
import { action, ask, askToClose, POD, WORKLOAD } from "./fixtures.ts";
import { escalates, executes, rejects, UNDO_AFTER, type Row } from "./rows.ts";

function on(type: Parameters<typeof action>[0], target: Target, params = {}): EvaluateInput {
  return ask({ question: { action: action(type, target, params) } });
}

const SUSPECT = { key: "watchfloor.dev/suspect", value: "true" };
const ADDRESS = { address: "203.0.113.7" };

const EXECUTES: readonly Row[] = [
  executes("isolates the entity's pod, for a while", ask(), [UNDO_AFTER]),
  executes("isolates the entity's workload", on("isolate", WORKLOAD), [UNDO_AFTER]),
  executes("blocks one address", on("block_egress", WORKLOAD, ADDRESS), [UNDO_AFTER]),
  executes(
    "blocks one address of the newer kind",
    on("block_egress", WORKLOAD, { address: "2001:db8::7" }),
    [UNDO_AFTER],
  ),
  executes("labels the pod", on("label", POD, SUSPECT)),
  executes("annotates the workload", on("annotate", WORKLOAD, SUSPECT)),
  executes("closes an ordinary case", askToClose()),
  executes("closes a case the cluster was not asked about", askToClose({ target: null })),
  executes("undoes an isolation", on("undo", POD, { undoes: "isolate" })),
  executes("acts at exactly the floor", ask({ question: { confidence: 0.8 } }), [UNDO_AFTER]),
];

const CHECKS: readonly Row[] = [
  escalates(
    "confidence under its floor",
    ask({ question: { confidence: 0.799 } }),
    "confidence",
    "confidence_below_floor",
  ),
  escalates(
    "a partial identity",
    ask({ entity: { identity: "partial" } }),
    "identity",
    "identity_incomplete",
  ),
  escalates(
    "a missing identity",
    ask({ entity: { identity: "missing" } }),
    "identity",
    "identity_incomplete",
  ),
  escalates(
    "suspected injection",
    ask({ flags: { injectionSuspected: true } }),
    "no_injection_suspected",
    "injection_suspected",
  ),
  escalates(
    "a repaired schema",
    ask({ flags: { schemaRepaired: true } }),
    "no_schema_repaired",
    "schema_repaired",
  ),
  escalates(
    "agents that disagree",
    ask({ flags: { agentsDisagree: true } }),
    "no_agents_disagree",
    "agents_disagree",
  ),
  escalates(
    "a spent budget",
    ask({ flags: { budgetSpent: true } }),
    "no_budget_spent",
    "budget_spent",
  ),
  escalates(
    "missing evidence",
    ask({ flags: { evidenceMissing: true } }),
    "no_evidence_missing",
    "evidence_missing",
  ),
  escalates(
    "a critical asset",
    ask({ target: { criticality: "high" } }),
    "asset_criticality",
    "asset_critical_or_unknown",
  ),
  escalates(
    "an asset of unknown criticality",
    ask({ target: { criticality: "unknown" } }),
    "asset_criticality",
    "asset_critical_or_unknown",
  ),
  escalates(
    "a customer-facing asset",
    ask({ target: { labels: { "watchfloor.dev/customer-facing": "True" } } }),
    "asset_lists",
    "asset_always_escalates",
  ),
  escalates(
    "an asset under compliance",
    ask({ target: { labels: { "watchfloor.dev/compliance": "pci" } } }),
    "asset_lists",
    "asset_always_escalates",
  ),
  escalates(
    "an identity store",
    ask({ entity: { workload: "keycloak" } }),
    "asset_lists",
    "asset_always_escalates",
  ),
  escalates(
    "the control plane",
    ask({
      question: { action: action("isolate", { ...POD, namespace: "kube-system" }) },
      entity: { namespace: "kube-system" },
    }),
    "asset_lists",
    "asset_always_escalates",
  ),
  escalates(
    "too many pods",
    ask({ blast: { pods: 4 } }),
    "blast_radius",
    "blast_radius_over_limit",
  ),
  escalates(
    "too large a share of replicas",
    ask({ blast: { replicasShare: 0.51 } }),
    "blast_radius",
    "blast_radius_over_limit",
  ),
  escalates(
    "too many services",
    ask({ blast: { services: 2 } }),
    "blast_radius",
    "blast_radius_over_limit",
  ),
  escalates(
    "too many namespaces",
    ask({ blast: { namespaces: 2 } }),
    "blast_radius",
    "blast_radius_over_limit",
  ),
  escalates(
    "a target that is gone",
    ask({ target: { exists: false } }),
    "target_known",
    "target_unknown",
  ),
  escalates(
    "a target without a version",
    ask({ target: { version: "" } }),
    "target_known",
    "target_unknown",
  ),
  escalates(
    "a pod the entity cannot be shown to be",
    ask({ entity: { pod: null } }),
    "target_of_entity",
    "target_not_proven",
  ),
  escalates(
    "another label than its own",
    on("label", POD, { key: "app", value: "x" }),
    "action_params",
    "params_need_a_person",
  ),
  escalates(
    "an address that is none",
    on("block_egress", WORKLOAD, { address: "evil.example" }),
    "action_params",
    "params_need_a_person",
  ),
  escalates(
    "a range of addresses",
    on("block_egress", WORKLOAD, { address: "0.0.0.0/0" }),
    "action_params",
    "params_need_a_person",
  ),
  escalates(
    "an undo of it does not know what",
    on("undo", POD),
    "action_allowed",
    "action_not_allowed_by_name",
  ),
  escalates(
    "an undo of a disruption",
    on("undo", WORKLOAD, { undoes: "scale_to_zero" }),
    "action_allowed",
    "action_not_allowed_by_name",
  ),
  escalates(
    "closing a large case",
    askToClose({ question: { events: 51 } }),
    "close_limits",
    "close_over_limit",
  ),
  escalates(
    "closing an extreme case",
    askToClose({ question: { pValue: 0.0001 } }),
    "close_limits",
    "close_over_limit",
  ),
  escalates(
    "closing a case of a critical asset",
    askToClose({ target: { criticality: "high" } }),
    "asset_criticality",
    "asset_critical_or_unknown",
  ),
  escalates(
    "closing a case of the control plane",
    askToClose({ entity: { namespace: "kube-system" } }),
    "asset_lists",
    "asset_always_escalates",
  ),
  escalates(
    "closing a case of the platform",
    askToClose({ entity: { namespace: "falco" } }),
    "platform",
    "platform_part",
  ),
];

const DISRUPTED: readonly Action[] = [
  action("terminate"),
  action("scale_to_zero", WORKLOAD),
  action("cordon", { kind: "node", name: "worker-4" }),
  action("revoke_token", { kind: "service_account", namespace: "shop", name: "session-cache" }),
];

const DISRUPTIONS: readonly Row[] = DISRUPTED.map((one) => ({
  name: `${one.type}, which no parameter allows by name`,
  input: ask({ question: { action: one } }),
  verdict: "escalate",
  reasons: ["action_not_allowed_by_name", "blast_radius_over_limit", "confidence_below_floor"],
  ruleIds: ["check.action_allowed", "check.blast_radius", "check.confidence"],
}));

const REJECTS: readonly Row[] = [
  rejects("another pod", on("isolate", { ...POD, name: "session-cache-1" }), "target_not_entity"),
  rejects("another workload", on("isolate", { ...WORKLOAD, name: "cart" }), "target_not_entity"),
  rejects(
    "another namespace",
    on("isolate", { ...POD, namespace: "payments" }),
    "target_not_entity",
  ),
  rejects("another node", on("cordon", { kind: "node", name: "control-1" }), "target_not_entity"),
  rejects("an action its target cannot take", on("terminate", WORKLOAD), "action_target_mismatch"),
  rejects(
    "an isolation of what is isolated",
    ask({ target: { labels: { "watchfloor.dev/isolated": "true" } } }),
    "already_applied",
  ),
  rejects(
    "closing an urgent case",
    askToClose({ question: { priority: "critical" } }),
    "close_of_urgent",
  ),
  rejects(
    "closing a case with techniques",
    askToClose({ question: { techniques: ["T1059"] } }),
    "close_of_technique",
  ),
  ...["watchfloor", "falco"].map((namespace) =>
    rejects(
      `isolating in ${namespace}, though a person approved`,
      ask({
        question: { action: action("isolate", { ...POD, namespace }) },
        entity: { namespace },
        approved: {},
      }),
      "platform_part",
    ),
  ),
];

export const REVIEW_ROWS = [...EXECUTES, ...CHECKS, ...DISRUPTIONS, ...REJECTS];
