/**
 * The boundary of: the reviewer. One proposed action in, one verdict out, and always a verdict: what
 * cannot be described, asked or believed is escalated. It knows no rule itself, and no model.
 */
import { assign, setup } from "xstate";
import { actionDigest, escalation, isVerdict } from "./actions.ts";
import type { DescribeInput, EvaluateInput, ReviewQuestion } from "./calls.ts";
import { declaredCall, hostActions } from "./host.ts";
import type { ActorInput, CallFailure, MachineEvent, Reply, ReplyTo } from "./protocol.ts";
import {
  asJson,
  failureOf,
  FRESH_STEP,
  nobody,
  reasonOf,
  stepFailed,
  stepMayRetry,
  stepTimedOut,
  TOOL_RETRY,
  type Step,
} from "./step.ts";
import type { Decision, Review, TargetState, Verdict } from "./vocabulary.ts";

export const version = 1;

export interface ReviewerContext {
  readonly replyTo: ReplyTo;
  readonly question: ReviewQuestion | null;
  readonly target: TargetState | null;
  /** Why the target is not known; null while it is, or was not asked for yet. */
  readonly targetUnknown: string | null;
  readonly step: Step;
}

type ReviewerEvent = MachineEvent<"review", ReviewQuestion> | MachineEvent<"cancel", null>;

function asked(context: ReviewerContext): ReviewQuestion {
  return context.question as ReviewQuestion;
}

function evaluateInput(context: ReviewerContext): EvaluateInput {
  const question = asked(context);
  return { question, actionDigest: actionDigest(question.action), target: context.target };
}

function reviewed(context: ReviewerContext, decision: Decision): Reply {
  const { action, confidence } = asked(context);
  const digest = actionDigest(action);
  const review: Review = {
    action,
    actionDigest: digest,
    decision,
    confidence,
    target: context.target,
  };
  return { to: context.replyTo, output: asJson(review) };
}

export const reviewerMachine = setup({
  types: {
    context: {} as ReviewerContext,
    events: {} as ReviewerEvent,
    input: {} as ActorInput,
  },
  actors: {
    describeTarget: declaredCall<DescribeInput, TargetState>(),
    evaluateAction: declaredCall<EvaluateInput, Decision>(),
  },
  actions: {
    ...hostActions,
    take: assign((_, question: { question: ReviewQuestion; replyTo: ReplyTo }) => question),
    noteFailure: assign(({ context }, error: CallFailure) => ({
      step: stepFailed(TOOL_RETRY, context.step, error),
    })),
    noteTarget: assign((_, target: TargetState) => ({ target, step: FRESH_STEP })),
    noteTargetUnknown: assign(({ context }) => ({
      target: null,
      targetUnknown: reasonOf(context.step),
      step: FRESH_STEP,
    })),
  },
  guards: {
    isAsked: (_, replyTo: ReplyTo | null) => replyTo !== null,
    isTimeout: ({ context }) =>
      stepTimedOut(context.step) && stepMayRetry(TOOL_RETRY, context.step),
    mayRetry: ({ context }) => stepMayRetry(TOOL_RETRY, context.step),
    decided: (_, decided: { decision: Decision; verdict: Verdict }) =>
      decided.decision.verdict === decided.verdict,
    isUnbelievable: (_, decision: Decision) => !isVerdict(decision.verdict),
  },
  delays: { backoff: ({ context }) => context.step.delayMs },
}).createMachine({
  id: "reviewer",
  context: ({ input }) => ({
    replyTo: nobody(input.address),
    question: null,
    target: null,
    targetUnknown: null,
    step: FRESH_STEP,
  }),
  initial: "idle",
  on: { cancel: ".cancelled" },
  states: {
    idle: {
      on: {
        review: {
          guard: { type: "isAsked", params: ({ event }) => event.meta.replyTo },
          target: "describing",
          actions: {
            type: "take",
            params: ({ context, event }) => ({
              question: event.data,
              replyTo: event.meta.replyTo ?? context.replyTo,
            }),
          },
        },
      },
    },
    describing: {
      invoke: {
        id: "describeTarget",
        src: "describeTarget",
        input: ({ context }) => ({ action: asked(context).action }),
        onDone: {
          target: "evaluating",
          actions: { type: "noteTarget", params: ({ event }) => event.output.value },
        },
        onError: {
          target: "assessingDescription",
          actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
        },
      },
    },
    assessingDescription: {
      always: [
        { guard: "isTimeout", target: "descriptionTimedOut" },
        { guard: "mayRetry", target: "descriptionBackingOff" },
        { target: "targetUnknown" },
      ],
    },
    descriptionTimedOut: { after: { backoff: "describing" } },
    descriptionBackingOff: { after: { backoff: "describing" } },
    // The policy is still asked: what it makes of an unknown target is its own rule.
    targetUnknown: { entry: "noteTargetUnknown", always: "evaluating" },
    evaluating: {
      invoke: {
        id: "evaluateAction",
        src: "evaluateAction",
        input: ({ context }) => evaluateInput(context),
        onDone: [
          {
            guard: { type: "isUnbelievable", params: ({ event }) => event.output.value },
            target: "escalate",
            actions: {
              type: "reply",
              params: ({ context }) =>
                reviewed(context, escalation("tool_bad_result", asked(context))),
            },
          },
          {
            guard: {
              type: "decided",
              params: ({ event }) => ({
                decision: event.output.value,
                verdict: "auto_execute" as const,
              }),
            },
            target: "auto_execute",
            actions: {
              type: "reply",
              params: ({ context, event }) => reviewed(context, event.output.value),
            },
          },
          {
            guard: {
              type: "decided",
              params: ({ event }) => ({
                decision: event.output.value,
                verdict: "auto_reject" as const,
              }),
            },
            target: "auto_reject",
            actions: {
              type: "reply",
              params: ({ context, event }) => reviewed(context, event.output.value),
            },
          },
          {
            target: "escalate",
            actions: {
              type: "reply",
              params: ({ context, event }) => reviewed(context, event.output.value),
            },
          },
        ],
        onError: {
          target: "assessingEvaluation",
          actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
        },
      },
    },
    assessingEvaluation: {
      always: [
        { guard: "isTimeout", target: "evaluationTimedOut" },
        { guard: "mayRetry", target: "evaluationBackingOff" },
        { target: "failedClosed" },
      ],
    },
    evaluationTimedOut: { after: { backoff: "evaluating" } },
    evaluationBackingOff: { after: { backoff: "evaluating" } },
    failedClosed: {
      entry: {
        type: "reply",
        params: ({ context }) =>
          reviewed(context, escalation(reasonOf(context.step), asked(context))),
      },
      always: "escalate",
    },
    auto_execute: { type: "final" },
    auto_reject: { type: "final" },
    escalate: { type: "final" },
    cancelled: { type: "final" },
  },
});
