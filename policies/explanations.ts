/**
 * The boundary of: a reason's code and a person. One sentence each, and what helps; a test holds the
 * table to the rules.
 */
export const EXPLANATIONS: Readonly<Record<string, string>> = {
  // The verdict itself.
  all_checks_hold: "Every check holds.",
  approved: "A person approved this very action.",
  other_checks_hold: "Every check that an approval does not cover holds.",
  // Checks that do not hold.
  action_not_allowed_by_name:
    "This action is not in autoAllowed of its class: a person decides each one.",
  params_need_a_person:
    "The action's own parameters need a person: a foreign label, or more than one address.",
  asset_critical_or_unknown: "The target's criticality is not in assets.criticalityAuto.",
  asset_always_escalates: "The target is on a list of assets that always need a person.",
  blast_radius_over_limit: "The action would touch more than blastRadius of its class allows.",
  close_over_limit:
    "Too many events, too rare ones, or a technique: this is not closed without a person.",
  confidence_below_floor: "The confidence is under confidenceFloor of the action's class.",
  identity_incomplete: "The events do not say for sure what they happened to.",
  kill_switch_on: "The kill switch is on: nothing is performed, whoever approves it.",
  mode_recommend: "In mode recommend a person decides everything.",
  agents_disagree: "Analyst and evidence disagree.",
  budget_spent: "The case's budget is spent.",
  evidence_missing: "The detector's evidence is missing.",
  injection_suspected: "Text in the events resembles instructions.",
  model_changed: "Another model read a later round of this case than an earlier one.",
  schema_repaired: "The model's answer fitted its schema only at the second attempt.",
  platform_part: "The target is a part of the platform itself.",
  policy_changed: "The policy, or its parameters, changed since the case's first review.",
  rate_limit_reached: "Actions of this class reached rateLimits for this hour.",
  target_unknown: "The cluster does not have this target, or could not be asked.",
  target_not_proven: "It is not proven that the target is what the events happened to.",
  // What is forbidden.
  action_target_mismatch: "This action cannot be aimed at this kind of target.",
  target_not_entity: "The target is not what the events happened to.",
  already_applied: "It is done already.",
  close_of_urgent: "A case of this priority is never closed as benign.",
  close_of_technique: "A case with a recognised technique is never closed as benign.",
  // The policy could not say.
  invalid_input: "The question is malformed at the fields that the rule ids name.",
  invalid_parameters: "The parameters are malformed at the fields that the rule ids name.",
  policy_failed: "The policy could not be evaluated.",
  policy_unreachable: "The policy server cannot be reached.",
  policy_stale: "The policy server answered by another revision than expected.",
  decision_not_logged: "The decision could not be written to its log.",
};
