/**
 * The boundary of: a verdict and an effect: every way in which an action that was allowed may no
 * longer be.
 */
import assert from "node:assert/strict";
import type { EvaluateInput } from "../../machines/calls.ts";
import type { Receipt, Review } from "../../machines/vocabulary.ts";
import { authoriseEffect, authoriseRevert, type AllowedEffect } from "../../policies/effect.ts";
import type { LoggedDecision } from "../../policies/decision-point.ts";
import { decide } from "../../policies/engine.ts";
import { adjustParameters } from "../../policies/parameters.ts";
import { loadWasmEngine, type WasmEngine } from "../../policies/wasm-engine.ts";
import {
  action,
  ask,
  askToClose,
  AT,
  NOW,
  pointOf,
  ENFORCING,
  POD,
  reviewed,
  SHIPPED,
} from "./fixtures.ts";

const TERMS = {
  at: AT + 5000,
  idempotencyKey: "remediator/c-1:0",
  deadline: AT + 60_000,
  traceparent: null,
};

describe("policies: the allowed effect", () => {
  let engine: WasmEngine;
  let review: Review;

  before(async () => {
    engine = await loadWasmEngine(ENFORCING);
    review = await reviewed(engine, ask());
  });

  function mint(input: EvaluateInput = ask(), of: Review = review, by: WasmEngine = engine) {
    return authoriseEffect(pointOf(by, [], TERMS.at), input, of, TERMS);
  }

  it("is minted for what was reviewed and is still allowed, by a decision of its own", async () => {
    const effect = await mint();
    assert.equal(effect.actionDigest, review.actionDigest);
    assert.equal(effect.versionExpected, "7");
    assert.equal(effect.idempotencyKey, TERMS.idempotencyKey);
    assert.equal(effect.deadline, TERMS.deadline);
    assert.notEqual(effect.decision.decisionId, review.decision.decisionId);
  });

  it("is minted for a case, which has no version in the cluster", async () => {
    const input = askToClose({ target: null });
    const effect = await mint(input, await reviewed(engine, input));
    assert.equal(effect.versionExpected, null);
  });

  it("is refused if the review did not allow it", async () => {
    const doubtful = await reviewed(engine, ask({ question: { confidence: 0 } }));
    await assert.rejects(mint(ask(), doubtful), { code: "policy_denied" });
  });

  it("is refused if the policy no longer allows it", async () => {
    const stopped = await engine.withParameters(adjustParameters(ENFORCING, { killSwitch: true }));
    await assert.rejects(mint(ask(), review, stopped), {
      code: "policy_denied",
      fields: { verdict: "escalate: kill_switch_on" },
    });
    await assert.rejects(mint(ask({ target: { criticality: "high" } })), { code: "policy_denied" });
  });

  it("is refused in observe, by the review's obligation and by its own", async () => {
    const observing = await engine.withParameters(SHIPPED);
    const recorded = await reviewed(observing, ask());
    await assert.rejects(mint(ask(), recorded), { fields: { verdict: "record_only" } });
    await assert.rejects(mint(ask(), review, observing), { fields: { verdict: "record_only" } });
  });

  it("is refused for another action than the reviewed one", async () => {
    const other = ask({
      question: {
        action: action("label", POD, { key: "watchfloor.dev/suspect", value: "true" }),
      },
    });
    await assert.rejects(mint(other), { code: "policy_denied" });
    await assert.rejects(mint({ ...other, actionDigest: review.actionDigest }), {
      code: "policy_denied",
    });
  });

  it("is refused if the target changed or is gone", async () => {
    await assert.rejects(mint(ask({ target: { version: "8" } })), { code: "target_changed" });
    await assert.rejects(mint(ask({ target: null })), { code: "target_changed" });
    await assert.rejects(mint(ask(), { ...review, target: null }), { code: "target_changed" });
  });

  it("is refused at its deadline", async () => {
    const late = { ...TERMS, at: TERMS.deadline };
    await assert.rejects(authoriseEffect(pointOf(engine), ask(), review, late), {
      code: "deadline_passed",
    });
  });

  it("cannot be written down by hand", () => {
    const { actionDigest, decision } = review;
    // @ts-expect-error without the symbol of its file it is no LoggedDecision
    const logged: LoggedDecision = decision;
    // @ts-expect-error without the symbol of its file it is no AllowedEffect
    const forged: AllowedEffect = {
      action: review.action,
      actionDigest,
      decision: logged,
      versionExpected: "7",
      idempotencyKey: "k",
      deadline: 0,
    };
    assert.ok(forged);
  });
});

describe("policies: the allowed undoing", () => {
  const UNDO = ask({ question: { action: action("undo", POD, { undoes: "isolate" }) } });
  let engine: WasmEngine;
  let receipt: Receipt;

  before(async () => {
    engine = await loadWasmEngine(ENFORCING);
    const review = await reviewed(engine, ask());
    receipt = {
      id: "r-1",
      idempotencyKey: "k",
      action: review.action,
      actionDigest: review.actionDigest,
      performedAt: AT,
      versionBefore: "7",
      versionAfter: "8",
      inverse: {},
      decisionId: review.decision.decisionId,
    };
  });

  it("is minted by command with a decision of the policy in force", async () => {
    const decision = await decide(engine, UNDO, NOW);
    const revert = authoriseRevert(engine, { receipt, decision, because: "command" }, TERMS);
    assert.equal(revert.decisionId, decision.decisionId);
  });

  it("is minted by expiry, which the effect's own decision asked for", () => {
    const revert = authoriseRevert(engine, { receipt, decision: null, because: "expiry" }, TERMS);
    assert.equal(revert.decisionId, receipt.decisionId);
  });

  it("is refused by command without a decision, or with one of an earlier policy", async () => {
    const decision = await decide(engine, UNDO, NOW);
    const observing = await engine.withParameters(SHIPPED);
    for (const [by, given] of [
      [engine, null],
      [observing, decision],
      [engine, { ...decision, verdict: "escalate" as const }],
    ] as const) {
      assert.throws(
        () => authoriseRevert(by, { receipt, decision: given, because: "command" }, TERMS),
        { code: "policy_denied" },
      );
    }
  });

  it("is refused by the kill switch and at its deadline", async () => {
    const stopped = await engine.withParameters(adjustParameters(ENFORCING, { killSwitch: true }));
    const expiry = { receipt, decision: null, because: "expiry" } as const;
    assert.throws(() => authoriseRevert(stopped, expiry, TERMS), { code: "policy_denied" });
    const late = { ...TERMS, at: TERMS.deadline };
    assert.throws(() => authoriseRevert(engine, expiry, late), { code: "deadline_passed" });
  });
});
