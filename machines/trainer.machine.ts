/**
 * The boundary of: the trainer. It keeps what people taught, fits a candidate every week or when
 * told to, compares it with the model that serves, and promotes it only if it is no worse.
 */
import { assign, setup } from "xstate";
import type {
  Candidate,
  CaseNotice,
  CompareInput,
  Comparison,
  FitInput,
  Label,
  PromoteInput,
  Promotion,
} from "./calls.ts";
import { declaredCall, hostActions } from "./host.ts";
import type { ActorAddress, ActorInput, CallFailure, MachineEvent, Outgoing } from "./protocol.ts";
import {
  asJson,
  failureOf,
  FRESH_STEP,
  reasonOf,
  stepFailed,
  stepMayRetry,
  stepTimedOut,
  TOOL_RETRY,
  type Step,
} from "./step.ts";
import { withLabel } from "./trainer.labels.ts";

export const version = 1;

const WEEK_MS = 7 * 24 * 3_600_000;

export interface TrainerContext {
  readonly address: ActorAddress;
  readonly labels: readonly Label[];
  /** Candidates fitted so far; names the notices. */
  readonly runs: number;
  readonly candidate: Candidate | null;
  readonly comparison: Comparison | null;
  readonly last: {
    readonly result: "promoted" | "refused" | "failed";
    readonly model: string | null;
    readonly failure: string | null;
  } | null;
  readonly step: Step;
}

type TrainerEvent = MachineEvent<"label", Label> | MachineEvent<"train", null>;

function toldFault({ address, runs, step }: TrainerContext): Outgoing {
  const notice: CaseNotice = {
    id: `${address}:${runs}`,
    case: null,
    kind: "fault",
    lines: [`the model was not trained again: ${reasonOf(step)}; the one that serves goes on`],
  };
  return { to: "notifier/trainer", type: "notice", data: asJson(notice) };
}

export const trainerMachine = setup({
  types: {
    context: {} as TrainerContext,
    events: {} as TrainerEvent,
    input: {} as ActorInput,
  },
  actors: {
    fitCandidate: declaredCall<FitInput, Candidate>(),
    compareCandidate: declaredCall<CompareInput, Comparison>(),
    promoteCandidate: declaredCall<PromoteInput, Promotion>(),
  },
  actions: {
    ...hostActions,
    store: assign(({ context }, label: Label) => ({ labels: withLabel(context.labels, label) })),
    startRun: assign(({ context }) => ({
      runs: context.runs + 1,
      candidate: null,
      comparison: null,
      step: FRESH_STEP,
    })),
    noteCandidate: assign((_, candidate: Candidate) => ({ candidate, step: FRESH_STEP })),
    noteComparison: assign((_, comparison: Comparison) => ({ comparison, step: FRESH_STEP })),
    noteFailure: assign(({ context }, error: CallFailure) => ({
      step: stepFailed(TOOL_RETRY, context.step, error),
    })),
    noteResult: assign(({ context }, result: "promoted" | "refused" | "failed") => ({
      last: {
        result,
        model: context.candidate?.model ?? null,
        failure: result === "failed" ? reasonOf(context.step) : null,
      },
    })),
  },
  guards: {
    isWorse: (_, comparison: Comparison) => comparison.worse,
    timedOutAndMayRetry: ({ context }) =>
      stepTimedOut(context.step) && stepMayRetry(TOOL_RETRY, context.step),
    mayRetry: ({ context }) => stepMayRetry(TOOL_RETRY, context.step),
  },
  delays: { backoff: ({ context }) => context.step.delayMs, week: WEEK_MS },
}).createMachine({
  id: "trainer",
  context: ({ input }) => ({
    address: input.address,
    labels: [],
    runs: 0,
    candidate: null,
    comparison: null,
    last: null,
    step: FRESH_STEP,
  }),
  initial: "idle",
  on: { label: { actions: { type: "store", params: ({ event }) => event.data } } },
  states: {
    idle: {
      on: { train: { target: "fitting", actions: "startRun" } },
      after: { week: { target: "fitting", actions: "startRun" } },
    },
    fitting: {
      invoke: {
        id: "fitCandidate",
        src: "fitCandidate",
        input: ({ context }) => ({ labels: context.labels }),
        onDone: {
          target: "comparing",
          actions: { type: "noteCandidate", params: ({ event }) => event.output.value },
        },
        onError: {
          target: "assessingFit",
          actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
        },
      },
    },
    assessingFit: {
      always: [
        { guard: "timedOutAndMayRetry", target: "fitTimedOut" },
        { guard: "mayRetry", target: "fitBackingOff" },
        { target: "failing" },
      ],
    },
    fitTimedOut: { after: { backoff: "fitting" } },
    fitBackingOff: { after: { backoff: "fitting" } },
    comparing: {
      invoke: {
        id: "compareCandidate",
        src: "compareCandidate",
        input: ({ context }) => ({ candidate: context.candidate as Candidate }),
        onDone: [
          {
            guard: { type: "isWorse", params: ({ event }) => event.output.value },
            target: "refusing",
            actions: { type: "noteComparison", params: ({ event }) => event.output.value },
          },
          {
            target: "promoting",
            actions: { type: "noteComparison", params: ({ event }) => event.output.value },
          },
        ],
        onError: {
          target: "assessingComparison",
          actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
        },
      },
    },
    assessingComparison: {
      always: [
        { guard: "timedOutAndMayRetry", target: "comparisonTimedOut" },
        { guard: "mayRetry", target: "comparisonBackingOff" },
        { target: "failing" },
      ],
    },
    comparisonTimedOut: { after: { backoff: "comparing" } },
    comparisonBackingOff: { after: { backoff: "comparing" } },
    promoting: {
      invoke: {
        id: "promoteCandidate",
        src: "promoteCandidate",
        input: ({ context }) => ({
          candidate: context.candidate as Candidate,
          comparison: context.comparison as Comparison,
        }),
        onDone: { target: "idle", actions: { type: "noteResult", params: "promoted" } },
        onError: {
          target: "assessingPromotion",
          actions: { type: "noteFailure", params: ({ event }) => failureOf(event) },
        },
      },
    },
    assessingPromotion: {
      always: [
        { guard: "timedOutAndMayRetry", target: "promotionTimedOut" },
        { guard: "mayRetry", target: "promotionBackingOff" },
        { target: "failing" },
      ],
    },
    promotionTimedOut: { after: { backoff: "promoting" } },
    promotionBackingOff: { after: { backoff: "promoting" } },
    // The model that serves stays: the candidate was worse.
    refusing: { entry: { type: "noteResult", params: "refused" }, always: "idle" },
    failing: {
      entry: [
        { type: "noteResult", params: "failed" },
        { type: "tell", params: ({ context }) => toldFault(context) },
      ],
      always: "idle",
    },
  },
});
