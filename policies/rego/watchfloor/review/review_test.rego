package watchfloor.review_test

import data.watchfloor.review

answer(question) := result if {
	result := review.result with input as question with data.watchfloor.parameters as base_parameters
}

answer_under(question, change) := result if {
	parameters := object.union(base_parameters, change)
	result := review.result with input as question with data.watchfloor.parameters as parameters
}

is(result, verdict, reasons) if {
	result.verdict == verdict
	result.reasons == reasons
}

# Verdicts ----------------------------------------------------------------------------------------

test_executes_if_every_check_holds if {
	result := answer(base_input)
	is(result, "auto_execute", ["all_checks_hold"])
	result.ruleIds == ["allow"]
	result.obligations == ["undo_after:60000"]
	result.parametersUsed.confidenceFloor == 0.8
	result.parametersUsed.class == "contain"
}

test_escalates_each_check_that_does_not_hold if {
	every question_and_reason in [
		[changed({"confidence": 0.79}), "confidence_below_floor"],
		[changed({"entity": {"identity": "partial"}}), "identity_incomplete"],
		[changed({"flags": {"injectionSuspected": true}}), "injection_suspected"],
		[changed({"flags": {"schemaRepaired": true}}), "schema_repaired"],
		[changed({"flags": {"agentsDisagree": true}}), "agents_disagree"],
		[changed({"flags": {"budgetSpent": true}}), "budget_spent"],
		[changed({"flags": {"evidenceMissing": true}}), "evidence_missing"],
		[changed({"flags": {"modelChanged": true}}), "model_changed"],
		[changed({"policyRevision": "r0"}), "policy_changed"],
		[object.union(base_input, {"recentEffects": 5}), "rate_limit_reached"],
		[changed(action_of("terminate", base_input.question.action.target)), "action_not_allowed_by_name"],
		[with_target({"criticality": "high"}), "asset_critical_or_unknown"],
		[with_target({"criticality": "unknown"}), "asset_critical_or_unknown"],
		[with_target({"labels": {"customer-facing": "TRUE"}}), "asset_always_escalates"],
		[with_target({"labels": {"compliance": ""}}), "asset_always_escalates"],
		[with_target({"blast": {"pods": 4}}), "blast_radius_over_limit"],
		[with_target({"blast": {"replicasShare": 0.51}}), "blast_radius_over_limit"],
		[with_target({"blast": {"services": 2}}), "blast_radius_over_limit"],
		[with_target({"blast": {"namespaces": 2}}), "blast_radius_over_limit"],
		[with_target({"exists": false}), "target_unknown"],
		[with_target({"version": ""}), "target_unknown"],
		[changed({"entity": {"pod": null}}), "target_not_proven"],
	] {
		is(answer(question_and_reason[0]), "escalate", [question_and_reason[1]])
	}
}

test_escalates_with_sorted_reasons_and_rule_ids if {
	result := answer(changed({"confidence": 0, "flags": {"budgetSpent": true}}))
	is(result, "escalate", ["budget_spent", "confidence_below_floor"])
	result.ruleIds == ["check.confidence", "check.no_budget_spent"]
	result.obligations == []
}

test_escalates_a_target_the_cluster_does_not_have if {
	result := answer(object.union(base_input, {"target": null}))
	result.verdict == "escalate"
	"target_unknown" in result.reasons
}

test_escalates_listed_namespaces_and_names if {
	is(
		answer(changed({
			"action": {"type": "isolate", "target": {"kind": "pod", "namespace": "kube-system", "name": "cart-0"}, "params": {}},
			"entity": {"namespace": "kube-system"},
		})),
		"escalate", ["asset_always_escalates"],
	)
	is(answer(changed({"entity": {"workload": "keycloak"}})), "escalate", ["asset_always_escalates"])
}

# Targets -----------------------------------------------------------------------------------------

test_executes_on_the_entitys_workload if {
	target := {"kind": "workload", "namespace": "shop", "name": "cart"}
	is(answer(changed(action_of("isolate", target))), "auto_execute", ["all_checks_hold"])
}

