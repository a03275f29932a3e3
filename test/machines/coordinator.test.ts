/** Goal: a case reaches its end by the right path, whatever its agents answer. Method: walked by hand. */
import assert from "node:assert/strict";
import { actionDigest } from "../../machines/actions.ts";
import type {
  AnalyseQuestion,
  ApprovalQuestion,
  CaseNotice,
  RemediationOrder,
  ReviewQuestion,
} from "../../machines/calls.ts";
import {
  COORDINATOR_SETTINGS,
  FACTS_MAX,
  type CoordinatorContext,
} from "../../machines/coordinator.context.ts";
import { coordinatorMachine, coordinatorMachineWith } from "../../machines/coordinator.machine.ts";
import { coordinatorHistory, coordinatorSummary } from "../../machines/coordinator.views.ts";
import type { AskInput, Json } from "../../machines/protocol.ts";
import type { Action, CaseSummary, Verdict } from "../../machines/vocabulary.ts";
import {
  answer,
  approval,
  CASE,
  decision,
  DETECTOR,
  facts,
  ISOLATE,
  LABEL,
  PERSON,
  remediated,
  report,
  review,
} from "../kit/case-parts.ts";
import { Walk } from "../kit/walk.ts";

const caseEvent = (n: number, rule?: string): object => ({
  facts: facts(n, rule === undefined ? {} : { rule }),
  events: 1,
});

function opened(): Walk {
  return new Walk(coordinatorMachine, `coordinator/${CASE}`, CASE).send("case.event", caseEvent(1));
}

/** As far as the first review. */
function analysed(proposals: readonly Action[]): Walk {
  return opened().done("askDetector", DETECTOR).done("askAnalyst", report(proposals));
}

/** As far as the person. */
function waiting(action: Action = ISOLATE): Walk {
  return analysed([action]).done("askReviewer", review(action, "escalate"));
}

function performed(): Walk {
  return analysed([ISOLATE])
    .done("askReviewer", review(ISOLATE, "auto_execute"))
    .done("askRemediator", remediated(ISOLATE, "done"));
}

function summary(walk: Walk): CaseSummary {
  return coordinatorSummary(walk.state, walk.snapshot.context);
}

function ask<D>(walk: Walk, id: string): { readonly to: string; readonly data: D } {
  const input = walk.input<AskInput>(id);
  return { to: input.to, data: input.data as unknown as D };
}

function notices(walk: Walk): readonly CaseNotice[] {
  return walk.toldOf("notice").map((message) => message.data as unknown as CaseNotice);
}

describe("coordinator: a case without a person", () => {
  it("performs what the policy allows and closes", () => {
    const walk = performed();
    assert.equal(walk.state, "settled.closed");
    assert.deepEqual(walk.states, [
      "opening",
      "detecting",
      "analysing",
      "reviewing",
      "acting",
      "settled.closed",
    ]);
    const { verdict, state, actions } = summary(walk);
    assert.deepEqual([verdict, state, actions[0]?.state], ["auto_execute", "closed", "done"]);
    assert.deepEqual(
      notices(walk).map((notice) => notice.kind),
      ["opened", "verdict", "performed", "closed"],
    );
  });

  it("numbers its notices, so that a repeat is known", () => {
    assert.deepEqual(
      notices(performed()).map((notice) => notice.id),
      [1, 2, 3, 4].map((n) => `${CASE}:${n}`),
    );
  });

  it("names its agents by the round, so that no id is used twice", () => {
    const walk = opened();
    assert.equal(ask(walk, "askDetector").to, `detector/${CASE}.1`);
    walk.done("askDetector", DETECTOR);
    assert.equal(ask(walk, "askAnalyst").to, `analyst/${CASE}.1`);
    walk.done("askAnalyst", report([ISOLATE, LABEL]));
    assert.equal(ask(walk, "askReviewer").to, `reviewer/${CASE}.1.0`);
    walk.done("askReviewer", review(ISOLATE, "auto_execute"));
    assert.equal(ask(walk, "askReviewer").to, `reviewer/${CASE}.1.1`);
    walk.done("askReviewer", review(LABEL, "auto_execute"));
    assert.equal(
      ask(walk, "askRemediator").to,
      `remediator/${CASE}.${actionDigest(ISOLATE).slice(0, 12)}`,
    );
  });

  it("performs every allowed action, one after the other", () => {
    const walk = analysed([ISOLATE, LABEL])
      .done("askReviewer", review(ISOLATE, "auto_execute"))
      .done("askReviewer", review(LABEL, "auto_execute"));
    assert.equal(ask<RemediationOrder>(walk, "askRemediator").data.review.action.type, "isolate");
    walk.done("askRemediator", remediated(ISOLATE, "done"));
    assert.equal(ask<RemediationOrder>(walk, "askRemediator").data.review.action.type, "label");
    walk.done("askRemediator", remediated(LABEL, "done"));
    assert.equal(walk.state, "settled.closed");
  });

  it("performs nothing that is only to be recorded, and keeps the verdict", () => {
    const recordOnly = { obligations: ["record_only"], parametersUsed: { mode: "observe" } };
    const walk = analysed([ISOLATE]).done(
      "askReviewer",
      review(ISOLATE, "auto_execute", recordOnly),
    );
    assert.equal(walk.state, "settled.closed");
    const { verdict, actions, mode } = summary(walk);
    assert.deepEqual([verdict, actions[0]?.state, mode], ["auto_execute", "skipped", "observe"]);
    assert.ok(!walk.started.some((call) => call.src === "askRemediator"));
  });

  it("closes when a mere mark is rejected", () => {
    const walk = analysed([LABEL]).done("askReviewer", review(LABEL, "auto_reject"));
    assert.equal(walk.state, "settled.closed");
    assert.equal(summary(walk).verdict, "auto_reject");
  });

  it("reviews a proposal once that was made twice", () => {
    const walk = analysed([ISOLATE, ISOLATE]).done("askReviewer", review(ISOLATE, "auto_execute"));
    assert.equal(walk.state, "acting");
  });
});

