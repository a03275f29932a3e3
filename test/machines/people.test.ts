/** Goal: people are told and heard: approval, notifier and trainer. Method: walked by hand. */
import assert from "node:assert/strict";
import type { ApprovalContext } from "../../machines/approval.context.ts";
import { ANSWERS_MAX, EXPIRY_MS, INVESTIGATIONS_MAX } from "../../machines/approval.context.ts";
import { approvalMachine } from "../../machines/approval.machine.ts";
import type { CaseNotice, CompareInput, FitInput, Label } from "../../machines/calls.ts";
import {
  notifierMachine,
  ROUNDS_MAX,
  type NotifierContext,
} from "../../machines/notifier.machine.ts";
import { QUEUE_CHARS_MAX, QUEUE_MAX } from "../../machines/notifier.queue.ts";
import { DIGESTS_MAX, weightOf } from "../../machines/trainer.labels.ts";
import { trainerMachine, type TrainerContext } from "../../machines/trainer.machine.ts";
import type { Approval } from "../../machines/vocabulary.ts";
import { answer, CASE, ENTITY, ISOLATE, PERSON, review } from "../kit/case-parts.ts";
import { START_MS, Walk } from "../kit/walk.ts";

describe("approval", () => {
  const bob = { user: "bob", uid: 1002, as: null };
  const asked = (over: object = {}): Walk =>
    new Walk(approvalMachine, `approval/${CASE}.1`).send("decide", {
      case: CASE,
      entity: ENTITY,
      reviews: [review(ISOLATE, "escalate")],
      mode: "enforce",
      ...over,
    });
  const allow = { allowed: true, peopleNeeded: 1, why: "" };
  const last = (walk: Walk): Approval => walk.replies.at(-1)?.output as unknown as Approval;

  it("answers with the person who may, bound to the actions they were asked about", () => {
    const walk = asked()
      .send("answer", answer("approve", { reason: "seen" }))
      .done("authorise", allow);
    assert.equal(walk.state, "approved");
    assert.deepEqual(walk.toldOf("approval.accepted")[0]?.data, { id: "answer-approve" });
    const { answer: said, person, reason, actionDigests } = last(walk);
    assert.deepEqual([said, person?.user, reason], ["approve", "ada", "seen"]);
    assert.deepEqual(actionDigests, [review(ISOLATE, "escalate").actionDigest]);
  });

  it("answers with the kind of dismissal", () => {
    const walk = asked()
      .send("answer", answer("dismiss", { dismissal: "expected" }))
      .done("authorise", allow);
    assert.equal(walk.state, "dismissed");
    assert.equal(last(walk).dismissal, "expected");
  });

  it("goes on waiting after a person who may not, and says why", () => {
    const walk = asked().send("answer", answer("approve"));
    walk.done("authorise", { allowed: false, peopleNeeded: 1, why: "not on the list" });
    assert.equal(walk.state, "open.waiting");
    assert.deepEqual(walk.toldOf("approval.refused")[0]?.data, {
      id: "answer-approve",
      why: "not on the list",
    });
  });

  it("wants four eyes where four are needed, and counts nobody twice", () => {
    const two = { allowed: true, peopleNeeded: 2, why: "" };
    const walk = asked()
      .send("answer", answer("approve", { id: "a1" }))
      .done("authorise", two);
    walk
      .send("answer", answer("approve", { id: "a2", person: { ...PERSON, as: "somebody else" } }))
      .done("authorise", two);
    assert.equal(walk.state, "open.waiting");
    walk.send("answer", answer("approve", { id: "a3", person: bob })).done("authorise", two);
    assert.equal(walk.state, "approved");
  });

  it("checks answers one by one, and a repeat not at all", () => {
    const walk = asked().send("answer", answer("approve", { id: "a1" }));
    walk
      .send("answer", answer("approve", { id: "a1" }))
      .send("answer", answer("dismiss", { id: "a2" }));
    assert.equal(walk.context<ApprovalContext>().answers.length, 2);
    walk.done("authorise", { ...allow, allowed: false }).done("authorise", allow);
    assert.equal(walk.state, "dismissed");
  });

  it("refuses more answers than it can keep", () => {
    const walk = asked();
    for (let n = 0; n <= ANSWERS_MAX; n++) walk.send("answer", answer("approve", { id: `a${n}` }));
    assert.equal(walk.toldOf("approval.refused").length, 1);
  });

  it("refuses when nobody can say whether a person may", () => {
    const walk = asked().send("answer", answer("approve")).fail("authorise", "call_timeout");
    assert.equal(walk.state, "open.authorisationTimedOut");
    walk.fire("backoff").fail("authorise", "tool_error");
    assert.equal(walk.state, "open.authorisationBackingOff");
    walk.fire("backoff").fail("authorise", "policy_invalid_input");
    assert.equal(walk.state, "open.waiting");
    assert.equal(walk.toldOf("approval.refused").length, 1);
  });

  it("tells what was found, or that nothing was, and goes on waiting", () => {
    const walk = asked().send("answer", answer("investigate")).done("authorise", allow);
    assert.equal(walk.state, "open.investigating");
    walk.done("investigate", { lines: ["no peers"] });
    assert.deepEqual(walk.toldOf("approval.findings")[0]?.data, { lines: ["no peers"] });
    walk.send("answer", answer("investigate", { id: "i2" })).done("authorise", allow);
    walk.fail("investigate", "call_timeout");
    assert.equal(walk.state, "open.investigationTimedOut");
    walk.fire("backoff").fail("investigate", "tool_error");
    assert.equal(walk.state, "open.investigationBackingOff");
    walk.fire("backoff").fail("investigate", "tool_bad_result");
    assert.equal(walk.state, "open.waiting");
    assert.equal(walk.toldOf("approval.findings").length, 2);
  });

  it("investigates a bounded number of times", () => {
    const walk = asked();
    for (let n = 0; n < INVESTIGATIONS_MAX; n++) {
      walk.send("answer", answer("investigate", { id: `i${n}` })).done("authorise", allow);
      walk.done("investigate", { lines: [] });
    }
    walk.send("answer", answer("investigate", { id: "one more" })).done("authorise", allow);
    assert.equal(walk.state, "open.waiting");
    assert.equal(walk.toldOf("approval.refused").length, 1);
  });

  it("expires at its due time, whatever is being checked", () => {
    const walk = asked().send("answer", answer("approve"));
    assert.equal(walk.timers.get("xstate.after.expiry.approval.open"), EXPIRY_MS);
    walk.fire("expiry");
    assert.equal(walk.state, "expired");
    assert.deepEqual([last(walk).answer, last(walk).at], ["expired", START_MS + 1_000 + EXPIRY_MS]);
    assert.equal(walk.calls.size, 0);
  });

  it("does not expire later because it was answered in between", () => {
    const walk = asked({ expiresInMs: 5_000 }).send("answer", answer("investigate"));
    walk.done("authorise", allow).done("investigate", { lines: [] });
    assert.deepEqual([...walk.timers.values()], [5_000]);
  });

  it("ends when the case takes the question back", () => {
    assert.equal(asked().send("cancel").state, "cancelled");
  });
});

