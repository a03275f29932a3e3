/**
 * The boundary of: the coordinator. It works one case: orders the other agents, holds the budget,
 * lets nothing be done that the policy did not allow, and puts to a person whatever is in doubt.
 * A settled case stays alive: late events, and a person's undo, still find it.
 */
import { assign } from "xstate";
import * as asks from "./coordinator.asks.ts";
import { coordinatorContext, type CoordinatorSettings } from "./coordinator.context.ts";
import { tellNotices } from "./coordinator.notices.ts";
import { coordinatorSetup, type Scope } from "./coordinator.setup.ts";
import { accepted, refused } from "./coordinator.turns.ts";
import type { CallFailure, Outgoing } from "./protocol.ts";
import { failureOf, type Answered, type Failed } from "./step.ts";

export const version = 1;

const message = <E>({ event }: { readonly event: E }): E => event;
const data = <D>({ event }: { readonly event: { readonly data: D } }): D => event.data;
const output = <O>({ event }: { readonly event: { readonly output: O } }): O => event.output;
const value = <V>({ event }: { readonly event: Answered<V> }): V => event.output.value;
const failure = ({ event }: { readonly event: Failed }): CallFailure => failureOf(event);
const notices = ({ context }: Scope): readonly Outgoing[] => tellNotices(context);

// A new rule on a case that waits or rests: a harmless alarm must not cover the next one.
const newRound = {
  guard: { type: "isNewRuleInBudget", params: data },
  target: "detecting",
  actions: { type: "takeEvent", params: message },
} as const;

