/**
 * The boundary of: the words of the coordinator's chart. Every name the chart uses, with the pure
 * function behind it; the chart itself is in the file beside this one.
 */
import { assign, setup } from "xstate";
import { isAllowed } from "./actions.ts";
import {
  COORDINATOR_SETTINGS,
  FAULTS_MAX,
  hasRoundsLeft,
  isNewRule,
  newRound,
  type Change,
  type CoordinatorContext,
  type CoordinatorMessage,
  type Rest,
} from "./coordinator.context.ts";
import * as judging from "./coordinator.judging.ts";
import * as turns from "./coordinator.turns.ts";
import type { CaseEvent } from "./calls.ts";
import { declaredCall, hostActions } from "./host.ts";
import type { ActorInput, AskInput } from "./protocol.ts";
import type {
  AnalystReport,
  Approval,
  DetectorReport,
  Remediation,
  Review,
  LastCommand,
} from "./vocabulary.ts";

const RETENTION_MS = 30 * 24 * 3_600_000;

/** What a chart hands to a function of its context. */
export interface Scope {
  readonly context: CoordinatorContext;
}

/** A change of the case that needs what came, as an assigner. */
function by<P>(change: (context: CoordinatorContext, params: P) => Change) {
  return ({ context }: Scope, params: P): Change => change(context, params);
}

export const coordinatorSetup = setup({
  types: {
    context: {} as CoordinatorContext,
    events: {} as CoordinatorMessage,
    input: {} as ActorInput,
  },
  actors: {
    askDetector: declaredCall<AskInput, DetectorReport>(),
    askAnalyst: declaredCall<AskInput, AnalystReport>(),
    askReviewer: declaredCall<AskInput, Review>(),
    askRemediator: declaredCall<AskInput, Remediation>(),
    askApproval: declaredCall<AskInput, Approval>(),
  },
  actions: {
    ...hostActions,
    configure: assign({ settings: COORDINATOR_SETTINGS }),
    forgetNotices: assign({ outbox: [] }),
    takeEvent: assign(by(turns.eventTaken)),
    takeEventBeyondBudget: assign(by(turns.eventBeyondBudget)),
    takeFault: assign(by(turns.faultTaken)),
    startRound: assign(({ context }) => newRound(context)),
    countAsk: assign(({ context }) => ({ asks: context.asks + 1 })),
    takeEvidence: assign(by(turns.evidenceTaken)),
    missEvidence: assign(by(turns.evidenceMissed)),
    takeReport: assign(by(turns.reportTaken)),
    noteNothingProposed: assign(({ context }) => turns.nothingProposed(context)),
    missReport: assign(by(turns.analystFailed)),
    takeReview: assign(by(turns.reviewTaken)),
    missReview: assign(by(turns.reviewMissed)),
    missSecondReview: assign(by(turns.secondReviewMissed)),
    sortReviews: assign(({ context }) => judging.sorted(context)),
    takeRemediation: assign(by(turns.performed)),
    missRemediation: assign(by(turns.notPerformed)),
    decide: assign(({ context }) => turns.caseDecided(context)),
    askPerson: assign(({ context }) => turns.personAsked(context)),
    takeApproval: assign(by(turns.personAnswered)),
    missApproval: assign(by(turns.personMissed)),
    noteAnswerRefused: assign(by(turns.answerRefused)),
    noteFindings: assign(by(turns.findingsTaken)),
    noteRemediation: assign(by(turns.remediationChanged)),
    noteCommand: assign((_, lastCommand: LastCommand) => ({ lastCommand })),
    startUndo: assign(by(turns.undoStarted)),
    takeUndoReview: assign(by(turns.undoReviewed)),
    denyUndo: assign(by(turns.undoDenied)),
    missUndo: assign(by(turns.undoMissed)),
    takeUndo: assign(by(turns.undoPerformed)),
    endUndo: assign(({ context }) => turns.undoEnded(context)),
    rest: assign(by(turns.rested)),
  },
  guards: {
    isNewRuleInBudget: ({ context }, event: CaseEvent) =>
      isNewRule(context, event) && hasRoundsLeft(context),
    isNewRuleBeyondBudget: ({ context }, event: CaseEvent) =>
      isNewRule(context, event) && !hasRoundsLeft(context),
    hasProposals: (_, report: AnalystReport) => report.proposals.length > 0,
    hasMoreToReview: ({ context }) => context.index + 1 < context.proposals.length,
    hasMoreToReviewAgain: ({ context }) => context.index + 1 < context.asked.length,
    hasOrders: ({ context }) => context.orders.length > 0,
    hasMoreOrders: ({ context }) => context.index + 1 < context.orders.length,
    needsNewRound: ({ context }) => judging.needsNewRound(context),
    isEscalated: ({ context }) => context.verdict === "escalate",
    wasAskedEnough: ({ context }) =>
      context.verdict === "escalate" && judging.wasAskedEnough(context),
    isApproved: ({ context }, approval: Approval) =>
      approval.answer === "approve" && context.asked.length > 0,
    isAcknowledged: (_, approval: Approval) => approval.answer === "approve",
    isDismissed: (_, approval: Approval) => approval.answer === "dismiss",
    mayReturn: ({ context }) => context.faults < FAULTS_MAX,
    canUndo: ({ context }) => judging.undoable(context).length > 0,
    mayBeUndone: (_, review: Review) => isAllowed(review.decision),
    hasMoreToUndo: ({ context }) => judging.hasMoreToUndo(context),
    rests: ({ context }, rest: Rest) => context.rest === rest,
  },
  delays: { retention: RETENTION_MS },
});
