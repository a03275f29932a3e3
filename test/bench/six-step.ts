/**
 * The boundary of: the six-step chart. One actor, six tool calls that resolve at once, about 1 KB of
 * state, durable after each step: what every engine of this bench is given to do.
 */
import { assign, setup } from "xstate";
import type { ActorDefinition, ToolBinding } from "../../actors/define.ts";
import { declaredCall } from "../../machines/host.ts";
import type { ActorAddress, Envelope, Json, MachineEvent } from "../../machines/protocol.ts";
import { shardOf } from "../../supervisor/placement.ts";

export const STEPS = ["gather", "map", "propose", "review", "act", "verify"] as const;
/** The first turn takes the case in, and one turn takes each result. */
export const TURNS_PER_CASE = STEPS.length + 1;
export const NOTE = "0123456789abcdef".repeat(56);
export const TRACEPARENT = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;

interface SixStepContext {
  readonly note: string;
  readonly results: readonly Json[];
}

type Step = (typeof STEPS)[number];

function stepState(step: Step, index: number) {
  const next: string = STEPS[index + 1] ?? "done";
  return {
    invoke: {
      id: step,
      src: "step",
      input: { step },
      onDone: { target: next, actions: "keep" },
    },
  } as const;
}

export const sixStepMachine = setup({
  types: { context: {} as SixStepContext, events: {} as MachineEvent<"begin", { note: string }> },
  actors: { step: declaredCall<Json, Json>() },
  actions: {
    keep: assign({
      results: ({ context, event }) => [
        ...context.results,
        (event as unknown as { output: { value: Json } }).output.value,
      ],
    }),
  },
}).createMachine({
  id: "six-step",
  initial: "waiting",
  context: { note: "", results: [] },
  states: {
    waiting: {
      on: {
        begin: { target: "gather", actions: assign({ note: ({ event }) => event.data.note }) },
      },
    },
    gather: stepState("gather", 0),
    map: stepState("map", 1),
    propose: stepState("propose", 2),
    review: stepState("review", 3),
    act: stepState("act", 4),
    verify: stepState("verify", 5),
    done: { type: "final" },
  },
});

const step: ToolBinding = {
  call: "tool",
  recovery: "retry",
  timeoutMs: 60_000,
  concurrencyMax: 1_000,
  run: (input) => Promise.resolve({ ok: true, of: input }),
};

/** Hosted under a kind that exists; what the kind usually does plays no part. */
export const sixStepDefinition: ActorDefinition = {
  kind: "detector",
  version: 1,
  machine: sixStepMachine,
  calls: { step },
};

export function sixStepActor(n: number): ActorAddress {
  return `detector/b-${n}`;
}

export function beginCase(n: number, shardCount: number): { shard: string; envelope: Envelope } {
  const to = sixStepActor(n);
  const envelope: Envelope = {
    id: `begin-${n}`,
    from: "edge/bench",
    to,
    type: "begin",
    data: { note: NOTE },
    traceparent: TRACEPARENT,
    case: `b-${n}`,
    cause: null,
    replyTo: null,
    shard: null,
    seq: null,
  };
  return { shard: shardOf(to, shardCount), envelope };
}
