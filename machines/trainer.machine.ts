/**
 * The boundary of: the trainer. It keeps what people taught, fits a candidate every week, after their
 * verdicts or when told to, compares it with the model that serves, and promotes it only if it is no
 * worse.
 */
import { assign, setup } from "xstate";
import type {
  Candidate,
  CaseNotice,
  CompareInput,
  Comparison,
  FitInput,
  ForgetOrder,
  Label,
  PromoteInput,
  Promotion,
  TrainOrder,
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

export const version = 2;

const WEEK_MS = 7 * 24 * 3_600_000;
/** Verdicts that come together teach together. */
const GATHER_MS = 5_000;

export interface TrainerContext {
  readonly address: ActorAddress;
  readonly labels: readonly Label[];
  /** Labels came or went since the last fit began. */
  readonly taught: boolean;
  /** What asked for the run under way, or for the last one. */
  readonly why: string;
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

type TrainerEvent =
  | MachineEvent<"label", Label>
  | MachineEvent<"train", TrainOrder>
  | MachineEvent<"forget", ForgetOrder>
  | MachineEvent<"wake", null>;

function toldFault({ address, runs, step }: TrainerContext): Outgoing {
  const notice: CaseNotice = {
    id: `${address}:${runs}`,
    case: null,
    kind: "fault",
    lines: [`the model was not trained again: ${reasonOf(step)}; the one that serves goes on`],
  };
  return { to: "notifier/trainer", type: "notice", data: asJson(notice) };
}

function toldResult(context: TrainerContext, result: "promoted" | "refused"): Outgoing {
  const { address, runs, why, candidate } = context;
  const version = `version ${candidate?.version ?? "?"}`;
  const became =
    result === "promoted"
      ? `${version} serves now`
      : `${version} is worse than what serves, and was refused`;
  const notice: CaseNotice = {
    id: `${address}:${runs}`,
    case: null,
    kind: "learning",
    lines: [`the model was trained again (${why}): ${became}`],
  };
  return { to: "notifier/trainer", type: "notice", data: asJson(notice) };
}

const startedBy = {
  target: "fitting",
  actions: {
    type: "startRun",
    params: ({ event }: { event: MachineEvent<"train", TrainOrder> }) => event.data.why,
  },
} as const;

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
    store: assign(({ context }, label: Label) => ({
      labels: withLabel(context.labels, label),
      taught: true,
    })),
    forget: assign(({ context }, { user }: ForgetOrder) => ({
      labels: context.labels.filter(({ person }) => person.user !== user),
      taught: true,
    })),
    startRun: assign(({ context }, why: string) => ({
      runs: context.runs + 1,
      why,
      taught: false,
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
    wasTaught: ({ context }) => context.taught,
    timedOutAndMayRetry: ({ context }) =>
      stepTimedOut(context.step) && stepMayRetry(TOOL_RETRY, context.step),
    mayRetry: ({ context }) => stepMayRetry(TOOL_RETRY, context.step),
  },
  delays: { backoff: ({ context }) => context.step.delayMs, week: WEEK_MS, gather: GATHER_MS },
}).createMachine({
  id: "trainer",
  context: ({ input }) => ({
    address: input.address,
    labels: [],
    taught: false,
    why: "",
    runs: 0,
    candidate: null,
    comparison: null,
    last: null,
    step: FRESH_STEP,
  }),
  initial: "idle",
  on: {
    label: { actions: { type: "store", params: ({ event }) => event.data } },
    forget: { actions: { type: "forget", params: ({ event }) => event.data } },
    // Says only that there is a trainer: its week has begun.
    wake: {},
  },
  states: {
    idle: {
      always: { guard: "wasTaught", target: "gathering" },
      on: { train: startedBy },
      after: { week: { target: "fitting", actions: { type: "startRun", params: "a week" } } },
    },
    gathering: {
      on: {
        label: {
          target: "gathering",
          reenter: true,
          actions: { type: "store", params: ({ event }) => event.data },
        },
        train: startedBy,
      },
      after: { gather: { target: "fitting", actions: { type: "startRun", params: "verdicts" } } },
    },
    fitting: {
      invoke: {
        id: "fitCandidate",
        src: "fitCandidate",
        input: ({ context }) => ({ labels: context.labels, why: context.why }),
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
        input: ({ context }) => ({
          candidate: context.candidate as Candidate,
          labels: context.labels,
        }),
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
          why: context.why,
        }),
        onDone: {
          target: "idle",
          actions: [
            { type: "noteResult", params: "promoted" },
            { type: "tell", params: ({ context }) => toldResult(context, "promoted") },
          ],
        },
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
    refusing: {
      entry: [
        { type: "noteResult", params: "refused" },
        { type: "tell", params: ({ context }) => toldResult(context, "refused") },
      ],
      always: "idle",
    },
    failing: {
      entry: [
        { type: "noteResult", params: "failed" },
        { type: "tell", params: ({ context }) => toldFault(context) },
      ],
      always: "idle",
    },
  },
});
