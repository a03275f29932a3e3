/** Goal: an effect is performed once, only when allowed, and can be undone. Method: walked by hand. */
import assert from "node:assert/strict";
import { actionDigest, shortDigest } from "../../machines/actions.ts";
import type { ActInput, RevertInput } from "../../machines/calls.ts";
import { remediatorMachine } from "../../machines/remediator.machine.ts";
import type { Decision, Remediation, Verdict } from "../../machines/vocabulary.ts";
import {
  CASE,
  decision,
  ISOLATE,
  LABEL,
  question,
  receipt,
  review,
  TARGET,
} from "../kit/case-parts.ts";
import { Walk } from "../kit/walk.ts";

const ADDRESS = `remediator/${CASE}.${shortDigest(actionDigest(ISOLATE))}` as const;
const DRY_RUN = { version: "v1", diff: [], blast: TARGET.blast };

const order = (verdict: Verdict = "auto_execute", over: Partial<Decision> = {}): object => ({
  question: question(),
  review: review(ISOLATE, verdict, over),
});
const start = (): Walk => new Walk(remediatorMachine, ADDRESS);
const acting = (over: Partial<Decision> = {}): Walk =>
  start().send("perform", order("auto_execute", over)).done("dryRun", DRY_RUN);
const done = (over: Partial<Decision> = {}): Walk =>
  acting(over).done("act", receipt(ISOLATE)).done("verify", { holds: true });
const last = (walk: Walk): Remediation => walk.replies.at(-1)?.output as unknown as Remediation;
const acts = (walk: Walk): number => walk.started.filter((call) => call.src === "act").length;

describe("remediator: performing", () => {
  it("tries dry, acts once, verifies, and answers with the receipt", () => {
    const walk = done();
    assert.equal(walk.state, "done.lasting");
    assert.deepEqual([last(walk).state, last(walk).receipt?.id], ["done", "receipt-1"]);
    assert.equal(acts(walk), 1);
  });

  const refused: readonly (readonly [string, Verdict, Partial<Decision>])[] = [
    ["escalated", "escalate", {}],
    ["rejected", "auto_reject", {}],
    ["only to be recorded", "auto_execute", { obligations: ["record_only"] }],
  ];
  for (const [why, verdict, over] of refused) {
    it(`does nothing that is ${why}`, () => {
      const walk = start().send("perform", order(verdict, over));
      assert.equal(walk.state, "idle");
      assert.equal(last(walk).state, "skipped");
      assert.deepEqual(walk.started, []);
    });
  }

  it("does nothing for an action that is not its own", () => {
    const walk = start().send("perform", {
      question: question(LABEL),
      review: review(LABEL, "auto_execute"),
    });
    assert.equal(last(walk).state, "skipped");
  });

  it("answers a second order from what it knows", () => {
    const walk = done().send("perform", order());
    assert.deepEqual([last(walk).state, acts(walk), walk.replies.length], ["done", 1, 2]);
  });

  it("acts under one key, however often it must try", () => {
    const walk = acting();
    const { effectKey } = walk.input<ActInput>("act");
    walk.fail("act", "tool_error");
    assert.equal(walk.state, "performing.actBackingOff");
    assert.equal(walk.fire().input<ActInput>("act").effectKey, effectKey);
  });

  for (const code of ["call_outcome_unknown", "call_timeout", "call_failed"]) {
    it(`never acts again after ${code}: a person looks`, () => {
      const walk = acting().fail("act", code);
      assert.equal(walk.state, "failedToHuman");
      assert.deepEqual([last(walk).state, last(walk).failure?.code], ["failed", code]);
      walk.send("perform", order());
      assert.deepEqual([walk.state, acts(walk), last(walk).state], ["failedToHuman", 1, "failed"]);
    });
  }

  it("may be ordered again when it is certain that nothing was done", () => {
    const walk = acting().fail("act", "policy_denied");
    assert.equal(walk.state, "failedToHuman");
    assert.equal(walk.send("perform", order()).state, "performing.dryRunning");
  });

  it("stops when the effect would reach further than was reviewed", () => {
    const wider = { ...DRY_RUN, blast: { ...TARGET.blast, pods: 40 } };
    const walk = start().send("perform", order()).done("dryRun", wider);
    assert.deepEqual(
      [walk.state, last(walk).failure?.code, acts(walk)],
      ["failedToHuman", "target_changed", 0],
    );
  });

  it("hands an effect that did not hold to a person, with its receipt", () => {
    const walk = acting().done("act", receipt(ISOLATE)).done("verify", { holds: false });
    assert.deepEqual([walk.state, last(walk).failure?.code], ["failedToHuman", "effect_not_held"]);
    assert.equal(last(walk).receipt?.id, "receipt-1");
  });

  it("tries the dry run and the check again, within their budget", () => {
    const walk = start().send("perform", order()).fail("dryRun", "call_timeout");
    assert.equal(walk.state, "performing.dryRunTimedOut");
    walk.fire().fail("dryRun", "tool_error");
    assert.equal(walk.state, "performing.dryRunBackingOff");
    walk.fire().done("dryRun", DRY_RUN).done("act", receipt(ISOLATE));
    walk.fail("verify", "call_timeout");
    assert.equal(walk.state, "performing.verificationTimedOut");
    walk.fire().fail("verify", "tool_error");
    assert.equal(walk.state, "performing.verificationBackingOff");
    walk.fire().fail("verify", "tool_error").fire().fail("verify", "tool_error");
    assert.equal(walk.state, "failedToHuman");
  });

  it("is archived when nobody undid it", () => {
    assert.equal(done().fire("retention").state, "archived");
  });
});

