package watchfloor.remote_test

import data.watchfloor.remote

test_reviews_by_the_parameters_of_the_question if {
	result := remote.reviewed with input as {"question": {}, "parameters": {}}
	result.verdict == "escalate"
	result.reasons == ["invalid_input"]
}

test_approves_by_the_parameters_of_the_question if {
	result := remote.approved with input as {"question": {}, "parameters": {}}
	result.allowed == false
	result.why == "the question is malformed"
}

test_says_nothing_without_a_question if {
	not remote.reviewed with input as {"parameters": {}}
	not remote.approved with input as {"question": {}}
}
