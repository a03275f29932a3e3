/** Goal: a case reaches its end by the right path, whatever its agents answer. Method: walked by hand. */
import assert from "node:assert/strict";
import { actionDigest } from "../../machines/actions.ts";
import type { AnalyseQuestion, RemediationOrder, ReviewQuestion } from "../../machines/calls.ts";
import { COORDINATOR_SETTINGS } from "../../machines/coordinator.context.ts";
import { coordinatorMachine, coordinatorMachineWith } from "../../machines/coordinator.machine.ts";
import { coordinatorHistory } from "../../machines/coordinator.views.ts";
import type { Json } from "../../machines/protocol.ts";
import type { Verdict } from "../../machines/vocabulary.ts";
import {
  approval,
  CASE,
  decision,
  DETECTOR,
  facts,
  ISOLATE,
  LABEL,
  remediated,
  report,
  review,
} from "../kit/case-parts.ts";
import { Walk } from "../kit/walk.ts";
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
