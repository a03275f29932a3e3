# METADATA
# title: The actions Watchfloor knows
# description: |
#   What each action is called, which class it is of, and what it may be aimed at. An action that is
#   not in this table is never executed. A test keeps it equal to the vocabulary of machines/.
package watchfloor.actions

classes := {
	"close_benign": "close",
	"reopen": "close",
	"label": "mark",
	"annotate": "mark",
	"isolate": "contain",
	"block_egress": "contain",
	"terminate": "disrupt",
	"scale_to_zero": "disrupt",
	"cordon": "disrupt",
	"revoke_token": "disrupt",
	"deploy_rule": "detect",
	"tune_rule": "detect",
	"firewall_change": "network",
	"undo": "undo",
}

class_names := {class | some class in classes}

targets := {
	"close_benign": {"case"},
	"reopen": {"case"},
	"label": {"pod", "workload"},
	"annotate": {"pod", "workload"},
	"isolate": {"pod", "workload"},
	"block_egress": {"workload"},
	"terminate": {"pod"},
	"scale_to_zero": {"workload"},
	"cordon": {"node"},
	"revoke_token": {"service_account"},
	"deploy_rule": {"rule"},
	"tune_rule": {"rule"},
	"firewall_change": {"zone"},
	"undo": {"case", "pod", "workload", "node", "service_account", "rule", "zone"},
}
