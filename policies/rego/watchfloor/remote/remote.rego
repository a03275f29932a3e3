# METADATA
# title: The policy, asked with its parameters
# description: |
#   For an OPA server that several runners share: each question brings the parameters it is to be
#   weighed by, so that the server holds none, and a change of them is never half there.
package watchfloor.remote

import data.watchfloor.approval
import data.watchfloor.review

reviewed := answer if {
	answer := review.result with input as input.question with data.watchfloor.parameters as input.parameters
}

approved := answer if {
	answer := approval.result with input as input.question with data.watchfloor.parameters as input.parameters
}
