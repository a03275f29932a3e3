/** Goal: detector, analyst and reviewer answer every question once, whatever fails. Method: walked by hand. */
import assert from "node:assert/strict";
import { analystMachine } from "../../machines/analyst.machine.ts";
import { MAX_TOKENS_LIMIT, MAX_TOKENS_START } from "../../machines/analyst.context.ts";
import type { AnalystReading, ClassifyInput, EvaluateInput } from "../../machines/calls.ts";
import { detectorMachine } from "../../machines/detector.machine.ts";
import { reviewerMachine } from "../../machines/reviewer.machine.ts";
import type { AnalystReport, Decision, Review } from "../../machines/vocabulary.ts";
import {
  analyseQuestion,
  CASE,
  decision,
  DETECTOR,
  ENTITY,
  facts,
  ISOLATE,
  question,
  report,
  TARGET,
} from "../kit/case-parts.ts";
import { REPLY_TO, Walk } from "../kit/walk.ts";

function answered<T>(walk: Walk): T {
  assert.equal(walk.replies.length, 1, "one answer");
  assert.deepEqual(walk.replies[0]?.to, REPLY_TO);
  return walk.replies[0]?.output as unknown as T;
}

function failedWith(walk: Walk): string | undefined {
  assert.equal(walk.replies.length, 1, "one answer");
  return walk.replies[0]?.error?.code;
}

describe("detector", () => {
  const gather = { case: CASE, entity: ENTITY, facts: [facts(1)], counts: [] };
  const asked = (): Walk => new Walk(detectorMachine, `detector/${CASE}.1`).send("gather", gather);

  it("answers with the evidence and ends", () => {
    const walk = asked().done("gatherEvidence", DETECTOR);
    assert.deepEqual(answered(walk), DETECTOR);
    assert.ok(walk.ended);
  });

  it("waits after a failure, longer each time, and asks again", () => {
    const walk = asked();
    const waits = [1, 2, 3].map(() => {
      walk.fail("gatherEvidence", "tool_error");
      assert.equal(walk.state, "backingOff");
      const [delayMs = 0] = walk.timers.values();
      walk.fire("backoff");
      return delayMs;
    });
    assert.deepEqual(waits, [375, 750, 1_500]);
    walk.fail("gatherEvidence", "tool_error");
    assert.equal(walk.state, "exhausted");
    assert.equal(failedWith(walk), "tool_error");
  });

  it("tells a timeout from a failure", () => {
    assert.equal(asked().fail("gatherEvidence", "call_timeout").state, "timedOut");
  });

  it("gives up at once when trying again cannot help", () => {
    const walk = asked().fail("gatherEvidence", "tool_bad_result");
    assert.equal(failedWith(walk), "tool_bad_result");
  });

  it("stops when nobody waits any more", () => {
    const walk = asked().send("cancel");
    assert.equal(walk.state, "cancelled");
    assert.equal(walk.calls.size, 0);
    assert.deepEqual(walk.replies, []);
  });

  it("stays idle when nobody waits for the answer", () => {
    const walk = new Walk(detectorMachine, `detector/${CASE}.1`).send("gather", gather, {
      replyTo: null,
    });
    assert.equal(walk.state, "idle");
  });
});

