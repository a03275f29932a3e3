# One question that is executed, and the parameters it is asked under. Each test changes what it is
# about and nothing else.
package watchfloor.review_test

by_class(value) := {
	"close": value,
	"mark": value,
	"contain": value,
	"disrupt": value,
	"detect": value,
	"network": value,
	"undo": value,
}

base_parameters := {
	"mode": "enforce",
	"killSwitch": false,
	"autoAllowed": {
		"close": ["close_benign", "reopen"],
		"mark": ["label", "annotate"],
		"contain": ["isolate", "block_egress"],
		"disrupt": [],
		"detect": [],
		"network": [],
		"undo": ["isolate"],
	},
	"confidenceFloor": by_class(0.8),
	"blastRadius": by_class({"podsMax": 3, "replicasShareMax": 0.5, "servicesMax": 1, "namespacesMax": 1}),
	"assets": {
		"criticalityAuto": ["low", "medium"],
		"alwaysEscalateNamespaces": ["kube-system"],
		"alwaysEscalateNames": ["keycloak"],
		"alwaysEscalateLabels": {"customer-facing": ["true"], "compliance": ["*"]},
		"platformNamespaces": ["falco"],
	},
	"close": {"eventsMax": 50, "pValueMin": 0.0002},
	"rateLimits": by_class({"perHourMax": 5}),
	"revision": "p1",
	"undoAfterMs": {"contain": 60000},
	"approval": {"validMs": 60000, "people": by_class(["*"]), "peopleNeeded": by_class(1)},
}

no_flags := {
	"injectionSuspected": false,
	"schemaRepaired": false,
	"agentsDisagree": false,
	"budgetSpent": false,
	"evidenceMissing": false,
	"modelChanged": false,
}

base_input := {
	"question": {
		"case": "c-1",
		"action": {
			"type": "isolate",
			"target": {"kind": "pod", "namespace": "shop", "name": "cart-0"},
			"params": {},
		},
		"entity": {
			"key": "shop/cart/cart",
			"namespace": "shop",
			"workload": "cart",
			"pod": "cart-0",
			"container": "cart",
			"host": "worker-1",
			"identity": "complete",
		},
		"origin": "live",
		"priority": "warning",
		"pValue": 0.001,
		"events": 3,
		"techniques": ["T1059"],
		"confidence": 0.9,
		"flags": no_flags,
		"policyRevision": "r1",
		"approval": null,
	},
	"actionDigest": "d1",
	"target": {
		"exists": true,
		"version": "1",
		"criticality": "low",
		"labels": {},
		"owner": null,
		"blast": {"pods": 1, "replicasShare": 0.5, "services": 1, "namespaces": 1},
		"diff": [],
	},
	"at": 100000,
	"policyRevision": "r1",
	"recentEffects": 0,
}

base_close := changed({
	"action": {
		"type": "close_benign",
		"target": {"kind": "case", "id": "c-1"},
		"params": {},
	},
	"techniques": [],
})

approval := {
	"answer": "approve",
	"person": {"user": "ana", "uid": 1000, "as": null},
	"reason": null,
	"dismissal": null,
	"at": 90000,
	"actionDigests": ["d1"],
}

# An action is replaced whole: a union of two targets would have the fields of both.
changed(question) := with_question(object.union(
	object.remove(base_input.question, {key | some key, _ in question}),
	deepened(question),
))

deepened(question) := {key: value |
	some key, given in question
	value := merged(base_input.question[key], given, key)
}

merged(_, given, "action") := given

merged(old, given, key) := object.union(old, given) if {
	key != "action"
	is_object(old)
	is_object(given)
}

merged(old, given, key) := given if {
	key != "action"
	not both_objects(old, given)
}

both_objects(one, other) if {
	is_object(one)
	is_object(other)
}

with_question(question) := object.union(object.remove(base_input, ["question"]), {"question": question})

action_of(type, target) := {"action": {"type": type, "target": target, "params": {}}}

with_target(target) := object.union(base_input, {"target": target})
