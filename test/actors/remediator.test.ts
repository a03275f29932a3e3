/** From a review to an effect and back: the policy is asked at the moment of acting, and a key acts once. */
import assert from "node:assert/strict";
import type { ActInput, RemediationOrder, RevertInput } from "../../machines/calls.ts";
import type { Json } from "../../machines/protocol.ts";
import type { Action, Decision, Receipt, TargetState } from "../../machines/vocabulary.ts";
import { createRemediatorCalls } from "../../actors/remediator/binding.ts";
import { createReviewerCalls } from "../../actors/reviewer/binding.ts";
import {
  CLOSE,
  contextOf,
  digestOfAction,
  entityOf,
  ISOLATE,
  NOON,
  openBench,
  questionOf,
  reviewOf,
  type Bench,
} from "./bench.ts";

function asInput(value: object): Json {
  return value as Json;
}

describe("actors: from a review to an effect", () => {
  let bench: Bench;
  let remediator: ReturnType<typeof createRemediatorCalls>;
  let reviewer: ReturnType<typeof createReviewerCalls>;
  beforeEach(async () => {
    bench = await openBench();
    remediator = createRemediatorCalls(bench);
    reviewer = createReviewerCalls(bench);
  });
  afterEach(() => bench.close());

  /** What the reviewer's machine would make of the two calls. */
  async function review(action: Action, question = questionOf(action)): Promise<RemediationOrder> {
    const target = (await reviewer.describeTarget.run(
      asInput({ action }),
      contextOf(),
    )) as unknown as TargetState;
    const input = { question, actionDigest: digestOfAction(action), target };
    const decision = await reviewer.evaluateAction.run(asInput(input), contextOf());
    return { question, review: reviewOf(action, decision as unknown as Decision, target) };
  }

  function actInput(order: RemediationOrder, effectKey = "remediator/c-1.abc:act"): ActInput {
    return { order, version: order.review.target?.version ?? "", effectKey };
  }

  async function act(order: RemediationOrder, key?: string): Promise<Receipt> {
    return (await remediator.act.run(
      asInput(actInput(order, key)),
      contextOf(),
    )) as unknown as Receipt;
  }

  async function isolated(): Promise<boolean | undefined> {
    return (await bench.cluster.pod("ci", "runner-abc-1"))?.isolated;
  }

  it("performs what the policy allows, and proves it", async () => {
    const order = await review(ISOLATE);
    assert.equal(order.review.decision.verdict, "auto_execute");
    const dryRun = await remediator.dryRun.run(asInput(order), contextOf());
    assert.deepEqual(dryRun, {
      version: "1",
      diff: ["traffic: allowed -> denied"],
      blast: { pods: 1, replicasShare: 0, services: 1, namespaces: 1 },
    });
    const receipt = await act(order);
    assert.equal(await isolated(), true);
    assert.equal(receipt.actionDigest, order.review.actionDigest);
    assert.deepEqual(await remediator.verify.run(asInput({ receipt }), contextOf()), {
      holds: true,
    });
  });

  it("performs nothing once the kill switch is on, whatever was decided before", async () => {
    const order = await review(ISOLATE);
    await bench.killSwitch();
    await assert.rejects(act(order), { code: "policy_denied" });
    assert.equal(await isolated(), false);
  });

  it("performs nothing without an allowed review", async () => {
    const order = await review({ type: "terminate", target: ISOLATE.target, params: {} });
    assert.equal(order.review.decision.verdict, "escalate");
    await assert.rejects(act(order), { code: "policy_denied" });
    assert.deepEqual(await bench.cluster.log(), []);
  });

  it("refuses a target that changed between review and effect", async () => {
    const order = await review(ISOLATE);
    const label: Action = {
      type: "label",
      target: ISOLATE.target,
      params: { key: "watchfloor.dev/seen", value: "yes" },
    };
    const marked = await review(label);
    assert.deepEqual(marked.review.decision.reasons, ["all_checks_hold"]);
    await act(marked, "another");
    await assert.rejects(act(order), { code: "target_changed" });
    assert.equal(await isolated(), false);
  });

  it("refuses an effect after the call's own deadline", async () => {
    const order = await review(ISOLATE);
    bench.clock.at = NOON + 5_001;
    await assert.rejects(act(order), { code: "deadline_passed" });
    assert.equal(await isolated(), false);
  });

  it("isolates nothing that is isolated already", async () => {
    await act(await review(ISOLATE));
    const { decision } = (await review(ISOLATE)).review;
    assert.deepEqual([decision.verdict, decision.reasons], ["auto_reject", ["already_applied"]]);
  });

  it("answers an attempt that is made again with the receipt of the first", async () => {
    const order = await review(ISOLATE);
    const receipt = await act(order);
    assert.deepEqual(await act(order), receipt);
    assert.equal((await bench.cluster.log()).length, 1);
  });

  it("finds out by its key what became of an effect whose answer was lost", async () => {
    const order = await review(ISOLATE);
    const ask = () => remediator.act.reconcile?.(asInput(actInput(order)), contextOf());
    assert.equal(await ask(), null);
    const receipt = await act(order);
    assert.deepEqual(await ask(), receipt);
  });

  it("undoes by command with a decision, and by expiry without one", async () => {
    const order = await review(ISOLATE);
    for (const because of ["command", "expiry"] as const) {
      const receipt = await act(await review(ISOLATE), `act-${because}`);
      const decision = because === "command" ? order.review.decision : null;
      const input: RevertInput = { receipt, decision, because, effectKey: `revert-${because}` };
      const undone = (await remediator.revert.run(
        asInput(input),
        contextOf(),
      )) as unknown as Receipt;
      assert.equal(undone.action.type, "undo");
      assert.equal(await isolated(), false);
      assert.deepEqual(await remediator.revert.run(asInput(input), contextOf()), undone);
    }
    const effects = (await bench.cluster.log()).map(({ effect }) => effect);
    assert.deepEqual(effects, ["perform", "revert", "perform", "revert"]);
  });

  it("undoes nothing by command without a decision", async () => {
    const receipt = await act(await review(ISOLATE));
    const input: RevertInput = { receipt, decision: null, because: "command", effectKey: "u" };
    await assert.rejects(remediator.revert.run(asInput(input), contextOf()), {
      code: "policy_denied",
    });
    assert.equal(await isolated(), true);
  });

  describe("closing a case", () => {
    const benign = { pValue: 0.01, priority: "notice" } as const;

    it("leaves the cluster alone, and is proved and undone all the same", async () => {
      const order = await review(CLOSE, questionOf(CLOSE, benign));
      assert.deepEqual(order.review.decision.reasons, ["all_checks_hold"]);
      const receipt = await act(order);
      assert.deepEqual(receipt.inverse, { restore: "reopen" });
      assert.deepEqual(await act(order), receipt);
      const input: RevertInput = { receipt, decision: null, because: "expiry", effectKey: "u" };
      const undone = (await remediator.revert.run(
        asInput(input),
        contextOf(),
      )) as unknown as Receipt;
      assert.deepEqual([undone.action.type, undone.inverse], ["reopen", null]);
      assert.deepEqual(await bench.cluster.log(), []);
    });

    it("needs a person where the workload is critical", async () => {
      const entity = entityOf("vital");
      const order = await review(CLOSE, questionOf(CLOSE, { ...benign, entity }));
      assert.equal(order.review.decision.verdict, "escalate");
      assert.deepEqual(order.review.decision.reasons, ["asset_critical_or_unknown"]);
    });

    it("cannot be undone twice over", async () => {
      const receipt = await act(await review(CLOSE, questionOf(CLOSE, benign)));
      const input: RevertInput = {
        receipt: { ...receipt, inverse: null },
        decision: null,
        because: "expiry",
        effectKey: "u",
      };
      await assert.rejects(remediator.revert.run(asInput(input), contextOf()), {
        code: "no_inverse",
      });
    });
  });
});
