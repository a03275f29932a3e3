/**
 * Goal: whatever comes, in whatever order, a chart stays in its declared states, within its budgets,
 * ends clean, and lets no effect happen without an allowed verdict. Method: arbitrary sequences of
 * messages, results, failures and timers; the walk itself checks JSON, calls and timers each step.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { AnyStateNode } from "xstate";
import { actionDigest, isAllowed, shortDigest } from "../../machines/actions.ts";
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
import { ERRORS } from "../../machines/errors.ts";
import { KINDS, type ActorAddress, type AskInput, type Kind } from "../../machines/protocol.ts";
import { TOOL_RETRY, type Step } from "../../machines/step.ts";
import type { Verdict } from "../../machines/vocabulary.ts";
import {
  analyseQuestion,
  answer,
  approval,
  CASE,
  decision,
  DETECTOR,
  ENTITY,
  facts,
  ISOLATE,
  item,
  LABEL,
  PERSON,
  question,
  receipt,
  remediated,
  report,
  review,
  TARGET,
} from "../kit/case-parts.ts";
import { CHARTS } from "../kit/charts.ts";
import { stateName, Walk } from "../kit/walk.ts";

type Move =
  | {
      readonly move: "message";
      readonly type: string;
      readonly data: unknown;
      readonly asked: boolean;
    }
  | { readonly move: "result"; readonly pick: number; readonly values: number }
  | { readonly move: "failure"; readonly pick: number; readonly code: string }
  | { readonly move: "timer"; readonly pick: number }
  | { readonly move: "stray"; readonly src: string; readonly values: number };

const verdicts: fc.Arbitrary<Verdict> = fc.constantFrom("auto_execute", "auto_reject", "escalate");
const decisions = fc
  .tuple(
    verdicts,
    fc.constantFrom([], [], ["record_only"], ["undo_after:5000"], ["undo_after:soon"]),
  )
  .map(([verdict, obligations]) => decision(verdict, { obligations }));
const reviews = fc
  .tuple(fc.constantFrom(ISOLATE, LABEL), decisions)
  .map(([action, decided]) => ({ ...review(action, "escalate"), decision: decided }));
const caseEvents = fc
  .tuple(fc.nat(200), fc.nat(6), fc.constantFrom(1, 100))
  .map(([n, rule, events]) => ({ facts: facts(n, { rule: `Rule ${rule}` }), events }));

const MESSAGES: Readonly<Record<Kind, readonly (readonly [string, fc.Arbitrary<unknown>])[]>> = {
  ingest: [
    [
      "batch",
      fc.record({
        items: fc.array(
          fc
            .tuple(fc.nat(99), fc.boolean(), fc.nat(9_999_999))
            .map(([n, forward, ms]) => item(n, { forward, at: facts(0).at + ms })),
          { maxLength: 20 },
        ),
      }),
    ],
  ],
  coordinator: [
    ["case.event", caseEvents],
    ["case.event", caseEvents],
    [
      "case.fault",
      fc.constant({
        letter: "dl-1",
        actor: "detector/x",
        case: CASE,
        code: "machine_failed",
        at: 1,
      }),
    ],
    ["human.answer", fc.constantFrom(answer("approve"), answer("dismiss"), answer("investigate"))],
    ["human.undo", fc.constant({ id: "u1", person: PERSON, reason: null })],
    ["approval.accepted", fc.constant({ id: "a1" })],
    ["approval.refused", fc.constant({ id: "a1", why: "no" })],
    ["approval.findings", fc.constant({ lines: ["one"] })],
    [
      "remediation.changed",
      fc.constantFrom(remediated(ISOLATE, "undone"), remediated(ISOLATE, "failed")),
    ],
  ],
  detector: [
    ["gather", fc.constant({ case: CASE, entity: ENTITY, facts: [], counts: [] })],
    ["cancel", fc.constant(null)],
  ],
  analyst: [
    [
      "analyse",
      fc.constantFrom(
        analyseQuestion(),
        analyseQuestion({ engine: "rules" }),
        analyseQuestion({ tokensMax: 150 }),
      ),
    ],
    ["cancel", fc.constant(null)],
  ],
  reviewer: [
    ["review", fc.constant(question())],
    ["cancel", fc.constant(null)],
  ],
  remediator: [
    ["perform", reviews.map((one) => ({ question: question(one.action), review: one }))],
    ["perform", fc.constant({ question: question(), review: review(ISOLATE, "auto_execute") })],
    ["undo", decisions.map((decided) => ({ decision: decided }))],
    ["cancel", fc.constant(null)],
  ],
  notifier: [
    [
      "notice",
      fc.nat(50).map((n) => ({ id: `${CASE}:${n}`, case: CASE, kind: "opened", lines: ["x"] })),
    ],
  ],
  approval: [
    [
      "decide",
      fc.constant({
        case: CASE,
        entity: ENTITY,
        reviews: [review(ISOLATE, "escalate")],
        mode: null,
      }),
    ],
    [
      "answer",
      fc
        .tuple(
          fc.constantFrom(answer("approve"), answer("dismiss"), answer("investigate")),
          fc.nat(30),
        )
        .map(([one, n]) => ({ ...one, id: `a${n}` })),
    ],
    ["cancel", fc.constant(null)],
  ],
  trainer: [
    [
      "label",
      fc.nat(40).map((n) => ({
        case: `c-${n}`,
        digests: ["d"],
        benign: true,
        dismissal: "expected",
        person: PERSON,
        at: n,
      })),
    ],
    ["train", fc.constant(null)],
  ],
};

const USAGE = {
  engine: "model",
  model: "m",
  calls: 1,
  inputTokens: 50_000,
  outputTokens: 900,
  costMicroUsd: 3,
};
const readings = [
  report([ISOLATE]),
  report([]),
  report([ISOLATE, LABEL], { benign: true, usage: { ...USAGE, engine: "model" } }),
];
const reviewed = [
  review(ISOLATE, "auto_execute"),
  review(LABEL, "auto_execute"),
  review(ISOLATE, "auto_reject"),
  review(ISOLATE, "escalate"),
  review(ISOLATE, "auto_execute", { obligations: ["record_only"] }),
];
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  gatherEvidence: [DETECTOR],
  askDetector: [DETECTOR],
  classify: readings,
  classifyByRules: readings,
  askAnalyst: readings,
  describeTarget: [TARGET],
  evaluateAction: [
    decision("auto_execute"),
    decision("auto_reject"),
    decision("escalate"),
    decision("sure" as Verdict),
  ],
  askReviewer: reviewed,
  askRemediator: [
    remediated(ISOLATE, "done"),
    remediated(ISOLATE, "failed"),
    remediated(ISOLATE, "skipped"),
    remediated(ISOLATE, "undone"),
  ],
  askApproval: [
    approval("approve"),
    approval("dismiss", { dismissal: "expected" }),
    approval("expired"),
  ],
  dryRun: [
    { version: "v1", diff: [], blast: TARGET.blast },
    { version: "v1", diff: [], blast: { ...TARGET.blast, pods: 99 } },
  ],
  act: [receipt(ISOLATE), receipt(ISOLATE, { inverse: null })],
  verify: [{ holds: true }, { holds: false }],
  revert: [receipt(ISOLATE)],
  deliverNotice: [null],
  authorise: [
    { allowed: true, peopleNeeded: 1, why: "" },
    { allowed: true, peopleNeeded: 2, why: "" },
    { allowed: false, peopleNeeded: 1, why: "no" },
  ],
  investigate: [{ lines: ["one"] }],
  fitCandidate: [{ model: "m2", rows: 1, labels: 1 }],
  compareCandidate: [
    { worse: true, figures: null },
    { worse: false, figures: null },
  ],
  promoteCandidate: [{ model: "m2" }],
};

const ADDRESSES: Readonly<Record<Kind, ActorAddress>> = {
  ingest: "ingest/0",
  coordinator: `coordinator/${CASE}`,
  detector: `detector/${CASE}.1`,
  analyst: `analyst/${CASE}.1`,
  reviewer: `reviewer/${CASE}.1.0`,
  remediator: `remediator/${CASE}.${shortDigest(actionDigest(ISOLATE))}`,
  notifier: `notifier/${CASE}`,
  approval: `approval/${CASE}.1`,
  trainer: "trainer/forest",
};

function movesOf(kind: Kind): fc.Arbitrary<Move[]> {
  const message = fc.oneof(
    ...MESSAGES[kind].map(([type, data]) =>
      fc.record({
        move: fc.constant("message" as const),
        type: fc.constant(type),
        data,
        asked: fc.boolean(),
      }),
    ),
    fc.constant({
      move: "message" as const,
      type: "unheard.of",
      data: { text: "?" },
      asked: false,
    }),
  );
  const pick = fc.nat(50);
  const sources = Object.keys(CHARTS[kind].machine.implementations.actors);
  const src = sources.length === 0 ? fc.constant("nothing") : fc.constantFrom(...sources);
  const code = fc.constantFrom(...Object.keys(ERRORS), "a_code_of_tomorrow");
  return fc.array(
    fc.oneof(
      { weight: 3, arbitrary: message },
      {
        weight: 6,
        arbitrary: fc.record({ move: fc.constant("result" as const), pick, values: pick }),
      },
      { weight: 3, arbitrary: fc.record({ move: fc.constant("failure" as const), pick, code }) },
      { weight: 3, arbitrary: fc.record({ move: fc.constant("timer" as const), pick }) },
      {
        weight: 1,
        arbitrary: fc.record({ move: fc.constant("stray" as const), src, values: pick }),
      },
    ),
    { maxLength: 60 },
  );
}

function make(walk: Walk, move: Move): void {
  if (move.move === "message") {
    walk.send(move.type, move.data, move.asked ? {} : { replyTo: null });
  } else if (move.move === "timer") {
    const names = [...walk.timers.keys()];
    if (names.length > 0) walk.fire(names[move.pick % names.length]);
  } else if (move.move === "stray") {
    if (!walk.calls.has(move.src)) walk.stray(move.src, valueOf(move.src, move.values));
  } else {
    const calls = [...walk.calls.values()];
    const call = calls[move.pick % Math.max(1, calls.length)];
    if (call === undefined) return;
    if (move.move === "result") walk.done(call.id, valueOf(call.src, move.values));
    else walk.fail(call.id, move.code);
  }
}

function valueOf(src: string, n: number): unknown {
  const values = VALUES[src] ?? [null];
  return values[n % values.length];
}

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
