/**
 * The boundary of: the remediator. One allowed effect: tried dry, done once, checked, and undone by
 * command or by expiry. Without an allowed verdict it does nothing and says so; when it is not
 * known what happened, it stops and a person looks.
 */
import { assign, setup } from "xstate";
import type {
  ActInput,
  DryRun,
  RemediationOrder,
  RevertInput,
  UndoOrder,
  Verification,
  VerifyInput,
} from "./calls.ts";
import { declaredCall, hostActions } from "./host.ts";
import type { ActorInput, CallFailure, FailureData, ReplyTo } from "./protocol.ts";
import {
  actInput,
  answer,
  asked,
  effectFailure,
  hasInverse,
  lastsMs,
  mayPerform,
  mayTryAgain,
  mayUndo,
  outcomeUnknown,
  outgrewReview,
  remediation,
  refusal,
  remediatorContext,
  revertInput,
  settledAnswer,
  toldChange,
  verifyInput,
  type Asked,
  type RemediatorContext,
  type RemediatorEvent,
} from "./remediator.context.ts";
import {
  failureData,
  failureOf,
  FRESH_STEP,
  stepFailed,
  stepMayRetry,
  stepTimedOut,
  TOOL_RETRY,
} from "./step.ts";
import type { Receipt } from "./vocabulary.ts";

export const version = 1;

/** Longer than a case lives on (30 days), so that its undo always finds someone. */
const RETENTION_MS = 45 * 24 * 3_600_000;

