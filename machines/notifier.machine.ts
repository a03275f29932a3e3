/**
 * The boundary of: the notifier. It tells people one notice at a time, in order. What cannot be
 * delivered now waits; only what can never be delivered is put aside, and counted.
 */
import { assign, setup } from "xstate";
import type { CaseNotice } from "./calls.ts";
import { declaredCall, hostActions } from "./host.ts";
import { enqueued, remembered, spoken, type Queued } from "./notifier.queue.ts";
import type { ActorInput, CallFailure, MachineEvent } from "./protocol.ts";
import type { RetryPolicy } from "./retry.ts";
import {
  failureOf,
  FRESH_STEP,
  stepFailed,
  stepMayRetry,
  stepTimedOut,
  type Step,
} from "./step.ts";

export const version = 1;

const DELIVERY_RETRY: RetryPolicy = { attemptsMax: 6, delayMsMin: 1_000, delayMsMax: 60_000 };
/** After a round of attempts without success it rests this long, at most ROUNDS_MAX times: 2 days. */
const REST_MS = 30 * 60_000;
export const ROUNDS_MAX = 96;
/** A case ends 30 days after it settled; its thread is kept longer, so that nothing comes too late. */
const RETENTION_MS = 45 * 24 * 3_600_000;

export interface NotifierContext {
  /** The thread of a case ends some day; that of the floor itself does not. */
  readonly perCase: boolean;
  readonly queue: readonly Queued[];
  readonly delivered: readonly string[];
  readonly undelivered: number;
  readonly rounds: number;
  readonly step: Step;
}

type NotifierEvent = MachineEvent<"notice", CaseNotice>;

export const notifierMachine = setup({
  types: {
    context: {} as NotifierContext,
    events: {} as NotifierEvent,
    input: {} as ActorInput,
  },
  actors: { deliverNotice: declaredCall<CaseNotice, null>() },
  actions: {
    ...hostActions,
    enqueue: assign(({ context }, notice: CaseNotice) => ({
      queue: enqueued(context.queue, context.delivered, notice),
    })),
    noteDelivered: assign(({ context }) => ({
      delivered: remembered(context.delivered, context.queue[0]?.notice.id ?? ""),
      queue: context.queue.slice(1),
      rounds: 0,
      step: FRESH_STEP,
    })),
    putAside: assign(({ context }) => ({
      queue: context.queue.slice(1),
      undelivered: context.undelivered + (context.queue[0]?.stands ?? 0),
      rounds: 0,
      step: FRESH_STEP,
    })),
    noteFailure: assign(({ context }, error: CallFailure) => ({
      step: stepFailed(DELIVERY_RETRY, context.step, error),
    })),
    startRound: assign(({ context }) => ({ rounds: context.rounds + 1, step: FRESH_STEP })),
  },
  guards: {
    hasNotice: ({ context }) => context.queue.length > 0,
    timedOutAndMayRetry: ({ context }) =>
      stepTimedOut(context.step) && stepMayRetry(DELIVERY_RETRY, context.step),
    mayRetry: ({ context }) => stepMayRetry(DELIVERY_RETRY, context.step),
    mayRest: ({ context }) =>
      context.step.failure?.retryable === true && context.rounds < ROUNDS_MAX,
    isPerCase: ({ context }) => context.perCase,
  },
  delays: {
    backoff: ({ context }) => context.step.delayMs,
    rest: REST_MS,
    retention: RETENTION_MS,
  },
}).createMachine({
  id: "notifier",
  context: ({ input }) => ({
    perCase: input.case !== null && input.address === `notifier/${input.case}`,
    queue: [],
    delivered: [],
    undelivered: 0,
    rounds: 0,
    step: FRESH_STEP,
  }),
  initial: "choosing",
  on: { notice: { actions: { type: "enqueue", params: ({ event }) => event.data } } },
  states: {
    choosing: {
      always: [
        { guard: "hasNotice", target: "delivering" },
        { guard: "isPerCase", target: "idle" },
        { target: "onDuty" },
      ],
    },
    idle: {
      always: { guard: "hasNotice", target: "delivering" },
      after: { retention: "archived" },
    },
    onDuty: { always: { guard: "hasNotice", target: "delivering" } },
    delivering: {
      invoke: {
        id: "deliverNotice",
        src: "deliverNotice",
        input: ({ context }) => spoken(context.queue[0] as Queued),
        onDone: { target: "choosing", actions: "noteDelivered" },
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
        { guard: "mayRest", target: "resting" },
        { target: "undeliverable" },
      ],
    },
    timedOut: { after: { backoff: "delivering" } },
    backingOff: { after: { backoff: "delivering" } },
    resting: { after: { rest: { target: "delivering", actions: "startRound" } } },
    undeliverable: { entry: "putAside", always: "choosing" },
    archived: { type: "final" },
  },
});
