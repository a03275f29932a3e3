# METADATA
# title: The verdict on one proposed action
# description: |
#   Answers auto_execute only if every named check is true, auto_reject for what policy forbids
#   whoever approves it, and escalate for everything else. A person's approval covers some checks
#   (`covered_by_approval`) and lifts no rejection. Malformed input or parameters always escalate.
# schemas:
#   - input: schema.review_input
#   - data.watchfloor.parameters: schema.parameters
package watchfloor.review

import data.watchfloor.actions
import data.watchfloor.parameters

# The verdict -------------------------------------------------------------------------------------

default result := {
	"verdict": "escalate",
	"reasons": ["policy_failed"],
	"ruleIds": ["default"],
	"obligations": [],
	"parametersUsed": {},
}

# METADATA
# title: The answer, as the engine reads it
# entrypoint: true
result := {
	"verdict": verdict,
	"reasons": sort(reasons),
	"ruleIds": sort(rule_ids),
	"obligations": sort(obligations),
	"parametersUsed": parameters_used,
}

default verdict := "escalate"

verdict := "auto_reject" if {
	sound
	count(rejections) > 0
}

verdict := "auto_execute" if {
	sound
	count(rejections) == 0
	count(failed) == 0
}

sound if {
	count(malformed) == 0
	count(malformed_parameters) == 0
}

reasons := {"invalid_input"} if count(malformed) > 0

reasons := {"invalid_parameters"} if {
	count(malformed) == 0
	count(malformed_parameters) > 0
}

reasons := rejections if verdict == "auto_reject"

reasons := {checks[name] | some name in failed} if {
	sound
	verdict == "escalate"
}

reasons := {"all_checks_hold"} if {
	verdict == "auto_execute"
	count(covered) == 0
}

reasons := {"approved", "other_checks_hold"} if {
	verdict == "auto_execute"
	count(covered) > 0
}

rule_ids contains concat("", ["input.", field]) if some field in malformed

rule_ids contains concat("", ["parameters.", field]) if some field in malformed_parameters

rule_ids contains concat("", ["reject.", reason]) if {
	sound
	some reason in rejections
}

rule_ids contains concat("", ["check.", name]) if {
	sound
	verdict == "escalate"
	some name in failed
}

rule_ids contains "allow" if verdict == "auto_execute"

rule_ids contains concat("", ["approval.", name]) if {
	verdict == "auto_execute"
	some name in covered
}

# What the answer obliges to ----------------------------------------------------------------------

obligations contains "record_only" if {
	sound
	mode == "observe"
}

obligations contains concat("", ["undo_after:", format_int(parameters.undoAfterMs[class], 10)]) if {
	verdict == "auto_execute"
}

default parameters_used := {}

parameters_used := {
	"mode": mode,
	"killSwitch": parameters.killSwitch,
	"class": class,
	"autoAllowed": parameters.autoAllowed[class],
	"revision": parameters.revision,
	"confidenceFloor": parameters.confidenceFloor[class],
	"rateLimit": parameters.rateLimits[class],
	"blastRadius": parameters.blastRadius[class],
	"criticalityAuto": parameters.assets.criticalityAuto,
	"close": parameters.close,
	"approvalValidMs": parameters.approval.validMs,
} if {
	sound
}

# Short names -------------------------------------------------------------------------------------

action := input.question.action

entity := input.question.entity

class := actions.classes[action.type]

# The sample day acts on a simulated cluster only, so that it may show what enforce does.
mode := "enforce" if input.question.origin == "sample"

mode := parameters.mode if input.question.origin == "live"

namespaces contains action.target.namespace

namespaces contains entity.namespace if is_string(entity.namespace)

names contains action.target.name

names contains entity.workload if is_string(entity.workload)

# The platform's own namespace is in this list whatever the parameters say.
platform_namespaces := {"watchfloor"} | {name | some name in parameters.assets.platformNamespaces}

# Approval ----------------------------------------------------------------------------------------