test_executes_what_the_parameters_allow_by_name if {
	allowed := {"autoAllowed": {"disrupt": ["cordon", "revoke_token"], "network": ["firewall_change"]}}
	node := action_of("cordon", {"kind": "node", "name": "worker-1"})
	account := action_of("revoke_token", {"kind": "service_account", "namespace": "shop", "name": "cart"})
	zone := action_of("firewall_change", {"kind": "zone", "name": "edge"})
	answer_under(changed(node), allowed).verdict == "auto_execute"
	answer_under(changed(account), allowed).verdict == "auto_execute"
	answer_under(changed(zone), allowed).verdict == "auto_execute"
	answer(changed(node)).reasons == ["action_not_allowed_by_name"]
}

test_rejects_another_target_than_the_entitys if {
	pod := action_of("isolate", {"kind": "pod", "namespace": "shop", "name": "cart-1"})
	workload := action_of("isolate", {"kind": "workload", "namespace": "shop", "name": "other"})
	namespace := action_of("isolate", {"kind": "workload", "namespace": "bank", "name": "cart"})
	node := action_of("cordon", {"kind": "node", "name": "worker-2"})
	case := action_of("close_benign", {"kind": "case", "id": "c-2"})
	is(answer(changed(pod)), "auto_reject", ["target_not_entity"])
	is(answer(changed(workload)), "auto_reject", ["target_not_entity"])
	is(answer(changed(namespace)), "auto_reject", ["target_not_entity"])
	is(answer(changed(node)), "auto_reject", ["target_not_entity"])
	"target_not_entity" in answer(changed(case)).reasons
}

test_rejects_an_action_that_does_not_fit_its_target if {
	result := answer(changed(action_of("terminate", {"kind": "workload", "namespace": "shop", "name": "cart"})))
	is(result, "auto_reject", ["action_target_mismatch"])
	result.ruleIds == ["reject.action_target_mismatch"]
}

# The platform ------------------------------------------------------------------------------------

platform(namespace, type, params) := changed({
	"action": {"type": type, "target": {"kind": "pod", "namespace": namespace, "name": "cart-0"}, "params": params},
	"entity": {"namespace": namespace},
	"approval": approval,
})

test_rejects_to_contain_or_disrupt_the_platform_even_if_approved if {
	is(answer(platform("watchfloor", "isolate", {})), "auto_reject", ["platform_part"])
	is(answer(platform("falco", "terminate", {})), "auto_reject", ["platform_part"])
}

test_escalates_marking_the_platform_even_if_approved if {
	question := platform("watchfloor", "label", {"key": "watchfloor.dev/suspect", "value": "true"})
	is(answer(question), "escalate", ["platform_part"])
}

# Params ------------------------------------------------------------------------------------------

with_params(type, params) := changed({"action": {
	"type": type,
	"target": {"kind": "workload", "namespace": "shop", "name": "cart"},
	"params": params,
}})

test_labels_only_with_its_own_keys if {
	answer(with_params("label", {"key": "watchfloor.dev/suspect", "value": "true"})).verdict == "auto_execute"
	is(answer(with_params("label", {"key": "app", "value": "x"})), "escalate", ["params_need_a_person"])
	is(answer(with_params("annotate", {"key": "watchfloor.dev/note"})), "escalate", ["params_need_a_person"])
}