describe("notifier", () => {
  const notice = (n: number, lines = ["line"]): CaseNotice => ({
    id: `${CASE}:${n}`,
    case: CASE,
    kind: "opened",
    lines,
  });
  const start = (): Walk => new Walk(notifierMachine, `notifier/${CASE}`, CASE);
  const queued = (walk: Walk): NotifierContext => walk.context<NotifierContext>();

  it("delivers in order, one at a time", () => {
    const walk = start().send("notice", notice(1)).send("notice", notice(2));
    assert.equal(walk.input<CaseNotice>("deliverNotice").id, `${CASE}:1`);
    walk.done("deliverNotice", null);
    assert.equal(walk.input<CaseNotice>("deliverNotice").id, `${CASE}:2`);
    assert.equal(walk.done("deliverNotice", null).state, "idle");
  });

  it("knows a repeat, delivered or not", () => {
    const walk = start()
      .send("notice", notice(1))
      .send("notice", notice(1))
      .done("deliverNotice", null);
    walk.send("notice", notice(1));
    assert.equal(walk.started.length, 1);
  });

  it("tries again, rests, and goes on; nothing is lost meanwhile", () => {
    const walk = start().send("notice", notice(1)).fail("deliverNotice", "call_timeout");
    assert.equal(walk.state, "timedOut");
    walk.fire();
    for (let n = 0; n < 4; n++) walk.fail("deliverNotice", "tool_error").fire();
    walk.fail("deliverNotice", "tool_error");
    assert.equal(walk.state, "resting");
    walk.send("notice", notice(2)).fire("rest").done("deliverNotice", null);
    assert.equal(walk.input<CaseNotice>("deliverNotice").id, `${CASE}:2`);
  });

  it("puts aside at once what can never be delivered, and counts it", () => {
    const walk = start()
      .send("notice", notice(1))
      .send("notice", notice(2))
      .fail("deliverNotice", "tool_bad_result");
    assert.equal(walk.input<CaseNotice>("deliverNotice").id, `${CASE}:2`);
    assert.equal(queued(walk).undelivered, 1);
  });

  it("stops trying some day", () => {
    const walk = start().send("notice", notice(1));
    while (walk.state !== "idle") {
      walk.fail("deliverNotice", "tool_error");
      if (walk.state !== "idle") walk.fire();
    }
    assert.equal(queued(walk).undelivered, 1);
    assert.ok(walk.started.length <= (ROUNDS_MAX + 1) * 6);
  });

  it("joins what it cannot keep to the last, and says how many it stands for", () => {
    const long = Array.from({ length: 40 }, () => "x".repeat(300));
    const walk = start();
    for (let n = 0; n < 30; n++) walk.send("notice", notice(n, long));
    const { queue } = queued(walk);
    assert.ok(queue.length < 30 && queue.length < QUEUE_MAX);
    assert.equal(
      queue.reduce((sum, one) => sum + one.stands, 0),
      30,
    );
    assert.ok(JSON.stringify(queue).length < QUEUE_CHARS_MAX * 1.2);
    while (walk.state === "delivering") walk.done("deliverNotice", null);
    const said = walk.started.at(-1)?.input as CaseNotice;
    assert.match(said.lines[0] ?? "", /^\d+ notices in one/);
  });

  it("ends with its case, but not the floor's own thread", () => {
    assert.equal(
      start().send("notice", notice(1)).done("deliverNotice", null).fire("retention").state,
      "archived",
    );
    const floor = new Walk(notifierMachine, "notifier/learning", null);
    assert.deepEqual([floor.state, floor.timers.size], ["onDuty", 0]);
  });
});