describe("remediator: undoing", () => {
  const undo = { decision: decision("auto_execute") };

  it("reverts by command, under a key of its own, and ends", () => {
    const walk = done().send("undo", undo);
    const input = walk.input<RevertInput>("revert");
    assert.deepEqual([input.because, input.effectKey], ["command", `${ADDRESS}:revert`]);
    walk.done("revert", receipt(ISOLATE, { id: "receipt-2" }));
    assert.deepEqual(
      [walk.state, last(walk).state, last(walk).receipt?.id],
      ["undone", "undone", "receipt-2"],
    );
    assert.deepEqual(walk.told, []);
  });

  it("reverts by expiry, and tells the case", () => {
    const walk = done({ obligations: ["undo_after:60000"] });
    assert.equal(walk.state, "done.expiring");
    assert.deepEqual([...walk.timers.values()].toSorted((a, b) => a - b)[0], 60_000);
    walk.fire("expiry");
    assert.equal(walk.input<RevertInput>("revert").because, "expiry");
    walk.done("revert", receipt(ISOLATE));
    assert.equal(walk.state, "undone");
    assert.deepEqual(
      [walk.told[0]?.to, walk.told[0]?.type],
      [`coordinator/${CASE}`, "remediation.changed"],
    );
    assert.equal(walk.replies.length, 1);
  });

  it("tells the case when an expiry could not revert", () => {
    const walk = done({ obligations: ["undo_after:60000"] })
      .fire("expiry")
      .fail("revert", "call_outcome_unknown");
    assert.equal(walk.state, "failedToHuman");
    assert.equal((walk.told[0]?.data as unknown as Remediation | undefined)?.state, "failed");
  });

  it("answers the command that comes while its expiry is being undone", () => {
    const walk = done({ obligations: ["undo_after:60000"] })
      .fire("expiry")
      .send("undo", undo);
    walk.done("revert", receipt(ISOLATE));
    assert.deepEqual([last(walk).state, walk.told.length], ["undone", 0]);
  });

  it("undoes nothing without an allowed decision", () => {
    const walk = done().send("undo", { decision: decision("escalate") });
    assert.deepEqual([walk.state, last(walk).failure?.code], ["done.lasting", "policy_denied"]);
  });

  it("says that an effect without an inverse cannot be undone", () => {
    const walk = acting()
      .done("act", receipt(ISOLATE, { inverse: null }))
      .done("verify", { holds: true });
    assert.equal(last(walk.send("undo", undo)).failure?.code, "no_inverse");
  });

  it("tries again within its budget, then hands over, and can still be told to undo", () => {
    const walk = done().send("undo", undo);
    for (let n = 0; n < 3; n++) {
      walk.fail("revert", "tool_error");
      assert.equal(walk.state, "undoing.backingOff");
      walk.fire();
    }
    walk.fail("revert", "tool_error");
    assert.equal(walk.state, "failedToHuman");
    assert.equal(walk.send("undo", undo).state, "undoing.reverting");
  });

  it("refuses to undo what is still under way", () => {
    const walk = acting().send("undo", undo);
    assert.deepEqual([walk.state, last(walk).state], ["performing.acting", "skipped"]);
  });
});
