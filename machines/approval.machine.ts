/**
 * The boundary of: the approval. It puts one escalation to people and waits, for days if need be.
 * Only an authorised person's answer counts, as many of them as the actions need, and only until
 * the question expires.
 */
import { assign, setup } from "xstate";
import {
  accepted,
  ANSWERS_MAX,
  answering,
  approval,
  approvalContext,
  authoriseInput,
  countedSoFar,
  enough,
  expired,
  found,
  investigateInput,
  INVESTIGATIONS_MAX,
  questioned,
  refused,
  withApprover,
  type ApprovalContext,
} from "./approval.context.ts";
import type {
  ApprovalQuestion,
  Authorisation,
  AuthoriseInput,
  Findings,
  HumanAnswer,
  InvestigateInput,
} from "./calls.ts";
import { declaredCall, hostActions } from "./host.ts";
import type { ActorInput, CallFailure, MachineEvent, ReplyTo } from "./protocol.ts";
import {
  failureOf,
  FRESH_STEP,
  lastFailure,
  stepFailed,
  stepMayRetry,
  stepTimedOut,
  TOOL_RETRY,
} from "./step.ts";

export const version = 1;

type ApprovalEvent =
  | MachineEvent<"decide", ApprovalQuestion>
  | MachineEvent<"answer", HumanAnswer>
  | MachineEvent<"cancel", null>;