test_blocks_one_address_and_no_range if {
	answer(with_params("block_egress", {"address": "203.0.113.7"})).verdict == "auto_execute"
	answer(with_params("block_egress", {"address": "2001:db8::7"})).verdict == "auto_execute"
	is(answer(with_params("block_egress", {"address": "evil.example"})), "escalate", ["params_need_a_person"])
	is(answer(with_params("block_egress", {"address": "0.0.0.0/0"})), "escalate", ["params_need_a_person"])
	is(answer(with_params("block_egress", {})), "escalate", ["params_need_a_person"])
	every sound in ["0.0.0.0", "255.255.255.255", "::1", "fe80::", "1:2:3:4:5:6:7:8", "1:2:3::8"] {
		answer(with_params("block_egress", {"address": sound})).verdict == "auto_execute"
	}
	every malformed in [
		"", "::::", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4::5:6:7:8", "12345::",
		"256.1.1.1", "01.2.3.4", "1.2.3", "1.2.3.4.5", "1.2.3.4/32", "2001:db8::7/128", "::ffff:1.2.3.4", 7, ["1.2.3.4"],
	] {
		is(answer(with_params("block_egress", {"address": malformed})), "escalate", ["params_need_a_person"])
	}
}

test_rejects_to_isolate_twice if {
	target := with_target({"labels": {"watchfloor.dev/isolated": "true"}})
	is(answer(target), "auto_reject", ["already_applied"])
}

test_undoes_what_is_allowed_by_name if {
	target := {"kind": "pod", "namespace": "shop", "name": "cart-0"}
	undo := {"type": "undo", "target": target, "params": {"undoes": "isolate"}}
	answer(changed({"action": undo})).verdict == "auto_execute"
	other := object.union(undo, {"params": {"undoes": "cordon"}})
	is(answer(changed({"action": other})), "escalate", ["action_not_allowed_by_name"])
	unsaid := object.union(object.remove(undo, ["params"]), {"params": {}})
	is(answer(changed({"action": unsaid})), "escalate", ["action_not_allowed_by_name"])
}

test_does_not_ask_about_the_policy_at_the_first_review if {
	answer(changed({"policyRevision": null})).verdict == "auto_execute"
}

# Closing -----------------------------------------------------------------------------------------

closing(question) := object.union(base_close, {"question": question})

test_closes_an_ordinary_case if {
	is(answer(base_close), "auto_execute", ["all_checks_hold"])
	answer(object.union(base_close, {"target": {"criticality": "unknown"}})).verdict == "auto_execute"
	answer(object.union(base_close, {"target": null})).verdict == "auto_execute"
}

test_escalates_closing_over_its_limits if {
	is(answer(closing({"events": 51})), "escalate", ["close_over_limit"])
	is(answer(closing({"pValue": 0.0001})), "escalate", ["close_over_limit"])
	is(answer(closing({"techniques": ["T1059"], "confidence": 0.5})), "escalate", [
		"close_over_limit",
		"confidence_below_floor",
	])
	is(answer(object.union(base_close, {"target": {"criticality": "high"}})), "escalate", ["asset_critical_or_unknown"])
}

test_rejects_closing_what_is_urgent_or_an_attack if {
	is(answer(closing({"priority": "critical"})), "auto_reject", ["close_of_urgent"])
	is(answer(closing({"techniques": ["T1059"]})), "auto_reject", ["close_of_technique"])
}

# Mode and kill switch ----------------------------------------------------------------------------

test_records_only_in_observe if {
	result := answer_under(base_input, {"mode": "observe"})
	result.verdict == "auto_execute"
	result.obligations == ["record_only", "undo_after:60000"]
}

test_recommends_until_approved if {
	is(answer_under(base_input, {"mode": "recommend"}), "escalate", ["mode_recommend"])
	result := answer_under(changed({"approval": approval}), {"mode": "recommend"})
	is(result, "auto_execute", ["approved", "other_checks_hold"])
	result.ruleIds == ["allow", "approval.mode"]
}

test_enforces_on_the_sample if {
	result := answer_under(changed({"origin": "sample"}), {"mode": "observe"})
	result.obligations == ["undo_after:60000"]
}

test_stops_everything_by_the_kill_switch if {
	is(answer_under(changed({"approval": approval}), {"killSwitch": true}), "escalate", ["kill_switch_on"])
}

# Approval ----------------------------------------------------------------------------------------