describe("analyst", () => {
  const usage = { inputTokens: 100, outputTokens: 20, costMicroUsd: 5, model: "m" };
  const modelUsage = {
    engine: "model",
    model: "m",
    calls: 1,
    inputTokens: 100,
    outputTokens: 20,
    costMicroUsd: 5,
  } as const;
  const { failures: _failures, schemaRepaired: _repaired, ...byRules } = report([ISOLATE]);
  const byModel: AnalystReading = { ...byRules, usage: modelUsage };
  const asked = (over = {}): Walk =>
    new Walk(analystMachine, `analyst/${CASE}.1`).send("analyse", analyseQuestion(over));

  it("reads by the table when no model is configured, and calls none", () => {
    const walk = asked({ engine: "rules" });
    assert.equal(walk.state, "fallingBack");
    walk.done("classifyByRules", byRules);
    assert.deepEqual(answered<AnalystReport>(walk).failures, []);
    assert.ok(!walk.started.some((call) => call.src === "classify"));
  });

  it("answers with the model's reading", () => {
    const result = answered<AnalystReport>(asked().done("classify", byModel));
    assert.deepEqual([result.usage.engine, result.schemaRepaired], ["model", false]);
  });

  const waits: Readonly<Record<string, string>> = {
    model_rate_limited: "rateLimited",
    model_overloaded: "overloaded",
    model_timeout: "timedOut",
    call_timeout: "timedOut",
    model_stream_cut: "cutOff",
    model_body_broken: "unreadable",
    model_unavailable: "unavailable",
    call_failed: "unavailable",
    model_bad_schema: "repairing",
    model_max_tokens: "shortened",
    model_tool_asked: "toolAsked",
  };
  for (const [code, state] of Object.entries(waits)) {
    it(`is ${state} after ${code}, and tries again`, () => {
      const walk = asked().fail("classify", code, { data: { usage } });
      assert.equal(walk.state, state);
      walk.fire("Backoff");
      assert.equal(walk.state, "classifying");
      const result = answered<AnalystReport>(walk.done("classify", byModel));
      assert.deepEqual(
        result.failures.map((failure) => failure.code),
        [code],
      );
      assert.equal(result.usage.costMicroUsd, 10, "the bad answer was paid for as well");
      assert.equal(result.usage.calls, 2);
    });
  }

  for (const code of ["model_refused", "model_rejected", "model_tool_loop", "model_absent"]) {
    it(`falls back to the table at once after ${code}`, () => {
      const walk = asked().fail("classify", code, { data: { usage } });
      assert.equal(walk.state, "fallingBack");
      const result = answered<AnalystReport>(walk.done("classifyByRules", byRules));
      assert.deepEqual(
        result.failures.map((failure) => failure.code),
        [code],
      );
      assert.deepEqual([result.usage.engine, result.usage.inputTokens], ["rules", 100]);
    });
  }

  it("takes retry-after as a floor", () => {
    const walk = asked().fail("classify", "model_rate_limited", { retryAfterMs: 17_000 });
    assert.deepEqual([...walk.timers.values()], [17_000]);
  });

  it("asks for repair after a bad schema, and says that it was repaired", () => {
    const walk = asked();
    assert.equal(walk.input<ClassifyInput>("classify").repair, false);
    walk.fail("classify", "model_bad_schema").fire();
    assert.equal(walk.input<ClassifyInput>("classify").repair, true);
    assert.equal(answered<AnalystReport>(walk.done("classify", byModel)).schemaRepaired, true);
  });

  it("doubles the cap after a short answer, up to the limit", () => {
    const walk = asked();
    const caps = [0, 1].map(() => {
      walk.fail("classify", "model_max_tokens").fire();
      return walk.input<ClassifyInput>("classify").maxTokens;
    });
    assert.deepEqual(caps, [MAX_TOKENS_START * 2, MAX_TOKENS_LIMIT]);
    assert.equal(walk.fail("classify", "model_max_tokens").state, "fallingBack");
  });

  it("stops after four attempts in all, whatever made them fail", () => {
    const walk = asked();
    for (const code of ["model_overloaded", "model_timeout", "model_bad_schema"])
      walk.fail("classify", code).fire();
    walk.fail("classify", "model_stream_cut");
    assert.equal(walk.state, "fallingBack");
    const { failures } = answered<AnalystReport>(walk.done("classifyByRules", byRules));
    assert.equal(failures.at(-1)?.code, "budget_spent");
  });

  it("does not go on asking a model that will not stop asking for tools", () => {
    const walk = asked();
    for (let n = 0; n < 2; n++) walk.fail("classify", "model_tool_asked").fire();
    walk.fail("classify", "model_tool_asked");
    assert.equal(walk.state, "fallingBack");
    const { failures } = answered<AnalystReport>(walk.done("classifyByRules", byRules));
    assert.equal(failures.at(-1)?.code, "model_tool_loop");
  });

  it("stops when the case's tokens are spent", () => {
    const walk = asked({ tokensMax: 110 }).fail("classify", "model_bad_schema", {
      data: { usage },
    });
    assert.equal(walk.state, "fallingBack");
    assert.equal(asked({ tokensMax: 0 }).state, "fallingBack");
  });

  it("tries the table again, and fails only when that is exhausted", () => {
    const walk = asked({ engine: "rules" }).fail("classifyByRules", "call_timeout");
    assert.equal(walk.state, "rulesTimedOut");
    walk.fire().fail("classifyByRules", "tool_error");
    assert.equal(walk.state, "rulesBackingOff");
    walk.fire().fail("classifyByRules", "tool_error").fire().fail("classifyByRules", "tool_error");
    assert.equal(walk.state, "exhausted");
    assert.equal(failedWith(walk), "tool_error");
  });

  it("ends when cancelled while it waits, with no timer left", () => {
    const walk = asked().fail("classify", "model_overloaded").send("cancel");
    assert.equal(walk.state, "cancelled");
    assert.equal(walk.timers.size, 0);
  });

  it("counts no cost that is not a number", () => {
    const odd = { usage: { inputTokens: "many", outputTokens: -5, costMicroUsd: null } };
    const walk = asked()
      .fail("classify", "model_refused", { data: odd })
      .done("classifyByRules", byRules);
    const { inputTokens, outputTokens, calls } = answered<AnalystReport>(walk).usage;
    assert.deepEqual([inputTokens, outputTokens, calls], [0, 0, 1]);
  });
});

