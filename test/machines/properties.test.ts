/**
 * Goal: whatever comes, in whatever order, a chart stays in its declared states, within its budgets,
 * ends clean, and lets no effect happen without an allowed verdict. Method: arbitrary sequences of
 * messages, results, failures and timers; the walk itself checks JSON, calls and timers each step.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { AnyStateNode } from "xstate";
import { isAllowed } from "../../machines/actions.ts";
import { MODEL_RETRY, type AnalystContext } from "../../machines/analyst.context.ts";
import { ANSWERS_MAX, type ApprovalContext } from "../../machines/approval.context.ts";
import type { ActInput, RemediationOrder, RevertInput, UndoOrder } from "../../machines/calls.ts";
import {
  COORDINATOR_SETTINGS,
  COUNTS_MAX,
  FACTS_MAX,
  SECOND_REVIEWS_MAX,
  type CoordinatorContext,
} from "../../machines/coordinator.context.ts";
import { coordinatorHistory, coordinatorSummary } from "../../machines/coordinator.views.ts";
import { KINDS, type AskInput, type Kind } from "../../machines/protocol.ts";
import { TOOL_RETRY, type Step } from "../../machines/step.ts";
import { CASE } from "../kit/case-parts.ts";
import { CHARTS } from "../kit/charts.ts";
import { stateName, Walk } from "../kit/walk.ts";
import { ADDRESSES, make, movesOf } from "../kit/chart-moves.ts";

function declaredStates(node: AnyStateNode): string[] {
  return [
    node.path.join("."),
    ...Object.values(node.states).flatMap((child) => declaredStates(child as AnyStateNode)),
  ];
}

const CONTEXT_BYTES_MAX = 150_000;

/** What must hold of a kind after every step, beyond what holds of all. */
const LAWS: Readonly<Record<Kind, (walk: Walk) => void>> = {
  ingest: () => {},
  coordinator: coordinatorLaw,
  detector: (walk) => withinBudget(walk.context<{ step: Step }>().step),
  analyst: (walk) => {
    const { model, rules } = walk.context<AnalystContext>();
    assert.ok(model.attempts <= MODEL_RETRY.attemptsMax);
    withinBudget(rules);
    assert.ok(walk.replies.length <= 1, "one answer");
    assert.ok(
      walk.started.filter((call) => call.src === "classify").length <= MODEL_RETRY.attemptsMax,
    );
  },
  reviewer: (walk) => {
    withinBudget(walk.context<{ step: Step }>().step);
    assert.ok(walk.replies.length <= 1, "one answer");
    if (walk.ended && walk.state !== "cancelled") assert.equal(walk.replies.length, 1);
  },
  remediator: remediatorLaw,
  notifier: (walk) => assert.ok(walk.context<{ step: Step }>().step.attempts <= 6),
  approval: (walk) => {
    const { step, answers } = walk.context<ApprovalContext>();
    withinBudget(step);
    assert.ok(answers.length <= ANSWERS_MAX);
  },
  trainer: (walk) => withinBudget(walk.context<{ step: Step }>().step),
};

function withinBudget(step: Step): void {
  assert.ok(step.attempts <= TOOL_RETRY.attemptsMax, `${step.attempts} attempts`);
}

function coordinatorLaw(walk: Walk): void {
  const context = walk.context<CoordinatorContext>();
  assert.ok(context.round <= COORDINATOR_SETTINGS.roundsMax);
  assert.ok(context.secondReviews <= SECOND_REVIEWS_MAX);
  assert.ok(context.facts.length <= FACTS_MAX && context.counts.length <= COUNTS_MAX);
  assert.deepEqual(context.outbox, [], "every notice was told");
  for (const call of walk.started.filter((one) => one.src === "askRemediator")) {
    const { type, data } = call.input as AskInput;
    const decided =
      type === "perform"
        ? (data as unknown as RemediationOrder).review.decision
        : (data as unknown as UndoOrder).decision;
    assert.ok(isAllowed(decided), `${type} without an allowed verdict`);
  }
  const asks = walk.started
    .map((call) => call.input as AskInput)
    .filter((ask) => ask.type !== "perform" && ask.type !== "undo");
  assert.equal(new Set(asks.map((ask) => ask.to)).size, asks.length, "an agent's id is used once");
  assert.ok(coordinatorSummary(walk.state, context).state.length > 0);
  assert.ok(coordinatorHistory({ type: "case.event", data: null, meta: null }, context));
  const told = walk.toldOf("notice").map((message) => (message.data as { id: string }).id);
  assert.equal(new Set(told).size, told.length, "a notice's id is used once");
}

function remediatorLaw(walk: Walk): void {
  withinBudget(walk.context<{ step: Step }>().step);
  for (const call of walk.started) {
    if (call.src === "act") assert.ok(isAllowed((call.input as ActInput).order.review.decision));
    if (call.src === "revert") {
      const { because, decision: decided } = call.input as RevertInput;
      assert.ok(because === "expiry" || (decided !== null && isAllowed(decided)));
    }
  }
}

describe("the charts, whatever comes", () => {
  for (const kind of KINDS) {
    it(`${kind} keeps its laws`, () => {
      const { machine } = CHARTS[kind];
      const declared = new Set(declaredStates(machine.root));
      fc.assert(
        fc.property(movesOf(kind), (moves) => {
          const walk = new Walk(machine, ADDRESSES[kind], kind === "ingest" ? null : CASE);
          for (const move of moves) {
            if (walk.ended) break;
            make(walk, move);
            assert.ok(declared.has(stateName(walk.snapshot.value)), `undeclared ${walk.state}`);
            assert.ok(JSON.stringify(walk.snapshot.context).length < CONTEXT_BYTES_MAX);
            LAWS[kind](walk);
          }
        }),
        { numRuns: 120 },
      );
    });
  }

  it("remediator acts once at most on what may have happened", () => {
    fc.assert(
      fc.property(movesOf("remediator"), (moves) => {
        const walk = new Walk(CHARTS.remediator.machine, ADDRESSES.remediator, CASE);
        let mayHaveHappened = 0;
        for (const move of moves) {
          if (walk.ended) break;
          const before = walk.calls.has("act");
          make(walk, move);
          const { outcome } = walk.context<{ outcome: string }>();
          if (before && !walk.calls.has("act") && outcome !== "none") mayHaveHappened += 1;
          assert.ok(mayHaveHappened <= 1, "a second act after one that may have happened");
        }
      }),
      { numRuns: 200 },
    );
  });
});