doubtful(given) := changed({
	"confidence": 0,
	"flags": {
		"injectionSuspected": true,
		"schemaRepaired": true,
		"agentsDisagree": true,
		"budgetSpent": true,
		"evidenceMissing": true,
		"modelChanged": true,
	},
	"policyRevision": "r0",
	"approval": object.union(approval, given),
})

test_approval_covers_doubt if {
	result := answer(object.union(doubtful({}), {"target": {
		"criticality": "high",
		"labels": {"compliance": "pci"},
		"blast": {"pods": 40},
	}}))
	is(result, "auto_execute", ["approved", "other_checks_hold"])
	"approval.blast_radius" in result.ruleIds
}

test_approval_does_not_cover_identity_or_an_unknown_target if {
	is(answer(changed({"entity": {"identity": "missing"}, "approval": approval})), "escalate", ["identity_incomplete"])
	gone := object.union(changed({"approval": approval}), {"target": {"exists": false}})
	is(answer(gone), "escalate", ["target_unknown"])
}

test_approval_counts_only_if_it_is_one if {
	answer(doubtful({})).verdict == "auto_execute"
	answer(doubtful({"answer": "dismiss"})).verdict == "escalate"
	answer(doubtful({"actionDigests": ["d2"]})).verdict == "escalate"
	answer(doubtful({"person": null})).verdict == "escalate"
	answer(doubtful({"at": 39999})).verdict == "escalate"
	answer(doubtful({"at": 105001})).verdict == "escalate"
	answer(doubtful({"at": 105000})).verdict == "auto_execute"
}

undo_of(params) := changed({
	"action": {
		"type": "undo",
		"target": {"kind": "pod", "namespace": "shop", "name": "cart-0"},
		"params": params,
	},
	"confidence": 0,
	"approval": approval,
})

test_a_command_covers_doubt_about_an_undo_that_is_allowed_by_name if {
	result := answer(undo_of({"undoes": "isolate", "requestedBy": "ana"}))
	is(result, "auto_execute", ["approved", "other_checks_hold"])
}

test_a_command_does_not_allow_an_undo_by_itself if {
	is(answer(undo_of({"undoes": "cordon", "requestedBy": "ana"})), "escalate", ["action_not_allowed_by_name"])
	is(answer(undo_of({"undoes": "cordon"})), "escalate", ["action_not_allowed_by_name"])
	is(answer(undo_of({"undoes": "cordon", "requestedBy": ""})), "escalate", ["action_not_allowed_by_name"])
	answer(undo_of({"undoes": "cordon", "requestedBy": "bo"})).verdict == "auto_execute"
}

test_whoever_asked_for_another_action_does_not_approve_it if {
	action := object.union(base_input.question.action, {"params": {"requestedBy": "ana"}})
	question := changed({"action": action, "confidence": 0, "approval": approval})
	is(answer(question), "escalate", ["confidence_below_floor"])
}

# Shape -------------------------------------------------------------------------------------------

# Every field, missing and mistyped, is tried by the property tests of test/policies.
test_names_the_malformed_field if {
	result := answer(changed({"confidence": "low"}))
	is(result, "escalate", ["invalid_input"])
	result.ruleIds == ["input.question.confidence"]
	result.parametersUsed == {}
}

test_escalates_without_or_with_wrong_parameters if {
	is(answer_under(base_input, {"killSwitch": "false"}), "escalate", ["invalid_parameters"])
	is(answer_under(base_input, {"confidenceFloor": {"undo": "0"}}), "escalate", ["invalid_parameters"])
	result := review.result with input as base_input with data.watchfloor.parameters as {}
	is(result, "escalate", ["invalid_parameters"])
	count(result.ruleIds) == 11
}

test_escalates_without_any_input if {
	result := answer({})
	is(result, "escalate", ["invalid_input"])
	count(result.ruleIds) == 19
}

undefined(_) := result if {
	result := 1
	result == 2
}

test_escalates_where_a_rule_is_undefined if {
	result := review.result with input as base_input
		with data.watchfloor.parameters as base_parameters
		with sort as undefined
	is(result, "escalate", ["policy_failed"])
}
