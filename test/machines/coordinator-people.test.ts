/** Goal: what people say of a case, and what comes meanwhile, counts as it should. Method: walked by hand. */
import assert from "node:assert/strict";
import { actionDigest } from "../../machines/actions.ts";
import type { ApprovalQuestion, Label, ReviewQuestion } from "../../machines/calls.ts";
import { FACTS_MAX, type CoordinatorContext } from "../../machines/coordinator.context.ts";
import type { Action } from "../../machines/vocabulary.ts";
import {
  answer,
  approval,
  CASE,
  DETECTOR,
  facts,
  ISOLATE,
  LABEL,
  PERSON,
  remediated,
  report,
  review,
} from "../kit/case-parts.ts";
import {
  caseEvent,
  opened,
  analysed,
  waiting,
  performed,
  summary,
  ask,
  notices,
} from "../kit/coordinator-walk.ts";

describe("coordinator: a person answers", () => {
  it("reviews again with the answer, then performs", () => {
    const walk = waiting();
    assert.equal(ask(walk, "askApproval").to, `approval/${CASE}.1`);
    assert.equal(ask<ApprovalQuestion>(walk, "askApproval").data.reviews.length, 1);
    walk.send("human.answer", answer("approve"));
    assert.equal(walk.toldOf("answer")[0]?.to, `approval/${CASE}.1`);
    assert.equal(summary(walk).lastCommand, null, "it counts only once it was checked");
    walk.done("askApproval", approval("approve"));
    assert.equal(walk.state, "secondReviewing");
    walk.send("approval.accepted", { id: "answer-approve" });
    assert.deepEqual(summary(walk).lastCommand, {
      id: "answer-approve",
      accepted: true,
      code: null,
    });
    assert.equal(ask(walk, "askReviewerAgain").to, `reviewer/${CASE}.a1.0`);
    assert.equal(ask<ReviewQuestion>(walk, "askReviewerAgain").data.approval?.person?.user, "ada");
    walk.done("askReviewerAgain", review(ISOLATE, "auto_execute"));
    assert.equal(walk.state, "acting");
    walk.done("askRemediator", remediated(ISOLATE, "done"));
    assert.equal(walk.state, "settled.closed");
    assert.equal(summary(walk).verdict, "auto_execute");
  });

  it("gives up asking after three second reviews that still escalate", () => {
    const walk = waiting();
    for (let n = 1; n <= 3; n++) {
      walk
        .done("askApproval", approval("approve"))
        .done("askReviewerAgain", review(ISOLATE, "escalate"));
    }
    assert.equal(walk.state, "settled.escalated");
  });

  it("takes the policy's rejection after an approval as the last word", () => {
    const walk = waiting().done("askApproval", approval("approve"));
    walk.done("askReviewerAgain", review(ISOLATE, "auto_reject"));
    assert.equal(walk.state, "settled.closed");
    assert.equal(summary(walk).verdict, "auto_reject");
  });

  it("asks again when the second review is not answered", () => {
    const walk = waiting()
      .done("askApproval", approval("approve"))
      .fail("askReviewerAgain", "ask_dead");
    assert.equal(walk.state, "awaitingHuman");
    assert.equal(ask(walk, "askApproval").to, `approval/${CASE}.2`);
  });

  const teaches = {
    false_positive: "benign",
    expected: "benign",
    true_handled: "an attack",
    wrong_action: "nothing",
  } as const;
  for (const [dismissal, taught] of Object.entries(teaches)) {
    it(`teaches ${taught} when dismissed as ${dismissal}`, () => {
      const walk = waiting().done(
        "askApproval",
        approval("dismiss", { dismissal: dismissal as "expected" }),
      );
      assert.equal(walk.state, "settled.closed");
      const label = walk.toldOf("label")[0]?.data as Label | undefined;
      assert.equal(label?.benign, taught === "nothing" ? undefined : taught === "benign");
      assert.equal(summary(walk).actions[0]?.state, "skipped");
    });
  }

  it("stays escalated when nobody answered in time", () => {
    const walk = waiting().done("askApproval", approval("expired"));
    assert.equal(walk.state, "settled.escalated");
    assert.equal(summary(walk).state, "escalated");
  });

  it("fails to a human when not even the question could be put", () => {
    const walk = waiting().fail("askApproval", "ask_dead");
    assert.equal(walk.state, "settled.failedToHuman");
    assert.equal(summary(walk).state, "failed_to_human");
    assert.ok(notices(walk).some((notice) => notice.kind === "fault"));
  });

  it("refuses an answer while nobody is asked", () => {
    const walk = opened().send("human.answer", answer("approve"));
    assert.deepEqual(walk.context<CoordinatorContext>().lastCommand, {
      id: "answer-approve",
      accepted: false,
      code: "not_waiting",
    });
    assert.deepEqual(walk.toldOf("answer"), []);
  });

  it("tells why an answer did not count, and what was found", () => {
    const walk = waiting().send("approval.refused", { id: "answer-approve", why: "not on duty" });
    assert.equal(walk.context<CoordinatorContext>().lastCommand?.code, "not on duty");
    walk.send("approval.findings", { lines: ["two pods"] });
    assert.ok(
      notices(walk).some((notice) => notice.lines.some((line) => line.includes("two pods"))),
    );
    assert.equal(walk.state, "awaitingHuman");
  });
});