describe("trainer", () => {
  const label = (n: number, digests = 1): Label => ({
    case: `c-${n}`,
    digests: Array.from({ length: digests }, (_, i) => `${n}-${i}`),
    benign: true,
    dismissal: "expected",
    person: PERSON,
    at: n,
  });
  const start = (): Walk => new Walk(trainerMachine, "trainer/forest", null);
  const ORDER = { why: "asked for" };
  const result = (walk: Walk): string | undefined => walk.context<TrainerContext>().last?.result;
  const candidate = { model: "m2", version: 2, rows: 10, labels: 1 };
  const compared = (worse: boolean): Walk =>
    start()
      .send("train", ORDER)
      .done("fitCandidate", candidate)
      .done("compareCandidate", { worse, figures: null });

  it("fits every week with what people taught, and promotes what is no worse", () => {
    const walk = start().send("wake").fire("week");
    assert.equal(walk.input<FitInput>("fitCandidate").why, "a week");
    walk.done("fitCandidate", candidate).done("compareCandidate", { worse: false, figures: null });
    assert.equal(walk.state, "promoting");
    walk.done("promoteCandidate", { model: "m2" });
    assert.deepEqual([walk.state, result(walk)], ["idle", "promoted"]);
  });

  it("fits after verdicts, once for those that come together, and compares on them", () => {
    const walk = start().send("label", label(1));
    assert.equal(walk.state, "gathering");
    walk.send("label", label(2)).fire("gather");
    assert.equal(walk.input<FitInput>("fitCandidate").labels.length, 2);
    walk.done("fitCandidate", candidate);
    assert.equal(walk.input<CompareInput>("compareCandidate").labels.length, 2);
  });

  it("fits once more where a verdict came while it did", () => {
    const walk = start().send("train", ORDER).send("label", label(1));
    assert.equal(walk.state, "fitting");
    walk.done("fitCandidate", candidate).done("compareCandidate", { worse: true, figures: null });
    assert.equal(walk.state, "gathering");
  });

  it("forgets what one person taught, and fits without it", () => {
    const other = { ...label(2), person: { ...PERSON, user: "mallory" } };
    const walk = start().send("label", label(1)).send("label", other);
    walk.send("forget", { user: "mallory" }).fire("gather");
    const { labels } = walk.input<FitInput>("fitCandidate");
    assert.deepEqual(
      labels.map(({ person }) => person.user),
      [PERSON.user],
    );
  });

  it("tells people what became of a candidate", () => {
    const [promoted] = compared(false).done("promoteCandidate", { model: "m2" }).toldOf("notice");
    assert.match(JSON.stringify(promoted), /asked for\): version 2 serves now/);
    assert.match(JSON.stringify(compared(true).toldOf("notice")), /was refused/);
  });

  it("refuses a candidate that is worse", () => {
    const walk = compared(true);
    assert.deepEqual([walk.state, result(walk)], ["idle", "refused"]);
    assert.ok(!walk.started.some((call) => call.src === "promoteCandidate"));
  });

  const steps = [
    ["fitCandidate", "fit", (): Walk => start().send("train", ORDER)],
    [
      "compareCandidate",
      "comparison",
      (): Walk => start().send("train", ORDER).done("fitCandidate", candidate),
    ],
    ["promoteCandidate", "promotion", (): Walk => compared(false)],
  ] as const;
  for (const [call, name, until] of steps) {
    it(`tries ${call} again, then keeps the model that serves and says so`, () => {
      const walk = until().fail(call, "call_timeout");
      assert.equal(walk.state, `${name}TimedOut`);
      walk.fire("backoff").fail(call, "tool_error");
      assert.equal(walk.state, `${name}BackingOff`);
      walk.fire("backoff").fail(call, "tool_error").fire("backoff").fail(call, "tool_error");
      assert.deepEqual([walk.state, result(walk)], ["idle", "failed"]);
      assert.equal(walk.toldOf("notice").length, 1);
    });
  }

  it("keeps labels that come while it trains, one a case", () => {
    const walk = start().send("train", ORDER).send("label", label(1)).send("label", label(1, 2));
    assert.deepEqual(
      walk.context<TrainerContext>().labels.map((one) => one.digests.length),
      [2],
    );
  });

  it("keeps a bounded number of labels, the newest", () => {
    const walk = start();
    for (let n = 0; n < 200; n++) walk.send("label", label(n, 32));
    const { labels } = walk.context<TrainerContext>();
    assert.ok(labels.reduce((sum, one) => sum + weightOf(one), 0) <= DIGESTS_MAX);
    assert.equal(labels.at(-1)?.case, "c-199");
  });
});