describe("reviewer", () => {
  const asked = (): Walk =>
    new Walk(reviewerMachine, `reviewer/${CASE}.1.0`).send("review", question());

  for (const verdict of ["auto_execute", "auto_reject", "escalate"] as const) {
    it(`ends as ${verdict} when the policy says so`, () => {
      const walk = asked().done("describeTarget", TARGET).done("evaluateAction", decision(verdict));
      assert.equal(walk.state, verdict);
      const { decision: found, confidence, target } = answered<Review>(walk);
      assert.deepEqual([found, confidence, target], [decision(verdict), 0.9, TARGET]);
    });
  }

  it("asks the policy about an unknown target when it cannot be described", () => {
    const walk = asked().fail("describeTarget", "target_unknown");
    assert.equal(walk.state, "evaluating");
    assert.equal(walk.input<EvaluateInput>("evaluateAction").target, null);
  });

  it("tries the description again, after a timeout as after a failure", () => {
    const walk = asked().fail("describeTarget", "call_timeout");
    assert.equal(walk.state, "descriptionTimedOut");
    walk.fire().fail("describeTarget", "tool_error");
    assert.equal(walk.state, "descriptionBackingOff");
    assert.equal(walk.fire().done("describeTarget", TARGET).state, "evaluating");
  });

  for (const code of ["policy_invalid_input", "tool_bad_result", "policy_unusable"]) {
    it(`escalates by code after ${code}, at once`, () => {
      const walk = asked().done("describeTarget", TARGET).fail("evaluateAction", code);
      assert.equal(walk.state, "escalate");
      const found = answered<Review>(walk).decision;
      assert.deepEqual(
        [found.verdict, found.reasons, found.ruleIds, found.policyRevision],
        ["escalate", [code], [], "unavailable"],
      );
    });
  }

  it("escalates when the policy stays silent", () => {
    const walk = asked().done("describeTarget", TARGET);
    for (const code of ["tool_error", "call_timeout", "policy_failed"]) {
      walk.fail("evaluateAction", code);
      assert.ok(["evaluationBackingOff", "evaluationTimedOut"].includes(walk.state));
      walk.fire();
    }
    walk.fail("evaluateAction", "call_timeout");
    assert.equal(walk.state, "escalate");
    assert.deepEqual(answered<Review>(walk).decision.reasons, ["call_timeout"]);
  });

  it("believes no verdict that is none", () => {
    const odd = { ...decision("escalate"), verdict: "sure" } as unknown as Decision;
    const walk = asked().done("describeTarget", TARGET).done("evaluateAction", odd);
    assert.equal(walk.state, "escalate");
    assert.equal(answered<Review>(walk).decision.policyRevision, "unavailable");
  });

  it("ends when cancelled", () => {
    assert.equal(asked().send("cancel").state, "cancelled");
  });
});
