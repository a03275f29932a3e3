/**
 * The boundary of: what an approval knows of its one question. Who answered, who may, and until
 * when; pure functions only.
 */
import type {
  ApprovalAccepted,
  ApprovalQuestion,
  ApprovalRefused,
  Authorisation,
  AuthoriseInput,
  Findings,
  HumanAnswer,
  InvestigateInput,
} from "./calls.ts";
import type { ActorAddress, MachineEvent, Outgoing, Reply, ReplyTo } from "./protocol.ts";
import { asJson, FRESH_STEP, nobody, type Step } from "./step.ts";
import type { Approval, Person } from "./vocabulary.ts";

export const EXPIRY_MS = 72 * 3_600_000;
/** Answers that wait while one is being checked. */
export const ANSWERS_MAX = 16;
export const INVESTIGATIONS_MAX = 20;
const LINES_MAX = 40;
/** People needed are few; more approvers than this are not counted. */
const APPROVERS_MAX = 8;

export interface ApprovalContext {
  readonly address: ActorAddress;
  readonly replyTo: ReplyTo;
  readonly question: ApprovalQuestion | null;
  readonly expiresAt: number;
  readonly expiresInMs: number;
  /** The first is being checked. */
  readonly answers: readonly HumanAnswer[];
  /** Distinct people who approved and were allowed to. */
  readonly approvers: readonly Person[];
  readonly investigations: number;
  readonly step: Step;
}

export function approvalContext(address: ActorAddress): ApprovalContext {
  return {
    address,
    replyTo: nobody(address),
    question: null,
    expiresAt: 0,
    expiresInMs: EXPIRY_MS,
    answers: [],
    approvers: [],
    investigations: 0,
    step: FRESH_STEP,
  };
}

export function questioned(
  context: ApprovalContext,
  event: MachineEvent<"decide", ApprovalQuestion>,
): Partial<ApprovalContext> {
  const expiresInMs = event.data.expiresInMs ?? EXPIRY_MS;
  return {
    question: event.data,
    replyTo: event.meta.replyTo ?? context.replyTo,
    expiresInMs,
    expiresAt: event.meta.at + expiresInMs,
  };
}

function asked(context: ApprovalContext): ApprovalQuestion {
  return context.question as ApprovalQuestion;
}

export function answering(context: ApprovalContext): HumanAnswer {
  return context.answers[0] as HumanAnswer;
}

export function authoriseInput(context: ApprovalContext): AuthoriseInput {
  const { approvers } = context;
  return { answer: answering(context), reviews: asked(context).reviews, approvers };
}

export function investigateInput(context: ApprovalContext): InvestigateInput {
  const { case: caseId, entity, reviews } = asked(context);
  return { case: caseId, entity, actions: reviews.map((review) => review.action) };
}

/** Approvers with this one: one person counts once, whatever they call themselves. */
export function withApprover(approvers: readonly Person[], person: Person): readonly Person[] {
  const known = approvers.some((approver) => approver.uid === person.uid);
  return known || approvers.length >= APPROVERS_MAX ? approvers : [...approvers, person];
}

export function enough(context: ApprovalContext, { peopleNeeded }: Authorisation): boolean {
  return withApprover(context.approvers, answering(context).person).length >= peopleNeeded;
}

export function approval(context: ApprovalContext, at: number): Reply {
  const { answer, person, reason, dismissal } = answering(context);
  return replied(context, {
    answer: answer === "approve" ? "approve" : "dismiss",
    person,
    reason,
    dismissal: answer === "dismiss" ? dismissal : null,
    at,
    actionDigests: digests(context),
  });
}

export function expired(context: ApprovalContext): Reply {
  return replied(context, {
    answer: "expired",
    person: null,
    reason: null,
    dismissal: null,
    at: context.expiresAt,
    actionDigests: digests(context),
  });
}

function replied(context: ApprovalContext, answer: Approval): Reply {
  return { to: context.replyTo, output: asJson(answer) };
}

function digests(context: ApprovalContext): readonly string[] {
  return asked(context).reviews.map((review) => review.actionDigest);
}

export function refused(context: ApprovalContext, id: string, why: string): Outgoing {
  const data: ApprovalRefused = { id, why };
  return toCoordinator(context, "approval.refused", data);
}

export function found(context: ApprovalContext, lines: readonly string[]): Outgoing {
  const data: Findings = { lines: lines.slice(0, LINES_MAX) };
  return toCoordinator(context, "approval.findings", data);
}

/** The answer that was just checked counted: the person who gave it is told through the case. */
export function accepted(context: ApprovalContext): Outgoing {
  const data: ApprovalAccepted = { id: answering(context).id };
  return toCoordinator(context, "approval.accepted", data);
}

/** One of several needed: said, so that nobody believes it is done. */
export function countedSoFar(context: ApprovalContext, { peopleNeeded }: Authorisation): Outgoing {
  const have = context.approvers.length;
  return found(context, [`${have} of ${peopleNeeded} people approved; another person must too`]);
}

function toCoordinator(context: ApprovalContext, type: string, data: object): Outgoing {
  return { to: `coordinator/${asked(context).case}`, type, data: asJson(data) };
}