# Clocks of two runners may differ by this much.
clock_skew_ms := 5000

approved if {
	approval := input.question.approval
	approval.answer == "approve"
	is_string(approval.person.user)
	input.actionDigest in approval.actionDigests
	input.at - approval.at >= 0 - clock_skew_ms
	input.at - approval.at <= parameters.approval.validMs
}

# What a person may answer for. Not in it, and so never covered: the kill switch, the platform's own
# parts, a target that is unknown or not the entity's, an incomplete identity.
covered_by_approval := {
	"action_allowed",
	"action_params",
	"asset_criticality",
	"asset_lists",
	"blast_radius",
	"close_limits",
	"confidence",
	"mode",
	"no_agents_disagree",
	"no_budget_spent",
	"no_evidence_missing",
	"no_injection_suspected",
	"no_model_changed",
	"no_schema_repaired",
	"policy_unchanged",
	"rate_limit",
}

# Whoever commands an undo answers for its doubts, but cannot allow what no parameter allows by name:
# that takes another person. An undo that does not say who asked for it is taken for such a command.
independent if {
	class != "undo"
	object.get(action.params, "requestedBy", null) != input.question.approval.person.user
}

independent if {
	class == "undo"
	text(action.params.requestedBy)
	action.params.requestedBy != input.question.approval.person.user
}

default covered := set()

covered := unmet & covered_by_approval if {
	approved
	independent
}

covered := (unmet & covered_by_approval) - {"action_allowed"} if {
	approved
	not independent
	class == "undo"
}

unmet := {name | some name, _ in checks} - holds

failed := unmet - covered

# Checks: every one must hold for auto_execute ----------------------------------------------------

# Name of the check -> the reason given where it does not hold.
checks := {
	"action_allowed": "action_not_allowed_by_name",
	"action_params": "params_need_a_person",
	"asset_criticality": "asset_critical_or_unknown",
	"asset_lists": "asset_always_escalates",
	"blast_radius": "blast_radius_over_limit",
	"close_limits": "close_over_limit",
	"confidence": "confidence_below_floor",
	"identity": "identity_incomplete",
	"kill_switch": "kill_switch_on",
	"mode": "mode_recommend",
	"no_agents_disagree": "agents_disagree",
	"no_budget_spent": "budget_spent",
	"no_evidence_missing": "evidence_missing",
	"no_injection_suspected": "injection_suspected",
	"no_model_changed": "model_changed",
	"no_schema_repaired": "schema_repaired",
	"platform": "platform_part",
	"policy_unchanged": "policy_changed",
	"rate_limit": "rate_limit_reached",
	"target_known": "target_unknown",
	"target_of_entity": "target_not_proven",
}

holds contains "action_allowed" if {
	class != "undo"
	action.type in parameters.autoAllowed[class]
}

# Undoing is allowed by the name of what it undoes.
holds contains "action_allowed" if {
	class == "undo"
	action.params.undoes in parameters.autoAllowed.undo
}

holds contains "action_params" if not action.type in {"annotate", "block_egress", "label"}

# Any other label may be what a service or an admission policy selects by.
holds contains "action_params" if {
	action.type in {"annotate", "label"}
	startswith(action.params.key, "watchfloor.dev/")
	is_string(action.params.value)
}

# One address. A block of them may be everything the workload talks to. It is read here and not by
# net.cidr_*: compiled to wasm, those take a malformed address for a sound one, now and then.
holds contains "action_params" if {
	action.type == "block_egress"
	address(action.params.address)
}

address(x) if {
	is_string(x)
	parts := split(x, ".")
	count(parts) == 4
	every part in parts { octet(part) }
}

address(x) if {
	is_string(x)
	not contains(x, "::")
	groups := split(x, ":")
	count(groups) == 8
	every group in groups { hextet(group) }
}

address(x) if {
	is_string(x)
	halves := split(x, "::")
	count(halves) == 2
	groups := [group | some half in halves; half != ""; some group in split(half, ":")]
	count(groups) <= 7
	every group in groups { hextet(group) }
}

