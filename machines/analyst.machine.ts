/**
 * The boundary of: the analyst. It reads hostile text in quarantine through one call at a time and
 * answers enums, ids and numbers. Each way in which a model can fail is a state of its own; after
 * the last of them the table of rules answers, and says so.
 */
import { assign, setup } from "xstate";
import {
  analystContext,
  attemptsLeft,
  budgetSpent,
  classifyInput,
  loopsOverTools,
  MAX_TOKENS_LIMIT,
  mayGrow,
  modelFailed,
  reported,
  tokensLeft,
  toolLooped,
  type AnalystContext,
} from "./analyst.context.ts";
import type { AnalyseQuestion, AnalystReading, ClassifyInput } from "./calls.ts";
import { declaredCall, hostActions } from "./host.ts";
import type { ActorInput, CallFailure, MachineEvent, ReplyTo } from "./protocol.ts";
import {
  failureOf,
  lastFailure,
  nobody,
  stepFailed,
  stepMayRetry,
  stepTimedOut,
  TOOL_RETRY,
} from "./step.ts";

export const version = 1;

type AnalystEvent = MachineEvent<"analyse", AnalyseQuestion> | MachineEvent<"cancel", null>;

export const analystMachine = setup({
  types: {
    context: {} as AnalystContext,
    events: {} as AnalystEvent,
    input: {} as ActorInput,
  },
  actors: {
    classify: declaredCall<ClassifyInput, AnalystReading>(),
    classifyByRules: declaredCall<ClassifyInput, AnalystReading>(),
  },
  actions: {
    ...hostActions,
    take: assign((_, asked: { question: AnalyseQuestion; replyTo: ReplyTo }) => asked),
    noteModelFailure: assign(({ context }, error: CallFailure) => modelFailed(context, error)),
    noteRulesFailure: assign(({ context }, error: CallFailure) => ({
      rules: stepFailed(TOOL_RETRY, context.rules, error),
    })),
    noteToolLoop: assign(({ context }) => toolLooped(context)),
    noteBudgetSpent: assign(({ context }) => budgetSpent(context)),
    askForRepair: assign({ repair: true }),
    doubleTokens: assign(({ context }) => ({
      maxTokens: Math.min(context.maxTokens * 2, MAX_TOKENS_LIMIT),
    })),
  },
  guards: {
    isAsked: (_, replyTo: ReplyTo | null) => replyTo !== null,
    modelChosen: ({ context }) => context.question?.engine === "model",
    nothingLeft: ({ context }) => !attemptsLeft(context) || !tokensLeft(context),
    failedWith: ({ context }, code: string) => context.model.failure?.code === code,
    loopsOverTools: ({ context }) => loopsOverTools(context),
    failedForGood: ({ context }) => context.model.failure?.retryable !== true,
    modelTimedOut: ({ context }) =>
      context.model.failure?.code === "model_timeout" || stepTimedOut(context.model),
    outgrown: ({ context }) => !mayGrow(context),
    rulesTimedOut: ({ context }) =>
      stepTimedOut(context.rules) && stepMayRetry(TOOL_RETRY, context.rules),
    mayRetryRules: ({ context }) => stepMayRetry(TOOL_RETRY, context.rules),
  },
  delays: {
    modelBackoff: ({ context }) => context.model.delayMs,
    rulesBackoff: ({ context }) => context.rules.delayMs,
  },
}).createMachine({
  id: "analyst",
  context: ({ input }) => analystContext(nobody(input.address)),
  initial: "idle",
  on: { cancel: ".cancelled" },
  states: {
    idle: {
      on: {
        analyse: {
          guard: { type: "isAsked", params: ({ event }) => event.meta.replyTo },
          target: "choosing",
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
    choosing: {
      always: [{ guard: "modelChosen", target: "checkingBudget" }, { target: "fallingBack" }],
    },
    checkingBudget: {
      always: [{ guard: "nothingLeft", target: "budgetSpent" }, { target: "classifying" }],
    },
    classifying: {
      invoke: {
        id: "classify",
        src: "classify",
        input: ({ context }) => classifyInput(context),
        onDone: {
          target: "done",
          actions: {
            type: "reply",
            params: ({ context, event }) => reported(context, event.output.value),
          },
        },
        onError: {
          target: "assessing",
          actions: { type: "noteModelFailure", params: ({ event }) => failureOf(event) },
        },
      },
    },
    // Which failure was it? What can never succeed goes first, then what is left of the budget.
    assessing: {
      always: [
        { guard: { type: "failedWith", params: "model_refused" }, target: "refused" },
        { guard: "loopsOverTools", target: "toolLooped" },
        { guard: "failedForGood", target: "rejected" },
        { guard: "nothingLeft", target: "budgetSpent" },
        { guard: { type: "failedWith", params: "model_rate_limited" }, target: "rateLimited" },
        { guard: { type: "failedWith", params: "model_overloaded" }, target: "overloaded" },
        { guard: "modelTimedOut", target: "timedOut" },
        { guard: { type: "failedWith", params: "model_stream_cut" }, target: "cutOff" },
        { guard: { type: "failedWith", params: "model_body_broken" }, target: "unreadable" },
        { guard: { type: "failedWith", params: "model_bad_schema" }, target: "repairing" },
        { guard: { type: "failedWith", params: "model_max_tokens" }, target: "shortened" },
        { guard: { type: "failedWith", params: "model_tool_asked" }, target: "toolAsked" },
        { target: "unavailable" },
      ],
    },
    // 429: `retry-after` is a floor of the back-off.
    rateLimited: { after: { modelBackoff: "classifying" } },
    overloaded: { after: { modelBackoff: "classifying" } },
    timedOut: { after: { modelBackoff: "classifying" } },
    cutOff: { after: { modelBackoff: "classifying" } },
    unreadable: { after: { modelBackoff: "classifying" } },
    unavailable: { after: { modelBackoff: "classifying" } },
    toolAsked: { after: { modelBackoff: "classifying" } },
    repairing: { entry: "askForRepair", after: { modelBackoff: "classifying" } },
    shortened: {
      always: { guard: "outgrown", target: "budgetSpent" },
      after: { modelBackoff: { target: "classifying", actions: "doubleTokens" } },
    },
    refused: { always: "fallingBack" },
    rejected: { always: "fallingBack" },
    toolLooped: { entry: "noteToolLoop", always: "fallingBack" },
    budgetSpent: { entry: "noteBudgetSpent", always: "fallingBack" },
    fallingBack: {
      invoke: {
        id: "classifyByRules",
        src: "classifyByRules",
        input: ({ context }) => classifyInput(context),
        onDone: {
          target: "done",
          actions: {
            type: "reply",
            params: ({ context, event }) => reported(context, event.output.value),
          },
        },
        onError: {
          target: "assessingRules",
          actions: { type: "noteRulesFailure", params: ({ event }) => failureOf(event) },
        },
      },
    },
    assessingRules: {
      always: [
        { guard: "rulesTimedOut", target: "rulesTimedOut" },
        { guard: "mayRetryRules", target: "rulesBackingOff" },
        { target: "exhausted" },
      ],
    },
    rulesTimedOut: { after: { rulesBackoff: "fallingBack" } },
    rulesBackingOff: { after: { rulesBackoff: "fallingBack" } },
    exhausted: {
      entry: {
        type: "reply",
        params: ({ context }) => ({
          to: context.replyTo,
          error: lastFailure(context.rules, "classifyByRules"),
        }),
      },
      type: "final",
    },
    done: { type: "final" },
    cancelled: { type: "final" },
  },
});
