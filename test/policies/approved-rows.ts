/**
 * The boundary of: a review after a person answered, the mode and the kill switch, and its verdict.
 */
import { adjustParameters } from "../../policies/parameters.ts";
import { action, ask, AT, ENFORCING, POD, SHIPPED } from "./fixtures.ts";
import { covered, escalates, executes, UNDO_AFTER, type Row } from "./rows.ts";

const DOUBT = { question: { confidence: 0 }, flags: { injectionSuspected: true } };
const DOUBT_ROW = { check: "check.confidence", flag: "check.no_injection_suspected" };

function doubtful(
  name: string,
  approved: NonNullable<Parameters<typeof ask>[0]>["approved"] & {},
): Row {
  return {
    name,
    input: ask({ ...DOUBT, approved }),
    verdict: "escalate",
    reasons: ["confidence_below_floor", "injection_suspected"],
    ruleIds: [DOUBT_ROW.check, DOUBT_ROW.flag],
  };
}

const APPROVALS: readonly Row[] = [
  covered(
    "doubt a person took on",
    ask({ ...DOUBT, approved: {} }),
    "confidence",
    "no_injection_suspected",
  ),
  covered(
    "a critical asset a person answers for",
    ask({ target: { criticality: "high" }, approved: {} }),
    "asset_criticality",
  ),
  covered(
    "a blast radius a person accepts",
    ask({ blast: { pods: 30 }, approved: {} }),
    "blast_radius",
  ),
  doubtful("a dismissal", { answer: "dismiss" }),
  doubtful("an approval of another action", { actionDigests: ["0".repeat(64)] }),
  doubtful("an approval by nobody", { person: null }),
  doubtful("an expired approval", { at: AT - 86_400_001 }),
  doubtful("an approval from the future", { at: AT + 5001 }),
  escalates(
    "an unknown target, though approved",
    ask({ target: { exists: false }, approved: {} }),
    "target_known",
    "target_unknown",
  ),
  escalates(
    "a partial identity, though approved",
    ask({ entity: { identity: "partial" }, approved: {} }),
    "identity",
    "identity_incomplete",
  ),
];

const COMMANDS: readonly Row[] = [
  {
    ...covered(
      "an undo its commander answers for",
      ask({
        question: { action: action("undo", POD, { undoes: "isolate", requestedBy: "ana" }) },
        target: { criticality: "high" },
        approved: {},
      }),
      "asset_criticality",
    ),
    obligations: [],
  },
  escalates(
    "an undo its commander may not allow alone",
    ask({
      question: { action: action("undo", POD, { undoes: "cordon", requestedBy: "ana" }) },
      approved: {},
    }),
    "action_allowed",
    "action_not_allowed_by_name",
  ),
];

const RECOMMENDING = adjustParameters(SHIPPED, { mode: "recommend" });
const STOPPED = adjustParameters(ENFORCING, { killSwitch: true });

const MODES: readonly Row[] = [
  {
    ...executes("only records in observe", ask(), ["record_only", UNDO_AFTER]),
    parameters: SHIPPED,
  },
  {
    ...executes("enforces on the sample", ask({ question: { origin: "sample" } }), [UNDO_AFTER]),
    parameters: SHIPPED,
  },
  {
    ...escalates("everything in recommend", ask(), "mode", "mode_recommend"),
    parameters: RECOMMENDING,
  },
  {
    ...covered("what was recommended and approved", ask({ approved: {} }), "mode"),
    parameters: RECOMMENDING,
  },
  {
    ...escalates(
      "everything while the kill switch is on",
      ask({ approved: {} }),
      "kill_switch",
      "kill_switch_on",
    ),
    parameters: STOPPED,
  },
  {
    ...escalates(
      "the sample, too, while the kill switch is on",
      ask({ question: { origin: "sample" } }),
      "kill_switch",
      "kill_switch_on",
    ),
    parameters: STOPPED,
  },
];

export const APPROVED_ROWS = [...APPROVALS, ...COMMANDS, ...MODES];
