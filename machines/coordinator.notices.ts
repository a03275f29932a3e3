/**
 * The boundary of: what a coordinator tells people. Lines of safe words only: names, codes, numbers
 * and what would change. A notice is queued in the context and told when the turn ends.
 */
import type { CaseFault, CaseNotice } from "./calls.ts";
import type { ActionRecord, Change, CoordinatorContext } from "./coordinator.context.ts";
import type { Outgoing } from "./protocol.ts";
import { asJson } from "./step.ts";
import { targetName, type Approval, type EventFacts, type Remediation } from "./vocabulary.ts";

const DIFF_LINES_MAX = 8;
const FINDINGS_MAX = 20;

/** The change, and a notice of it. */
export function noticed(
  context: CoordinatorContext,
  change: Change,
  kind: CaseNotice["kind"],
  lines: readonly string[],
): Change {
  const notices = context.notices + 1;
  const notice: CaseNotice = { id: `${context.case}:${notices}`, case: context.case, kind, lines };
  return { ...change, notices, outbox: [...context.outbox, notice] };
}

/** One envelope a notice, in the order in which they were made. */
export function tellNotices({ case: caseId, outbox }: CoordinatorContext): readonly Outgoing[] {
  return outbox.map((notice) => ({
    to: `notifier/${caseId}`,
    type: "notice",
    data: asJson(notice),
  }));
}

export function openedLines(
  { case: caseId, entity }: CoordinatorContext,
  facts: EventFacts,
): readonly string[] {
  const learning = facts.learning ? ", in its learning window" : "";
  return [
    `case ${caseId} opened: ${facts.rule} (${facts.priority}) on ${entity.key}${learning}`,
    `p-value ${figure(facts.pValue)}, score ${figure(facts.score)}`,
  ];
}

/** Three digits that count: nobody decides by a fourth. */
function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}

export function newRuleLines(
  { case: caseId }: CoordinatorContext,
  facts: EventFacts,
): readonly string[] {
  return [`case ${caseId}: meanwhile also ${facts.rule} (${facts.priority})`];
}

export function verdictLines(context: CoordinatorContext): readonly string[] {
  const { case: caseId, verdict, reasons, report, round } = context;
  const techniques = report?.techniques.map((technique) => technique.id).join(", ") ?? "";
  return [
    `case ${caseId}: ${verdict} in round ${round}, because ${reasons.join(", ") || "the policy says so"}`,
    ...(techniques === "" ? [] : [`techniques ${techniques}`]),
    ...context.reviews.map(
      ({ action, decision }) => `${decision.verdict}: ${action.type} ${targetName(action.target)}`,
    ),
  ];
}

/** What a person is asked, what would change, and the commands that answer. */
export function waitingLines(context: CoordinatorContext): readonly string[] {
  const { case: caseId, asked, reasons, expiresAt } = context;
  const until = expiresAt === null ? "" : ` until ${timeOf(expiresAt)}`;
  return [
    `case ${caseId} waits for a person${until}: ${reasons.join(", ")}`,
    ...(asked.length === 0 ? ["no action is proposed: look at it, and say what it was"] : []),
    ...asked.flatMap(({ action, target }) => [
      `would ${action.type} ${targetName(action.target)}`,
      ...(target?.diff ?? []).slice(0, DIFF_LINES_MAX).map((line) => `  ${line}`),
    ]),
    ...(asked.length === 0
      ? [`answer with: watchfloor dismiss ${caseId}`, `or: watchfloor investigate ${caseId}`]
      : [
          `answer with: watchfloor approve ${caseId}`,
          `or: watchfloor dismiss ${caseId}, watchfloor investigate ${caseId}`,
        ]),
  ];
}

export function performedLines(
  { case: caseId, orders, index }: CoordinatorContext,
  result: Remediation,
): readonly string[] {
  const action = orders[index]?.action;
  const what = action === undefined ? "action" : `${action.type} ${targetName(action.target)}`;
  const why = result.failure === null ? "" : ` (${result.failure.code})`;
  const undo =
    result.state === "done" && result.receipt?.inverse
      ? [`undo with: watchfloor undo ${caseId}`]
      : [];
  return [`case ${caseId}: ${what}: ${result.state}${why}`, ...undo];
}

export function answeredLines(
  { case: caseId }: CoordinatorContext,
  approval: Approval,
): readonly string[] {
  if (approval.answer === "expired") return [`case ${caseId}: nobody answered in time`];
  const by = approval.person === null ? "somebody" : approval.person.user;
  const how = approval.dismissal === null ? "" : ` as ${approval.dismissal}`;
  return [
    `case ${caseId}: ${approval.answer === "approve" ? "approved" : "dismissed"} by ${by}${how}`,
  ];
}

export function undoneLines({ case: caseId, undo }: CoordinatorContext): readonly string[] {
  return [
    `case ${caseId}: undo by ${undo?.command.person.user ?? "somebody"}`,
    ...(undo?.lines ?? []),
  ];
}

export function changedLines(context: CoordinatorContext, result: Remediation): readonly string[] {
  const record = context.actions.find(({ digest }) => digest === result.actionDigest);
  const how =
    result.state === "undone"
      ? "was undone: its time was up"
      : "could not be undone when its time was up";
  return [`case ${context.case}: ${nameOf(record)} ${how}`];
}

export function restLines(context: CoordinatorContext, how: string): readonly string[] {
  const { case: caseId, verdict, events, actions } = context;
  const done = actions.filter((record) => record.state === "done").map((record) => nameOf(record));
  return [
    `case ${caseId} ${how}: ${verdict ?? "no verdict"}, ${events} events`,
    ...(done.length === 0 ? [] : [`in force: ${done.join(", ")}`]),
  ];
}

export function faultLines(
  { case: caseId }: CoordinatorContext,
  fault: CaseFault,
): readonly string[] {
  return [
    `case ${caseId}: a message to ${fault.actor} could not be applied (${fault.code})`,
    `look at it with: watchfloor dead-letters show ${fault.letter}`,
  ];
}

export function findingsLines(
  { case: caseId }: CoordinatorContext,
  lines: readonly string[],
): readonly string[] {
  return [`case ${caseId}: findings`, ...lines.slice(0, FINDINGS_MAX).map((line) => `  ${line}`)];
}

function nameOf(record: ActionRecord | undefined): string {
  return record === undefined
    ? "an action"
    : `${record.action.type} ${targetName(record.action.target)}`;
}

function timeOf(at: number): string {
  const time = new Date(at);
  return Number.isNaN(time.getTime()) ? String(at) : time.toISOString();
}
