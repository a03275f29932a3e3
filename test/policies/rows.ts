/**
 * The boundary of: a question and its one answer, as a row of a table.
 */
import type { EvaluateInput } from "../../machines/calls.ts";
import type { Verdict } from "../../machines/vocabulary.ts";
import type { ReviewParameters } from "../../policies/parameters.ts";

export interface Row {
  readonly name: string;
  readonly input: EvaluateInput;
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
  readonly ruleIds: readonly string[];
  readonly obligations?: readonly string[];
  readonly parameters?: ReviewParameters;
}

export const UNDO_AFTER = "undo_after:14400000";
const HOLDS = ["all_checks_hold"];
const APPROVED = ["approved", "other_checks_hold"];

export function executes(
  name: string,
  input: EvaluateInput,
  obligations: readonly string[] = [],
): Row {
  return { name, input, verdict: "auto_execute", reasons: HOLDS, ruleIds: ["allow"], obligations };
}

export function escalates(name: string, input: EvaluateInput, check: string, reason: string): Row {
  return { name, input, verdict: "escalate", reasons: [reason], ruleIds: [`check.${check}`] };
}

export function rejects(name: string, input: EvaluateInput, reason: string): Row {
  return { name, input, verdict: "auto_reject", reasons: [reason], ruleIds: [`reject.${reason}`] };
}

export function covered(name: string, input: EvaluateInput, ...checks: readonly string[]): Row {
  const ruleIds = ["allow", ...checks.map((check) => `approval.${check}`)];
  return {
    name,
    input,
    verdict: "auto_execute",
    reasons: APPROVED,
    ruleIds,
    obligations: [UNDO_AFTER],
  };
}
