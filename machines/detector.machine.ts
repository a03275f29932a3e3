/**
 * The boundary of: the detector. It gathers the evidence of one case in one round: one question,
 * one answer, or the failure that was left after the last attempt.
 */
import { assign, setup } from "xstate";
import type { GatherInput } from "./calls.ts";
import { declaredCall, hostActions } from "./host.ts";
import type { ActorInput, CallFailure, MachineEvent, ReplyTo } from "./protocol.ts";
import {
  asJson,
  failureOf,
  FRESH_STEP,
  lastFailure,
  nobody,
  stepFailed,
  stepMayRetry,
  stepTimedOut,
  TOOL_RETRY,
  type Step,
} from "./step.ts";
import type { DetectorReport } from "./vocabulary.ts";

export const version = 1;

export interface DetectorContext {
  readonly replyTo: ReplyTo;
  readonly question: GatherInput | null;
  readonly step: Step;
}

type DetectorEvent = MachineEvent<"gather", GatherInput> | MachineEvent<"cancel", null>;

export const detectorMachine = setup({
  types: {
    context: {} as DetectorContext,
    events: {} as DetectorEvent,
    input: {} as ActorInput,
  },
  actors: { gatherEvidence: declaredCall<GatherInput, DetectorReport>() },
  actions: {
    ...hostActions,
    take: assign((_, asked: { question: GatherInput; replyTo: ReplyTo }) => asked),
    noteFailure: assign(({ context }, error: CallFailure) => ({
      step: stepFailed(TOOL_RETRY, context.step, error),
    })),
  },
  guards: {
    isAsked: (_, replyTo: ReplyTo | null) => replyTo !== null,
    timedOutAndMayRetry: ({ context }) =>
      stepTimedOut(context.step) && stepMayRetry(TOOL_RETRY, context.step),
    mayRetry: ({ context }) => stepMayRetry(TOOL_RETRY, context.step),
  },
  delays: { backoff: ({ context }) => context.step.delayMs },
}).createMachine({
  id: "detector",
  context: ({ input }) => ({
    replyTo: nobody(input.address),
    question: null,
    step: FRESH_STEP,
  }),
  initial: "idle",
  on: { cancel: ".cancelled" },
  states: {
    idle: {
      on: {
        gather: {
          guard: { type: "isAsked", params: ({ event }) => event.meta.replyTo },
          target: "gathering",
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
    gathering: {
      invoke: {
        id: "gatherEvidence",
        src: "gatherEvidence",
        input: ({ context }) => context.question as GatherInput,
        onDone: {
          target: "done",
          actions: {
            type: "reply",
            params: ({ context, event }) => ({
              to: context.replyTo,
              output: asJson(event.output.value),
            }),
          },
        },
        onError: {
          target: "assessing",
          actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
        },
      },
    },
    assessing: {
      always: [
        { guard: "timedOutAndMayRetry", target: "timedOut" },
        { guard: "mayRetry", target: "backingOff" },
        { target: "exhausted" },
      ],
    },
    timedOut: { after: { backoff: "gathering" } },
    backingOff: { after: { backoff: "gathering" } },
    exhausted: {
      entry: {
        type: "reply",
        params: ({ context }) => ({
          to: context.replyTo,
          error: lastFailure(context.step, "gatherEvidence"),
        }),
      },
      type: "final",
    },
    done: { type: "final" },
    cancelled: { type: "final" },
  },
});