describe("coordinator: events that come later", () => {
  it("works a new rule in a new round, after the round under way", () => {
    const walk = opened().send("case.event", caseEvent(2, "Launch privileged container"));
    assert.equal(walk.state, "detecting");
    walk
      .done("askDetector", DETECTOR)
      .done("askAnalyst", report([LABEL]))
      .done("askReviewer", review(LABEL, "auto_reject"));
    assert.equal(ask(walk, "askDetector").to, `detector/${CASE}.2`);
  });

  it("counts a known rule without another round", () => {
    const walk = performed().send("case.event", caseEvent(2));
    assert.equal(walk.state, "settled.closed");
    assert.equal(summary(walk).events, 2);
  });

  it("counts a storm's message for all it stands for", () => {
    const walk = opened().send("case.event", { facts: facts(2), events: 100 });
    assert.equal(summary(walk).events, 101);
  });

  it("reopens a closed case for a new rule", () => {
    assert.equal(performed().send("case.event", caseEvent(2, "New rule")).state, "detecting");
  });

  it("asks a person when a new rule comes after the last round", () => {
    const walk = performed();
    for (let n = 2; n <= 3; n++) {
      walk.send("case.event", caseEvent(n, `Rule ${n}`)).done("askDetector", DETECTOR);
      walk.done("askAnalyst", report([LABEL])).done("askReviewer", review(LABEL, "auto_reject"));
    }
    assert.equal(walk.state, "settled.closed");
    walk.send("case.event", caseEvent(4, "Rule 4"));
    assert.equal(walk.state, "awaitingHuman");
    assert.ok(summary(walk).reasons.includes("budget_spent"));
  });

  it("looks at a new rule at once, and asks the person again with what it found", () => {
    const walk = waiting().send("case.event", caseEvent(2, "New rule"));
    assert.equal(walk.state, "detecting");
    walk.done("askDetector", DETECTOR).done("askAnalyst", report([ISOLATE]));
    walk.done("askReviewer", review(ISOLATE, "escalate"));
    assert.equal(walk.state, "awaitingHuman");
  });

  it("does not perform again what is done, in a later round", () => {
    const walk = performed()
      .send("case.event", caseEvent(2, "New rule"))
      .done("askDetector", DETECTOR);
    walk.done("askAnalyst", report([ISOLATE])).done("askReviewer", review(ISOLATE, "auto_execute"));
    assert.equal(walk.state, "settled.closed");
    assert.equal(walk.started.filter((call) => call.src === "askRemediator").length, 1);
  });

  it("keeps the first facts of every rule, however many events come", () => {
    const walk = opened();
    for (let n = 2; n < 60; n++) walk.send("case.event", caseEvent(n));
    walk.send("case.event", caseEvent(99, "Rare rule"));
    const { facts: kept } = walk.context<CoordinatorContext>();
    assert.equal(kept.length, FACTS_MAX);
    assert.ok(kept.some((fact) => fact.rule === "Rare rule"));
  });

  it("is archived a month after it settled", () => {
    const walk = performed().fire("retention");
    assert.equal(walk.state, "archived");
    assert.ok(walk.ended);
    assert.equal(summary(walk).state, "closed");
  });
});