export const coordinatorMachine = coordinatorSetup.createMachine({
  id: "coordinator",
  context: ({ input }) => coordinatorContext(input),
  entry: "configure",
  initial: "opening",
  // What holds while agents work; the states that wait or rest say what they do otherwise.
  on: {
    "case.event": {
      actions: [
        { type: "takeEvent", params: message },
        { type: "tell", params: notices },
        "forgetNotices",
      ],
    },
    "case.fault": {
      actions: [
        { type: "takeFault", params: message },
        { type: "tell", params: notices },
        "forgetNotices",
      ],
    },
    "human.answer": {
      actions: { type: "noteCommand", params: ({ event }) => refused(event, "not_waiting") },
    },
    "human.undo": {
      actions: { type: "noteCommand", params: ({ event }) => refused(event, "case_working") },
    },
    "approval.accepted": {
      actions: { type: "noteCommand", params: ({ event }) => accepted(event) },
    },
    "approval.refused": {
      actions: [
        { type: "noteAnswerRefused", params: message },
        { type: "tell", params: notices },
        "forgetNotices",
      ],
    },
    "approval.findings": {
      actions: [
        { type: "noteFindings", params: message },
        { type: "tell", params: notices },
        "forgetNotices",
      ],
    },
    "remediation.changed": {
      actions: [
        { type: "noteRemediation", params: message },
        { type: "tell", params: notices },
        "forgetNotices",
      ],
    },
  },
  states: {
    opening: {
      on: {
        "case.event": { target: "detecting", actions: { type: "takeEvent", params: message } },
        "case.fault": { target: "awaitingHuman", actions: { type: "takeFault", params: message } },
      },
    },
    detecting: {
      entry: ["startRound", "countAsk", { type: "tell", params: notices }, "forgetNotices"],
      invoke: {
        id: "askDetector",
        src: "askDetector",
        input: ({ context }) => asks.askDetector(context),
        onDone: { target: "analysing", actions: { type: "takeEvidence", params: output } },
        onError: { target: "analysing", actions: { type: "missEvidence", params: failure } },
      },
    },
    analysing: {
      entry: "countAsk",
      invoke: {
        id: "askAnalyst",
        src: "askAnalyst",
        input: ({ context }) => asks.askAnalyst(context),
        onDone: [
          {
            guard: { type: "hasProposals", params: value },
            target: "reviewing",
            actions: { type: "takeReport", params: output },
          },
          {
            target: "deciding",
            actions: [{ type: "takeReport", params: output }, "noteNothingProposed"],
          },
        ],
        onError: { target: "deciding", actions: { type: "missReport", params: failure } },
      },
    },
    reviewing: {
      entry: "countAsk",
      invoke: {
        id: "askReviewer",
        src: "askReviewer",
        input: ({ context }) => asks.askReviewer(context),
        onDone: [
          {
            guard: "hasMoreToReview",
            target: "reviewing",
            reenter: true,
            actions: { type: "takeReview", params: output },
          },
          { target: "sorting", actions: { type: "takeReview", params: output } },
        ],
        onError: [
          {
            guard: "hasMoreToReview",
            target: "reviewing",
            reenter: true,
            actions: { type: "missReview", params: failure },
          },
          { target: "sorting", actions: { type: "missReview", params: failure } },
        ],
      },
    },
    sorting: {
      entry: "sortReviews",
      always: [{ guard: "hasOrders", target: "acting" }, { target: "deciding" }],
    },
    acting: {
      entry: ["countAsk", { type: "tell", params: notices }, "forgetNotices"],
      invoke: {
        id: "askRemediator",
        src: "askRemediator",
        input: ({ context }) => asks.askRemediator(context),
        onDone: [
          {
            guard: "hasMoreOrders",
            target: "acting",
            reenter: true,
            actions: { type: "takeRemediation", params: output },
          },
          { target: "deciding", actions: { type: "takeRemediation", params: output } },
        ],
        onError: [
          {
            guard: "hasMoreOrders",
            target: "acting",
            reenter: true,
            actions: { type: "missRemediation", params: failure },
          },
          { target: "deciding", actions: { type: "missRemediation", params: failure } },
        ],
      },
    },
    deciding: {
      entry: "decide",
      always: [
        { guard: "needsNewRound", target: "detecting" },
        { guard: "wasAskedEnough", target: "settled.escalated" },
        { guard: "isEscalated", target: "awaitingHuman" },
        { target: "settled.closed" },
      ],
    },
    awaitingHuman: {
      entry: ["askPerson", "countAsk", { type: "tell", params: notices }, "forgetNotices"],
      invoke: {
        id: "askApproval",
        src: "askApproval",
        input: ({ context }) => asks.askApproval(context),
        onDone: [
          {
            guard: { type: "isApproved", params: value },
            target: "secondReviewing",
            actions: { type: "takeApproval", params: output },
          },
          {
            guard: { type: "isAcknowledged", params: value },
            target: "answered",
            actions: { type: "takeApproval", params: output },
          },
          {
            guard: { type: "isDismissed", params: value },
            target: "answered",
            actions: [
              { type: "takeApproval", params: output },
              {
                type: "tell",
                params: ({ context, event }) => asks.tellLabel(context, event.output.value),
              },
            ],
          },
          { target: "settled.escalated", actions: { type: "takeApproval", params: output } },
        ],
        onError: {
          target: "settled.failedToHuman",
          actions: { type: "missApproval", params: failure },
        },
      },
      on: {
        "case.event": newRound,
        "human.answer": {
          actions: {
            type: "tell",
            params: ({ context, event }) => asks.tellAnswer(context, event.data),
          },
        },
        "human.undo": [
          {
            guard: "canUndo",
            target: "undoReviewing",
            actions: { type: "startUndo", params: message },
          },
          {
            actions: {
              type: "noteCommand",
              params: ({ event }) => refused(event, "nothing_to_undo"),
            },
          },
        ],
      },
    },
    // An answer is about what was seen: a rule that came meanwhile is looked at first.
    answered: {
      always: [{ guard: "needsNewRound", target: "detecting" }, { target: "settled.closed" }],
    },
    secondReviewing: {
      entry: ["countAsk", { type: "tell", params: notices }, "forgetNotices"],
      invoke: {
        id: "askReviewerAgain",
        src: "askReviewer",
        input: ({ context }) => asks.askReviewerAgain(context),
        onDone: [
          {
            guard: "hasMoreToReviewAgain",
            target: "secondReviewing",
            reenter: true,
            actions: { type: "takeReview", params: output },
          },
          { target: "sorting", actions: { type: "takeReview", params: output } },
        ],
        onError: [
          {
            guard: "hasMoreToReviewAgain",
            target: "secondReviewing",
            reenter: true,
            actions: { type: "missSecondReview", params: failure },
          },
          { target: "sorting", actions: { type: "missSecondReview", params: failure } },
        ],
      },
    },
    undoReviewing: {
      entry: "countAsk",
      invoke: {
        id: "askUndoReview",
        src: "askReviewer",
        input: ({ context }) => asks.askUndoReview(context),
        onDone: [
          {
            guard: { type: "mayBeUndone", params: value },
            target: "undoing",
            actions: { type: "takeUndoReview", params: output },
          },
          {
            guard: "hasMoreToUndo",
            target: "undoReviewing",
            reenter: true,
            actions: { type: "denyUndo", params: output },
          },
          { target: "undone", actions: { type: "denyUndo", params: output } },
        ],
        onError: [
          {
            guard: "hasMoreToUndo",
            target: "undoReviewing",
            reenter: true,
            actions: { type: "missUndo", params: failure },
          },
          { target: "undone", actions: { type: "missUndo", params: failure } },
        ],
      },
    },
    undoing: {
      entry: "countAsk",
      invoke: {
        id: "askUndo",
        src: "askRemediator",
        input: ({ context }) => asks.askUndo(context),
        onDone: [
          {
            guard: "hasMoreToUndo",
            target: "undoReviewing",
            actions: { type: "takeUndo", params: output },
          },
          { target: "undone", actions: { type: "takeUndo", params: output } },
        ],
        onError: [
          {
            guard: "hasMoreToUndo",
            target: "undoReviewing",
            actions: { type: "missUndo", params: failure },
          },
          { target: "undone", actions: { type: "missUndo", params: failure } },
        ],
      },
    },
    undone: {
      entry: "endUndo",
      always: [
        { guard: "needsNewRound", target: "detecting" },
        { guard: { type: "rests", params: "closed" }, target: "settled.closed" },
        { guard: { type: "rests", params: "escalated" }, target: "settled.escalated" },
        { guard: { type: "rests", params: "failedToHuman" }, target: "settled.failedToHuman" },
        { target: "awaitingHuman" },
      ],
    },
    settled: {
      initial: "closed",
      after: { retention: "archived" },
      on: {
        "case.event": newRound,
        "human.undo": [
          {
            guard: "canUndo",
            target: "undoReviewing",
            actions: { type: "startUndo", params: message },
          },
          {
            actions: {
              type: "noteCommand",
              params: ({ event }) => refused(event, "nothing_to_undo"),
            },
          },
        ],
      },
      states: {
        closed: {
          entry: [
            { type: "rest", params: "closed" },
            { type: "tell", params: notices },
            "forgetNotices",
          ],
          on: {
            "case.event": {
              guard: { type: "isNewRuleBeyondBudget", params: data },
              target: "#coordinator.awaitingHuman",
              actions: { type: "takeEventBeyondBudget", params: message },
            },
            "case.fault": {
              guard: "mayReturn",
              target: "#coordinator.awaitingHuman",
              actions: { type: "takeFault", params: message },
            },
          },
        },
        escalated: {
          entry: [
            { type: "rest", params: "escalated" },
            { type: "tell", params: notices },
            "forgetNotices",
          ],
        },
        failedToHuman: {
          entry: [
            { type: "rest", params: "failedToHuman" },
            { type: "tell", params: notices },
            "forgetNotices",
          ],
        },
      },
    },
    archived: { type: "final" },
  },
});

/** The machine with other budgets, or with a model; a case keeps the settings it was opened with. */
export function coordinatorMachineWith(settings: CoordinatorSettings): typeof coordinatorMachine {
  return coordinatorMachine.provide({ actions: { configure: assign({ settings }) } });
}
