/**
 * The boundary of: a chart and whatever may come to it. Arbitrary messages, results, failures and timers,
 * of every kind of agent; those that nobody should send among them.
 */
import fc from "fast-check";
import { actionDigest, shortDigest } from "../../machines/actions.ts";
import { ERRORS } from "../../machines/errors.ts";
import { type ActorAddress, type Kind } from "../../machines/protocol.ts";
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
} from "./case-parts.ts";
import { CHARTS } from "./charts.ts";
import { Walk } from "./walk.ts";

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
    ["train", fc.constant({ why: "asked for" })],
    ["forget", fc.constant({ user: PERSON.user })],
    ["wake", fc.constant(null)],
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

export const ADDRESSES: Readonly<Record<Kind, ActorAddress>> = {
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

export function movesOf(kind: Kind): fc.Arbitrary<Move[]> {
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

export function make(walk: Walk, move: Move): void {
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
