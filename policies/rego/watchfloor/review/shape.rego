# What the verdict may rely on. Rego compares values of any two types: a string is greater than every
# number, so that confidence "low" would pass any floor. Each field is therefore named here with its
# type. One that is missing or mistyped is `malformed`, and the verdict is escalate whatever the rest
# says.
package watchfloor.review

import data.watchfloor.actions
import data.watchfloor.parameters

unit(x) if {
	is_number(x)
	x >= 0
	x <= 1
}

# Up to what every JSON number holds exactly: beyond it, engines round differently.
whole(x) if {
	is_number(x)
	x >= 0
	x <= 9007199254740991
	floor(x) == x
}

text(x) if {
	is_string(x)
	x != ""
}

text_or_null(x) if text(x)

text_or_null(null)

texts(xs) if {
	is_array(xs)
	every x in xs { text(x) }
}

# Input -------------------------------------------------------------------------------------------

input_fields := {
	"actionDigest",
	"at",
	"policyRevision",
	"question.action.params",
	"question.action.target",
	"question.action.type",
	"question.approval",
	"question.case",
	"question.confidence",
	"question.entity",
	"question.events",
	"question.flags",
	"question.origin",
	"question.pValue",
	"question.policyRevision",
	"question.priority",
	"question.techniques",
	"recentEffects",
	"target",
}

malformed := input_fields - well_formed

well_formed contains "actionDigest" if text(input.actionDigest)

well_formed contains "at" if whole(input.at)

well_formed contains "policyRevision" if text(input.policyRevision)

well_formed contains "question.action.params" if is_object(input.question.action.params)

well_formed contains "question.action.target" if {
	input.question.action.target.kind == "case"
	text(input.question.action.target.id)
}

well_formed contains "question.action.target" if {
	input.question.action.target.kind in {"pod", "workload", "service_account"}
	text(input.question.action.target.namespace)
	text(input.question.action.target.name)
}

well_formed contains "question.action.target" if {
	input.question.action.target.kind in {"node", "rule", "zone"}
	text(input.question.action.target.name)
}

well_formed contains "question.action.type" if actions.classes[input.question.action.type]

well_formed contains "question.approval" if is_null(input.question.approval)

well_formed contains "question.approval" if {
	approval := input.question.approval
	approval.answer in {"approve", "dismiss", "expired"}
	whole(approval.at)
	texts(approval.actionDigests)
	person(approval.person)
}

person(null)

person(x) if {
	text(x.user)
	whole(x.uid)
}

well_formed contains "question.case" if text(input.question.case)

well_formed contains "question.confidence" if unit(input.question.confidence)

well_formed contains "question.entity" if {
	text(input.question.entity.key)
	input.question.entity.identity in {"complete", "partial", "missing"}
	text_or_null(input.question.entity.namespace)
	text_or_null(input.question.entity.workload)
	text_or_null(input.question.entity.pod)
	text_or_null(input.question.entity.container)
	text_or_null(input.question.entity.host)
}

well_formed contains "question.events" if whole(input.question.events)

well_formed contains "question.flags" if {
	is_boolean(input.question.flags.agentsDisagree)
	is_boolean(input.question.flags.budgetSpent)
	is_boolean(input.question.flags.evidenceMissing)
	is_boolean(input.question.flags.injectionSuspected)
	is_boolean(input.question.flags.modelChanged)
	is_boolean(input.question.flags.schemaRepaired)
}

well_formed contains "question.origin" if input.question.origin in {"live", "sample"}

well_formed contains "question.pValue" if unit(input.question.pValue)

well_formed contains "question.policyRevision" if text_or_null(input.question.policyRevision)

well_formed contains "question.priority" if {
	input.question.priority in {
		"emergency",
		"alert",
		"critical",
		"error",
		"warning",
		"notice",
		"informational",
		"debug",
	}
}

well_formed contains "question.techniques" if texts(input.question.techniques)

well_formed contains "recentEffects" if whole(input.recentEffects)

well_formed contains "target" if is_null(input.target)

well_formed contains "target" if {
	is_boolean(input.target.exists)
	is_string(input.target.version)
	input.target.criticality in {"low", "medium", "high", "unknown"}
	is_object(input.target.labels)
	every value in input.target.labels { is_string(value) }
	whole(input.target.blast.pods)
	unit(input.target.blast.replicasShare)
	whole(input.target.blast.services)
	whole(input.target.blast.namespaces)
}

# Parameters --------------------------------------------------------------------------------------

parameter_fields := {
	"approval.validMs",
	"assets",
	"autoAllowed",
	"blastRadius",
	"close",
	"confidenceFloor",
	"killSwitch",
	"mode",
	"rateLimits",
	"revision",
	"undoAfterMs",
}

malformed_parameters := parameter_fields - well_formed_parameters

well_formed_parameters contains "approval.validMs" if whole(parameters.approval.validMs)

well_formed_parameters contains "assets" if {
	texts(parameters.assets.alwaysEscalateNames)
	texts(parameters.assets.alwaysEscalateNamespaces)
	texts(parameters.assets.criticalityAuto)
	texts(parameters.assets.platformNamespaces)
	is_object(parameters.assets.alwaysEscalateLabels)
	every values in parameters.assets.alwaysEscalateLabels { texts(values) }
}

well_formed_parameters contains "autoAllowed" if {
	every class in actions.class_names { texts(parameters.autoAllowed[class]) }
}

well_formed_parameters contains "blastRadius" if {
	every class in actions.class_names {
		whole(parameters.blastRadius[class].podsMax)
		unit(parameters.blastRadius[class].replicasShareMax)
		whole(parameters.blastRadius[class].servicesMax)
		whole(parameters.blastRadius[class].namespacesMax)
	}
}

well_formed_parameters contains "close" if {
	whole(parameters.close.eventsMax)
	unit(parameters.close.pValueMin)
}

well_formed_parameters contains "confidenceFloor" if {
	every class in actions.class_names { unit(parameters.confidenceFloor[class]) }
}

well_formed_parameters contains "killSwitch" if is_boolean(parameters.killSwitch)

well_formed_parameters contains "mode" if parameters.mode in {"observe", "recommend", "enforce"}

well_formed_parameters contains "rateLimits" if {
	every class in actions.class_names { whole(parameters.rateLimits[class].perHourMax) }
}

well_formed_parameters contains "revision" if text(parameters.revision)

well_formed_parameters contains "undoAfterMs" if whole(parameters.undoAfterMs.contain)