export const approvalMachine = setup({
  types: {
    context: {} as ApprovalContext,
    events: {} as ApprovalEvent,
    input: {} as ActorInput,
  },
  actors: {
    authorise: declaredCall<AuthoriseInput, Authorisation>(),
    investigate: declaredCall<InvestigateInput, Findings>(),
  },
  actions: {
    ...hostActions,
    take: assign(({ context }, event: MachineEvent<"decide", ApprovalQuestion>) =>
      questioned(context, event),
    ),
    queueAnswer: assign(({ context }, answer: HumanAnswer) => ({
      answers: [...context.answers, answer],
    })),
    dropAnswer: assign(({ context }) => ({ answers: context.answers.slice(1), step: FRESH_STEP })),
    countApprover: assign(({ context }) => ({
      approvers: withApprover(context.approvers, answering(context).person),
    })),
    countInvestigation: assign(({ context }) => ({
      investigations: context.investigations + 1,
      step: FRESH_STEP,
    })),
    noteFailure: assign(({ context }, error: CallFailure) => ({
      step: stepFailed(TOOL_RETRY, context.step, error),
    })),
  },
  guards: {
    isAsked: (_, replyTo: ReplyTo | null) => replyTo !== null,
    isKnown: ({ context }, answer: HumanAnswer) =>
      context.answers.some((known) => known.id === answer.id),
    isCrowded: ({ context }) => context.answers.length >= ANSWERS_MAX,
    hasAnswer: ({ context }) => context.answers.length > 0,
    isRefused: (_, authorisation: Authorisation) => !authorisation.allowed,
    saysDismiss: ({ context }) => answering(context).answer === "dismiss",
    investigatesTooOften: ({ context }) =>
      answering(context).answer === "investigate" && context.investigations >= INVESTIGATIONS_MAX,
    saysInvestigate: ({ context }) => answering(context).answer === "investigate",
    isEnough: ({ context }, authorisation: Authorisation) =>
      answering(context).answer === "approve" && enough(context, authorisation),
    timedOutAndMayRetry: ({ context }) =>
      stepTimedOut(context.step) && stepMayRetry(TOOL_RETRY, context.step),
    mayRetry: ({ context }) => stepMayRetry(TOOL_RETRY, context.step),
  },
  delays: {
    backoff: ({ context }) => context.step.delayMs,
    expiry: ({ context }) => context.expiresInMs,
  },
}).createMachine({
  id: "approval",
  context: ({ input }) => approvalContext(input.address),
  initial: "idle",
  on: { cancel: ".cancelled" },
  states: {
    idle: {
      on: {
        decide: {
          guard: { type: "isAsked", params: ({ event }) => event.meta.replyTo },
          target: "open",
          actions: { type: "take", params: ({ event }) => event },
        },
      },
    },
    // The question expires whatever is being checked at that moment.
    open: {
      initial: "waiting",
      after: {
        expiry: {
          target: "expired",
          actions: { type: "reply", params: ({ context }) => expired(context) },
        },
      },
      on: {
        answer: [
          // A repeat of one that waits to be checked.
          { guard: { type: "isKnown", params: ({ event }) => event.data } },
          {
            guard: "isCrowded",
            actions: {
              type: "tell",
              params: ({ context, event }) =>
                refused(context, event.data.id, "too many answers wait to be checked"),
            },
          },
          { actions: { type: "queueAnswer", params: ({ event }) => event.data } },
        ],
      },
      states: {
        waiting: { always: { guard: "hasAnswer", target: "authorising" } },
        authorising: {
          invoke: {
            id: "authorise",
            src: "authorise",
            input: ({ context }) => authoriseInput(context),
            onDone: [
              {
                guard: { type: "isRefused", params: ({ event }) => event.output.value },
                target: "waiting",
                actions: [
                  {
                    type: "tell",
                    params: ({ context, event }) =>
                      refused(context, answering(context).id, event.output.value.why),
                  },
                  "dropAnswer",
                ],
              },
              {
                guard: "saysDismiss",
                target: "#approval.dismissed",
                actions: [
                  {
                    type: "reply",
                    params: ({ context, event }) => approval(context, event.output.at),
                  },
                  { type: "tell", params: ({ context }) => accepted(context) },
                ],
              },
              {
                guard: "investigatesTooOften",
                target: "waiting",
                actions: [
                  {
                    type: "tell",
                    params: ({ context }) =>
                      refused(context, answering(context).id, "it was investigated often enough"),
                  },
                  "dropAnswer",
                ],
              },
              { guard: "saysInvestigate", target: "investigating", actions: "countInvestigation" },
              {
                guard: { type: "isEnough", params: ({ event }) => event.output.value },
                target: "#approval.approved",
                actions: [
                  {
                    type: "reply",
                    params: ({ context, event }) => approval(context, event.output.at),
                  },
                  { type: "tell", params: ({ context }) => accepted(context) },
                ],
              },
              {
                target: "waiting",
                actions: [
                  "countApprover",
                  {
                    type: "tell",
                    params: ({ context, event }) => [
                      countedSoFar(context, event.output.value),
                      accepted(context),
                    ],
                  },
                  "dropAnswer",
                ],
              },
            ],
            onError: {
              target: "assessingAuthorisation",
              actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
            },
          },
        },
        assessingAuthorisation: {
          always: [
            { guard: "timedOutAndMayRetry", target: "authorisationTimedOut" },
            { guard: "mayRetry", target: "authorisationBackingOff" },
            { target: "unauthorised" },
          ],
        },
        authorisationTimedOut: { after: { backoff: "authorising" } },
        authorisationBackingOff: { after: { backoff: "authorising" } },
        // Nobody could say whether this person may: then they may not.
        unauthorised: {
          entry: [
            {
              type: "tell",
              params: ({ context }) =>
                refused(
                  context,
                  answering(context).id,
                  lastFailure(context.step, "authorise").message,
                ),
            },
            "dropAnswer",
          ],
          always: "waiting",
        },
        investigating: {
          invoke: {
            id: "investigate",
            src: "investigate",
            input: ({ context }) => investigateInput(context),
            onDone: {
              target: "waiting",
              actions: [
                {
                  type: "tell",
                  params: ({ context, event }) => [
                    found(context, event.output.value.lines),
                    accepted(context),
                  ],
                },
                "dropAnswer",
              ],
            },
            onError: {
              target: "assessingInvestigation",
              actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
            },
          },
        },
        assessingInvestigation: {
          always: [
            { guard: "timedOutAndMayRetry", target: "investigationTimedOut" },
            { guard: "mayRetry", target: "investigationBackingOff" },
            { target: "notInvestigated" },
          ],
        },
        investigationTimedOut: { after: { backoff: "investigating" } },
        investigationBackingOff: { after: { backoff: "investigating" } },
        notInvestigated: {
          entry: [
            {
              type: "tell",
              params: ({ context }) => [
                found(context, [
                  `nothing found: ${lastFailure(context.step, "investigate").message}`,
                ]),
                accepted(context),
              ],
            },
            "dropAnswer",
          ],
          always: "waiting",
        },
      },
    },
    approved: { type: "final" },
    dismissed: { type: "final" },
    expired: { type: "final" },
    cancelled: { type: "final" },
  },
});
