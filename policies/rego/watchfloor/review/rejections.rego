# What is forbidden, whoever approves it. These are read only if input and parameters are well formed.
package watchfloor.review

import data.watchfloor.actions
import data.watchfloor.parameters

rejections contains "action_target_mismatch" if not action.target.kind in actions.targets[action.type]

rejections contains "target_not_entity" if {
	action.target.kind == "case"
	action.target.id != input.question.case
}

rejections contains "target_not_entity" if {
	is_string(entity.namespace)
	action.target.namespace != entity.namespace
}

rejections contains "target_not_entity" if {
	action.target.kind == "pod"
	is_string(entity.pod)
	action.target.name != entity.pod
}

rejections contains "target_not_entity" if {
	action.target.kind == "workload"
	is_string(entity.workload)
	action.target.name != entity.workload
}

rejections contains "target_not_entity" if {
	action.target.kind == "node"
	is_string(entity.host)
	action.target.name != entity.host
}

# Containing or disrupting Falco or the watch floor would blind it.
rejections contains "platform_part" if {
	class in {"contain", "disrupt"}
	action.target.namespace in platform_namespaces
}

rejections contains "already_applied" if {
	action.type == "isolate"
	input.target.labels["watchfloor.dev/isolated"] == "true"
}

rejections contains "close_of_urgent" if {
	action.type == "close_benign"
	input.question.priority in {"emergency", "alert", "critical"}
}

rejections contains "close_of_technique" if {
	action.type == "close_benign"
	count(input.question.techniques) > 0
	input.question.confidence >= parameters.confidenceFloor.close
}