describe("coordinator: a case in doubt goes to a person", () => {
  const strictest: readonly (readonly [Verdict, Verdict])[] = [
    ["escalate", "auto_execute"],
    ["auto_execute", "escalate"],
    ["auto_reject", "escalate"],
  ];
  for (const [first, second] of strictest) {
    it(`escalates when the verdicts are ${first} and ${second}`, () => {
      const walk = analysed([LABEL, ISOLATE])
        .done("askReviewer", review(LABEL, first))
        .done("askReviewer", review(ISOLATE, second));
      for (const action of [LABEL, ISOLATE]) {
        if (walk.state === "acting") walk.done("askRemediator", remediated(action, "done"));
      }
      assert.equal(walk.state, "awaitingHuman");
      assert.equal(summary(walk).verdict, "escalate");
    });
  }

  it("escalates a rejected containment", () => {
    const walk = analysed([ISOLATE]).done("askReviewer", review(ISOLATE, "auto_reject"));
    assert.equal(walk.state, "awaitingHuman");
    assert.ok(summary(walk).reasons.includes("rejected_containment"));
  });

  it("escalates when nothing is proposed", () => {
    const walk = analysed([]);
    assert.equal(walk.state, "awaitingHuman");
    assert.deepEqual(summary(walk).reasons, ["no_proposal"]);
    walk.done("askApproval", approval("approve"));
    assert.equal(walk.state, "settled.closed");
  });

  it("escalates when the analyst failed wholly", () => {
    const walk = opened().done("askDetector", DETECTOR).fail("askAnalyst", "ask_timeout");
    assert.equal(walk.state, "awaitingHuman");
    assert.deepEqual(summary(walk).reasons, ["analyst_failed"]);
    assert.ok(summary(walk).failures.includes("ask_timeout"));
  });

  it("escalates the action whose reviewer died, and still reviews the next", () => {
    const walk = analysed([ISOLATE, LABEL]).fail("askReviewer", "ask_dead");
    assert.equal(walk.state, "reviewing");
    walk.done("askReviewer", review(LABEL, "auto_reject"));
    assert.equal(walk.state, "awaitingHuman");
    assert.ok(summary(walk).reasons.includes("ask_dead"));
  });

  it("escalates when an effect failed, and when nobody knows whether it did", () => {
    const failed = analysed([ISOLATE]).done("askReviewer", review(ISOLATE, "auto_execute"));
    failed.done("askRemediator", remediated(ISOLATE, "failed"));
    const lost = analysed([ISOLATE]).done("askReviewer", review(ISOLATE, "auto_execute"));
    lost.fail("askRemediator", "ask_timeout");
    for (const walk of [failed, lost]) {
      assert.equal(walk.state, "awaitingHuman");
      assert.ok(summary(walk).reasons.includes("remediation_failed"));
      assert.equal(summary(walk).actions[0]?.state, "failed");
    }
  });

  it("works on without a detector, and tells the policy that evidence is missing", () => {
    const walk = opened()
      .fail("askDetector", "ask_timeout")
      .done("askAnalyst", report([ISOLATE]));
    assert.equal(ask<ReviewQuestion>(walk, "askReviewer").data.flags.evidenceMissing, true);
  });

  it("tells the policy that the agents disagree when the analyst calls the extreme benign", () => {
    const walk = opened()
      .done("askDetector", DETECTOR)
      .done("askAnalyst", report([ISOLATE], { benign: true }));
    assert.equal(ask<ReviewQuestion>(walk, "askReviewer").data.flags.agentsDisagree, true);
  });

  it("tells the person what would change, and the command that answers", () => {
    const notice = notices(waiting()).find((one) => one.kind === "waiting");
    const lines = notice?.lines ?? [];
    assert.ok(lines.includes(`answer with: watchfloor approve ${CASE}`));
    assert.ok(lines.some((line) => line.includes("network policy deny-all")));
  });

  it("works a dead letter as a case for a person", () => {
    const walk = new Walk(
      coordinatorMachine,
      "coordinator/fault-000000000000",
      "fault-000000000000",
    );
    walk.send("case.fault", {
      letter: "dl-1",
      actor: "detector/x",
      case: null,
      code: "machine_failed",
      at: 1,
    });
    assert.equal(walk.state, "awaitingHuman");
    assert.deepEqual(summary(walk).reasons, ["dead_letter"]);
  });
});

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
    false_positive: true,
    expected: true,
    true_handled: false,
    wrong_action: false,
  } as const;
  for (const [dismissal, benign] of Object.entries(teaches)) {
    it(`${benign ? "teaches" : "does not teach"} benign when dismissed as ${dismissal}`, () => {
      const walk = waiting().done(
        "askApproval",
        approval("dismiss", { dismissal: dismissal as "expected" }),
      );
      assert.equal(walk.state, "settled.closed");
      assert.equal(walk.toldOf("label").length, benign ? 1 : 0);
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

describe("coordinator: budget and views", () => {
  const usage = {
    engine: "model",
    model: "m",
    calls: 4,
    inputTokens: 900,
    outputTokens: 200,
    costMicroUsd: 7,
  } as const;

  it("asks the model only where one is configured, and while its budget lasts", () => {
    const settings = { ...COORDINATOR_SETTINGS, engine: "model", tokensMax: 1_000 } as const;
    const walk = new Walk(coordinatorMachineWith(settings), `coordinator/${CASE}`, CASE);
    walk.send("case.event", caseEvent(1)).done("askDetector", DETECTOR);
    assert.equal(ask<AnalyseQuestion>(walk, "askAnalyst").data.engine, "model");
    assert.equal(ask<AnalyseQuestion>(walk, "askAnalyst").data.tokensMax, 1_000);
    walk
      .send("case.event", caseEvent(2, "New rule"))
      .done("askAnalyst", report([LABEL], { usage }));
    assert.equal(ask<ReviewQuestion>(walk, "askReviewer").data.flags.budgetSpent, true);
    walk.done("askReviewer", review(LABEL, "auto_reject")).done("askDetector", DETECTOR);
    assert.equal(ask<AnalyseQuestion>(walk, "askAnalyst").data.engine, "rules");
  });

  it("shows the failures and the cost of its analyst", () => {
    const failure = {
      code: "model_overloaded",
      message: "",
      retryable: true,
      retryAfterMs: null,
      data: null,
    };
    const walk = opened()
      .done("askDetector", DETECTOR)
      .done("askAnalyst", report([ISOLATE], { usage, failures: [failure] }));
    assert.deepEqual(summary(walk).failures, ["model_overloaded"]);
    assert.equal(summary(walk).usage.costMicroUsd, 7);
  });

  it("says in its history what each turn learnt, and no more", () => {
    const walk = waiting();
    const entry = coordinatorHistory(
      {
        type: "xstate.done.actor.askReviewer",
        data: review(ISOLATE, "escalate") as unknown as Json,
        meta: null,
      },
      walk.snapshot.context,
    ) as { review: { decision: { verdict: string }; target: Record<string, unknown> } };
    assert.equal(entry.review.decision.verdict, decision("escalate").verdict);
    assert.equal(entry.review.target["labels"], undefined);
    const event = { type: "case.event", data: caseEvent(1) as Json, meta: null };
    const taken = coordinatorHistory(event, walk.snapshot.context) as {
      facts: Record<string, unknown>;
    };
    assert.equal(taken.facts["digest"], facts(1).digest);
    assert.equal(taken.facts["features"], undefined);
    const unknown = { type: "whatever", data: { text: "hostile" }, meta: null };
    assert.ok(
      !JSON.stringify(coordinatorHistory(unknown, walk.snapshot.context)).includes("hostile"),
    );
  });
});
