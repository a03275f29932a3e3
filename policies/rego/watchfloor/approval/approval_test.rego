package watchfloor.approval_test

import data.watchfloor.approval

by_class(value) := {
	"close": value,
	"mark": value,
	"contain": value,
	"disrupt": value,
	"detect": value,
	"network": value,
	"undo": value,
}

base_parameters := {"approval": {"people": by_class(["*"]), "peopleNeeded": by_class(1)}}

ana := {"user": "ana", "uid": 1000, "as": null}

bo := {"user": "bo", "uid": 1001, "as": null}

review(type, params) := {"action": {"type": type, "target": {"kind": "case", "id": "c-1"}, "params": params}}

asked(answer, types, approvers) := {
	"answer": {"id": "a1", "answer": answer, "person": ana, "reason": null, "dismissal": null},
	"reviews": [review(type, {}) | some type in types],
	"approvers": approvers,
}

answer_under(question, change) := result if {
	parameters := {"approval": object.union(base_parameters.approval, change)}
	result := approval.result with input as question with data.watchfloor.parameters as parameters
}

answer(question) := answer_under(question, {})

refused(result, why) if {
	result.allowed == false
	result.why == why
}

test_anyone_approves_by_default if {
	answer(asked("approve", ["isolate"], [])) == {"allowed": true, "peopleNeeded": 1, "why": "allowed"}
}

test_only_listed_people_answer if {
	listed := {"people": {"disrupt": ["bo"], "contain": ["ana"]}}
	answer_under(asked("approve", ["isolate"], []), listed).allowed
	refused(
		answer_under(asked("approve", ["isolate", "terminate"], []), listed),
		"this person is not listed for this class of action",
	)
	refused(
		answer_under(asked("dismiss", ["terminate"], []), listed),
		"this person is not listed for this class of action",
	)
}

test_a_case_without_actions_is_answered_by_those_who_close if {
	refused(answer(asked("approve", [], [])), "there is nothing to approve")
	answer(asked("dismiss", [], [])).allowed
	not answer_under(asked("dismiss", [], []), {"people": {"close": ["bo"]}}).allowed
}

test_takes_as_many_people_as_the_strictest_class if {
	four_eyes := {"peopleNeeded": {"disrupt": 2}}
	answer_under(asked("approve", ["isolate", "terminate"], []), four_eyes).peopleNeeded == 2
	answer_under(asked("investigate", ["terminate"], []), four_eyes).peopleNeeded == 1
}

test_nobody_approves_twice if {
	refused(answer(asked("approve", ["isolate"], [ana])), "this person has approved already")
	renamed := object.union(bo, {"uid": 1000})
	refused(answer(asked("approve", ["isolate"], [renamed])), "this person has approved already")
	answer(asked("approve", ["isolate"], [bo])).allowed
}

test_whoever_asked_does_not_approve if {
	question := object.union(asked("approve", [], []), {"reviews": [review("undo", {"requestedBy": "ana"})]})
	refused(answer(question), "whoever asked for an action may not approve it")
}

test_refuses_what_is_malformed if {
	refused(answer({}), "the question is malformed")
	refused(answer(asked("approve", ["format_disk"], [])), "the question is malformed")
	refused(answer(asked("approve", ["isolate"], [{"user": "", "uid": 1}])), "the question is malformed")
	refused(
		answer_under(asked("approve", ["isolate"], []), {"peopleNeeded": {"undo": "1"}}),
		"the parameters are malformed",
	)
	nothing := approval.result with input as asked("approve", ["isolate"], []) with data.watchfloor.parameters as {}
	nothing.allowed == false
	nothing.peopleNeeded == 10
}

undefined(_) := result if {
	result := 1
	result == 2
}

test_refuses_where_a_rule_is_undefined if {
	result := approval.result with input as asked("approve", ["isolate"], [])
		with data.watchfloor.parameters as base_parameters
		with count as undefined
	refused(result, "the policy could not answer")
}