octet(x) if regex.match(`^(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$`, x)

hextet(x) if regex.match(`^[0-9a-fA-F]{1,4}$`, x)

holds contains "asset_criticality" if input.target.criticality in parameters.assets.criticalityAuto

# A case is no object of the cluster, so that its criticality may be unknown; a known one counts, and
# its entity's namespace and name are looked up in the lists in any case.
holds contains "asset_criticality" if {
	action.target.kind == "case"
	is_null(input.target)
}

holds contains "asset_criticality" if {
	action.target.kind == "case"
	input.target.criticality == "unknown"
}

holds contains "asset_lists" if {
	count(namespaces & {name | some name in parameters.assets.alwaysEscalateNamespaces}) == 0
	count(names & {name | some name in parameters.assets.alwaysEscalateNames}) == 0
	count(listed_labels) == 0
}

listed_labels contains key if {
	some key, values in parameters.assets.alwaysEscalateLabels
	lower(input.target.labels[key]) in values
}

listed_labels contains key if {
	some key, values in parameters.assets.alwaysEscalateLabels
	input.target.labels[key]
	"*" in values
}

holds contains "blast_radius" if action.target.kind == "case"

holds contains "blast_radius" if {
	limits := parameters.blastRadius[class]
	input.target.blast.pods <= limits.podsMax
	input.target.blast.replicasShare <= limits.replicasShareMax
	input.target.blast.services <= limits.servicesMax
	input.target.blast.namespaces <= limits.namespacesMax
}

holds contains "close_limits" if action.type != "close_benign"

holds contains "close_limits" if {
	action.type == "close_benign"
	count(input.question.techniques) == 0
	input.question.events <= parameters.close.eventsMax
	input.question.pValue >= parameters.close.pValueMin
}

holds contains "confidence" if input.question.confidence >= parameters.confidenceFloor[class]

holds contains "identity" if entity.identity == "complete"

holds contains "kill_switch" if parameters.killSwitch == false

holds contains "mode" if mode in {"enforce", "observe"}

holds contains "no_agents_disagree" if input.question.flags.agentsDisagree == false

holds contains "no_budget_spent" if input.question.flags.budgetSpent == false

holds contains "no_evidence_missing" if input.question.flags.evidenceMissing == false

holds contains "no_injection_suspected" if input.question.flags.injectionSuspected == false

holds contains "no_model_changed" if input.question.flags.modelChanged == false

holds contains "no_schema_repaired" if input.question.flags.schemaRepaired == false

holds contains "platform" if count(namespaces & platform_namespaces) == 0

# What was decided under one policy is not carried out under another without a person.
holds contains "policy_unchanged" if is_null(input.question.policyRevision)

holds contains "policy_unchanged" if input.question.policyRevision == input.policyRevision

holds contains "rate_limit" if input.recentEffects < parameters.rateLimits[class].perHourMax

holds contains "target_known" if action.target.kind == "case"

holds contains "target_known" if {
	input.target.exists == true
	input.target.version != ""
}

# The action is aimed at what the events happened to, and at nothing an event merely mentions.
holds contains "target_of_entity" if {
	action.target.kind == "case"
	action.target.id == input.question.case
}

holds contains "target_of_entity" if {
	action.target.kind == "pod"
	action.target.namespace == entity.namespace
	action.target.name == entity.pod
}

holds contains "target_of_entity" if {
	action.target.kind == "workload"
	action.target.namespace == entity.namespace
	action.target.name == entity.workload
}

holds contains "target_of_entity" if {
	action.target.kind == "node"
	action.target.name == entity.host
}

holds contains "target_of_entity" if {
	action.target.kind == "service_account"
	action.target.namespace == entity.namespace
}

# Rules and zones belong to no entity; they are allowed by name or not at all.
holds contains "target_of_entity" if action.target.kind in {"rule", "zone"}
