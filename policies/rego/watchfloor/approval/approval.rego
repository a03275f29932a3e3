# METADATA
# title: Who may answer for which action
# description: |
#   May this person give this answer for these reviewed actions, and how many people does it take?
#   Whoever asked for an action never approves it, and nobody counts twice.
# schemas:
#   - input: schema.approval_input
#   - data.watchfloor.parameters: schema.parameters
package watchfloor.approval

import data.watchfloor.actions
import data.watchfloor.parameters

# METADATA
# title: The answer, as the engine reads it
# entrypoint: true
result := {
	"allowed": allowed,
	"peopleNeeded": people_needed,
	"why": why,
}

default allowed := false

allowed if count(failed) == 0

default why := "the policy could not answer"

why := "allowed" if allowed

why := checks[min(failed)] if count(failed) > 0

answer := input.answer

# A case that waits without a proposed action is answered by those who may close cases.
classes := {"close"} if count(input.reviews) == 0

classes := {actions.classes[review.action.type] | some review in input.reviews} if count(input.reviews) > 0

# Only approving takes more than one: it is the answer that changes something.
default people_needed := 10

people_needed := 1 if answer.answer in {"dismiss", "investigate"}

people_needed := max({parameters.approval.peopleNeeded[class] | some class in classes}) if answer.answer == "approve"

# Checks: every one must hold. The first that does not is the one told -----------------------------

checks := {
	"1_question": "the question is malformed",
	"2_parameters": "the parameters are malformed",
	"3_something": "there is nothing to approve",
	"4_listed": "this person is not listed for this class of action",
	"5_not_requester": "whoever asked for an action may not approve it",
	"6_not_twice": "this person has approved already",
}

failed := {name | some name, _ in checks} - holds

holds contains "1_question" if well_formed

holds contains "2_parameters" if well_formed_parameters

holds contains "3_something" if answer.answer in {"dismiss", "investigate"}

holds contains "3_something" if count(input.reviews) > 0

holds contains "4_listed" if {
	every class in classes { listed(class) }
}

holds contains "5_not_requester" if answer.answer in {"dismiss", "investigate"}

holds contains "5_not_requester" if {
	every review in input.reviews {
		object.get(review.action.params, "requestedBy", null) != answer.person.user
	}
}

holds contains "6_not_twice" if answer.answer in {"dismiss", "investigate"}

holds contains "6_not_twice" if {
	every approver in input.approvers {
		approver.user != answer.person.user
		approver.uid != answer.person.uid
	}
}

listed(class) if "*" in parameters.approval.people[class]

listed(class) if answer.person.user in parameters.approval.people[class]

# Shape -------------------------------------------------------------------------------------------

well_formed if {
	answer.answer in {"approve", "dismiss", "investigate"}
	person(answer.person)
	is_array(input.approvers)
	every approver in input.approvers { person(approver) }
	is_array(input.reviews)
	every review in input.reviews {
		actions.classes[review.action.type]
		is_object(review.action.params)
	}
}

person(x) if {
	is_string(x.user)
	x.user != ""
	is_number(x.uid)
}

well_formed_parameters if {
	every class in actions.class_names {
		is_array(parameters.approval.people[class])
		is_number(parameters.approval.peopleNeeded[class])
		parameters.approval.peopleNeeded[class] >= 1
	}
}