describe("coordinator: a person undoes", () => {
  const command = { id: "undo-1", person: PERSON, reason: "wrong workload" };
  const undo: Action = {
    type: "undo",
    target: ISOLATE.target,
    params: { actionDigest: actionDigest(ISOLATE), undoes: "isolate", requestedBy: "ada" },
  };

  it("reviews the undo like any action, then orders it", () => {
    const walk = performed().send("human.undo", command);
    assert.equal(walk.state, "undoReviewing");
    const asked = ask<ReviewQuestion>(walk, "askUndoReview");
    assert.equal(asked.to, `reviewer/${CASE}.u1.0`);
    assert.deepEqual(asked.data.action, undo);
    assert.equal(asked.data.approval?.person?.uid, 1001);
    assert.deepEqual(asked.data.approval?.actionDigests, [actionDigest(undo)]);
    walk.done("askUndoReview", review(undo, "auto_execute"));
    assert.equal(
      ask(walk, "askUndo").to,
      `remediator/${CASE}.${actionDigest(ISOLATE).slice(0, 12)}`,
    );
    walk.done("askUndo", remediated(ISOLATE, "undone"));
    assert.equal(walk.state, "settled.closed");
    assert.equal(summary(walk).actions[0]?.state, "undone");
  });

  it("undoes nothing that the policy does not let be undone", () => {
    const walk = performed()
      .send("human.undo", command)
      .done("askUndoReview", review(undo, "escalate"));
    assert.equal(walk.state, "settled.closed");
    assert.equal(summary(walk).actions[0]?.state, "done");
  });

  it("keeps an action as done whose undo failed", () => {
    const walk = performed()
      .send("human.undo", command)
      .done("askUndoReview", review(undo, "auto_execute"));
    walk.fail("askUndo", "ask_timeout");
    assert.equal(walk.state, "settled.closed");
    assert.equal(summary(walk).actions[0]?.state, "done");
  });

  it("goes on without the review of an undo that died", () => {
    const walk = performed().send("human.undo", command).fail("askUndoReview", "ask_dead");
    assert.equal(walk.state, "settled.closed");
  });

  it("returns to the person it was asking, with a new question", () => {
    const walk = analysed([LABEL, ISOLATE])
      .done("askReviewer", review(LABEL, "auto_execute"))
      .done("askReviewer", review(ISOLATE, "escalate"))
      .done("askRemediator", remediated(LABEL, "done"))
      .send("human.undo", command)
      .done("askUndoReview", review(undo, "auto_reject"));
    assert.equal(walk.state, "awaitingHuman");
    assert.equal(ask(walk, "askApproval").to, `approval/${CASE}.2`);
  });

  it("refuses while agents work, and when there is nothing to undo", () => {
    const codes = [opened(), waiting()].map(
      (walk) => walk.send("human.undo", command).context<CoordinatorContext>().lastCommand?.code,
    );
    assert.deepEqual(codes, ["case_working", "nothing_to_undo"]);
  });

  it("shows an effect that ended by its own expiry as undone", () => {
    const walk = performed().send("remediation.changed", remediated(ISOLATE, "undone"));
    assert.equal(summary(walk).actions[0]?.state, "undone");
    assert.equal(notices(walk).at(-1)?.kind, "undone");
  });
});