export const remediatorMachine = setup({
  types: {
    context: {} as RemediatorContext,
    events: {} as RemediatorEvent,
    input: {} as ActorInput,
  },
  actors: {
    dryRun: declaredCall<RemediationOrder, DryRun>(),
    act: declaredCall<ActInput, Receipt>(),
    verify: declaredCall<VerifyInput, Verification>(),
    revert: declaredCall<RevertInput, Receipt>(),
  },
  actions: {
    ...hostActions,
    take: assign((_, asked: Asked<RemediationOrder>) => ({
      order: asked.order,
      replyTo: asked.replyTo,
      failure: null,
      step: FRESH_STEP,
    })),
    takeUndo: assign((_, asked: Asked<UndoOrder>) => ({
      undoDecision: asked.order.decision,
      undoBecause: "command" as const,
      replyTo: asked.replyTo,
      failure: null,
      step: FRESH_STEP,
    })),
    takeExpiry: assign({
      undoBecause: "expiry",
      replyTo: null,
      failure: null,
      step: FRESH_STEP,
    }),
    /** Whoever asks last is answered: it asks again only when it gave up on its earlier question. */
    nowAnswer: assign((_, replyTo: ReplyTo | null) => ({ replyTo })),
    noteFailure: assign(({ context }, error: CallFailure) => ({
      step: stepFailed(TOOL_RETRY, context.step, error),
      failure: failureData(error),
    })),
    noteOwnFailure: assign((_, failure: FailureData) => ({ failure })),
    noteDryRun: assign((_, dryRun: DryRun) => ({ dryRun, step: FRESH_STEP })),
    noteActBegun: assign({ outcome: "unknown" }),
    noteNothingDone: assign({ outcome: "none" }),
    noteReceipt: assign((_, receipt: Receipt) => ({
      receipt,
      outcome: "performed" as const,
      step: FRESH_STEP,
    })),
    noteUndone: assign((_, undoReceipt: Receipt) => ({ undoReceipt, failure: null })),
    forgetFailure: assign({ failure: null }),
  },
  guards: {
    isAwaited: ({ context }) => context.replyTo !== null,
    mayPerform: ({ context }, order: Asked<RemediationOrder>) => mayPerform(context, order),
    mayTryAgain: ({ context }, order: Asked<RemediationOrder>) => mayTryAgain(context, order),
    mayUndo: ({ context }, order: Asked<UndoOrder>) => mayUndo(context, order),
    outgrewReview: ({ context }, dryRun: DryRun) => outgrewReview({ ...context, dryRun }),
    outcomeUnknown: ({ context }) => outcomeUnknown(context.step),
    timedOutAndMayRetry: ({ context }) =>
      stepTimedOut(context.step) && stepMayRetry(TOOL_RETRY, context.step),
    mayRetry: ({ context }) => stepMayRetry(TOOL_RETRY, context.step),
    holds: (_, verification: Verification) => verification.holds,
    expires: ({ context }) => lastsMs(context) !== null && hasInverse(context),
  },
  delays: {
    backoff: ({ context }) => context.step.delayMs,
    expiry: ({ context }) => lastsMs(context) ?? RETENTION_MS,
    retention: RETENTION_MS,
  },
}).createMachine({
  id: "remediator",
  context: ({ input }) => remediatorContext(input.address, input.case),
  initial: "idle",
  states: {
    idle: {
      on: {
        perform: [
          {
            guard: { type: "mayPerform", params: ({ event }) => asked(event) },
            target: "performing",
            actions: { type: "take", params: ({ event }) => asked(event) },
          },
          {
            actions: {
              type: "reply",
              params: ({ context, event }) => refusal({ ...context, order: event.data }, event),
            },
          },
        ],
        undo: {
          actions: { type: "reply", params: ({ context, event }) => refusal(context, event) },
        },
      },
    },
    // One effect is under way: whoever asks for it meanwhile gets its answer.
    performing: {
      initial: "dryRunning",
      on: {
        perform: { actions: { type: "nowAnswer", params: ({ event }) => event.meta.replyTo } },
        undo: {
          actions: { type: "reply", params: ({ context, event }) => refusal(context, event) },
        },
      },
      states: {
        dryRunning: {
          invoke: {
            id: "dryRun",
            src: "dryRun",
            input: ({ context }) => context.order as RemediationOrder,
            onDone: [
              {
                guard: { type: "outgrewReview", params: ({ event }) => event.output.value },
                target: "#remediator.failing",
                actions: {
                  type: "noteOwnFailure",
                  params: ({ context }) => effectFailure(context, "target_changed"),
                },
              },
              {
                target: "acting",
                actions: { type: "noteDryRun", params: ({ event }) => event.output.value },
              },
            ],
            onError: {
              target: "assessingDryRun",
              actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
            },
          },
        },
        assessingDryRun: {
          always: [
            { guard: "timedOutAndMayRetry", target: "dryRunTimedOut" },
            { guard: "mayRetry", target: "dryRunBackingOff" },
            { target: "#remediator.failing" },
          ],
        },
        dryRunTimedOut: { after: { backoff: "dryRunning" } },
        dryRunBackingOff: { after: { backoff: "dryRunning" } },
        acting: {
          entry: "noteActBegun",
          invoke: {
            id: "act",
            src: "act",
            input: ({ context }) => actInput(context),
            onDone: {
              target: "verifying",
              actions: { type: "noteReceipt", params: ({ event }) => event.output.value },
            },
            onError: {
              target: "assessingAct",
              actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
            },
          },
        },
        // A lost answer is not a failure: only a definite one is tried again.
        assessingAct: {
          always: [
            { guard: "outcomeUnknown", target: "#remediator.failing" },
            { guard: "mayRetry", target: "actBackingOff", actions: "noteNothingDone" },
            { target: "#remediator.failing", actions: "noteNothingDone" },
          ],
        },
        actBackingOff: { after: { backoff: "acting" } },
        verifying: {
          invoke: {
            id: "verify",
            src: "verify",
            input: ({ context }) => verifyInput(context),
            onDone: [
              {
                guard: { type: "holds", params: ({ event }) => event.output.value },
                target: "#remediator.done",
                actions: [
                  "forgetFailure",
                  {
                    type: "reply",
                    params: ({ context }) => answer(context, remediation(context, "done")),
                  },
                ],
              },
              {
                target: "#remediator.failing",
                actions: {
                  type: "noteOwnFailure",
                  params: ({ context }) => effectFailure(context, "effect_not_held"),
                },
              },
            ],
            onError: {
              target: "assessingVerification",
              actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
            },
          },
        },
        assessingVerification: {
          always: [
            { guard: "timedOutAndMayRetry", target: "verificationTimedOut" },
            { guard: "mayRetry", target: "verificationBackingOff" },
            { target: "#remediator.failing" },
          ],
        },
        verificationTimedOut: { after: { backoff: "verifying" } },
        verificationBackingOff: { after: { backoff: "verifying" } },
      },
    },
    done: {
      initial: "choosing",
      on: {
        perform: {
          actions: {
            type: "reply",
            params: ({ context, event }) => settledAnswer(context, event, "done"),
          },
        },
        undo: [
          {
            guard: { type: "mayUndo", params: ({ event }) => asked(event) },
            target: "undoing",
            actions: { type: "takeUndo", params: ({ event }) => asked(event) },
          },
          { actions: { type: "reply", params: ({ context, event }) => refusal(context, event) } },
        ],
      },
      after: { retention: "archived" },
      states: {
        choosing: { always: [{ guard: "expires", target: "expiring" }, { target: "lasting" }] },
        expiring: { after: { expiry: { target: "#remediator.undoing", actions: "takeExpiry" } } },
        lasting: {},
      },
    },
    undoing: {
      initial: "reverting",
      on: {
        undo: { actions: { type: "nowAnswer", params: ({ event }) => event.meta.replyTo } },
        perform: {
          actions: {
            type: "reply",
            params: ({ context, event }) => settledAnswer(context, event, "done"),
          },
        },
      },
      states: {
        reverting: {
          invoke: {
            id: "revert",
            src: "revert",
            input: ({ context }) => revertInput(context),
            onDone: {
              target: "#remediator.undoing.undone",
              actions: { type: "noteUndone", params: ({ event }) => event.output.value },
            },
            onError: {
              target: "assessing",
              actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
            },
          },
        },
        assessing: {
          always: [
            { guard: "outcomeUnknown", target: "#remediator.failing" },
            { guard: "mayRetry", target: "backingOff" },
            { target: "#remediator.failing" },
          ],
        },
        backingOff: { after: { backoff: "reverting" } },
        undone: {
          always: [
            {
              guard: "isAwaited",
              target: "#remediator.undone",
              actions: {
                type: "reply",
                params: ({ context }) => answer(context, remediation(context, "undone")),
              },
            },
            {
              target: "#remediator.undone",
              actions: {
                type: "tell",
                params: ({ context }) => toldChange(context, remediation(context, "undone")),
              },
            },
          ],
        },
      },
    },
    // Nobody waits for what ended by expiry: then the case is told instead.
    failing: {
      always: [
        {
          guard: "isAwaited",
          target: "failedToHuman",
          actions: {
            type: "reply",
            params: ({ context }) => answer(context, remediation(context, "failed")),
          },
        },
        {
          target: "failedToHuman",
          actions: {
            type: "tell",
            params: ({ context }) => toldChange(context, remediation(context, "failed")),
          },
        },
      ],
    },
    // Alive, so that a person's undo still finds the receipt.
    failedToHuman: {
      on: {
        perform: [
          {
            guard: { type: "mayTryAgain", params: ({ event }) => asked(event) },
            target: "performing",
            actions: { type: "take", params: ({ event }) => asked(event) },
          },
          {
            actions: {
              type: "reply",
              params: ({ context, event }) => settledAnswer(context, event, "failed"),
            },
          },
        ],
        undo: [
          {
            guard: { type: "mayUndo", params: ({ event }) => asked(event) },
            target: "undoing",
            actions: { type: "takeUndo", params: ({ event }) => asked(event) },
          },
          { actions: { type: "reply", params: ({ context, event }) => refusal(context, event) } },
        ],
      },
      after: { retention: "archived" },
    },
    undone: { type: "final" },
    archived: { type: "final" },
  },
});
