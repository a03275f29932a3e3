/**
 * The boundary of: parameters in force and whoever changes them: what is refused changes nothing, what
 * is accepted is kept with who and why, and counts for the next decision.
 */
import assert from "node:assert/strict";
import { decide } from "../../policies/engine.ts";
import { authoriseEffect } from "../../policies/effect.ts";
import {
  LiveParameters,
  type ParameterEntry,
  type ParameterLedger,
} from "../../policies/live-parameters.ts";
import {
  changedParameters,
  differences,
  mergedSpec,
  parameterAt,
} from "../../policies/parameters-change.ts";
import { adjustParameters } from "../../policies/parameters.ts";
import { ServingPolicy } from "../../policies/serving.ts";
import { loadWasmEngine } from "../../policies/wasm-engine.ts";
import { ask, AT, NOW, pointOf, ENFORCING, reviewed, SHIPPED } from "./fixtures.ts";

const ANA = { user: "ana", uid: 1000, as: null };
const CAUSE = { who: ANA, why: "SEC-142", at: AT };
const START = { who: ANA, why: "as declared at start", at: AT - 1 };

function ledger(entries: ParameterEntry[] = []): ParameterLedger & { entries: ParameterEntry[] } {
  return {
    entries,
    head: async () => entries.at(-1) ?? null,
    append: async (entry) => void entries.push(entry),
  };
}

const open = (kept = ledger(), declared = ENFORCING) => LiveParameters.open(kept, declared, START);

describe("policies: a change of parameters", () => {
  it("sets by path, with or without the spec before it", () => {
    const changed = changedParameters(SHIPPED, [
      { path: "confidenceFloor.contain", value: 0.9 },
      { path: "spec.killSwitch", value: true },
    ]);
    assert.equal(changed.spec.confidenceFloor.contain, 0.9);
    assert.equal(changed.spec.killSwitch, true);
    assert.equal(SHIPPED.spec.killSwitch, false);
    assert.equal(parameterAt(changed, "spec.confidenceFloor.contain"), 0.9);
  });

  const refused: readonly (readonly [string, { path: string; value: unknown }[], RegExp])[] = [
    [
      "a parameter it does not know",
      [{ path: "killswitch", value: true }],
      /spec\.killswitch is not/,
    ],
    ["a path through no map", [{ path: "mode.x", value: 1 }], /spec\.mode\.x is not a parameter/],
    [
      "a name of every object",
      [{ path: "constructor", value: 1 }],
      /constructor is not a parameter/,
    ],
    ["its prototype", [{ path: "__proto__.x", value: 1 }], /__proto__\.x is not a parameter/],
    [
      "a number as text",
      [{ path: "confidenceFloor.contain", value: "0.9" }],
      /confidenceFloor\.contain/,
    ],
    ["a value beyond its limit", [{ path: "alertBudget", value: 0.5 }], /spec\.alertBudget/],
    [
      "one path twice",
      [
        { path: "mode", value: "observe" },
        { path: "spec.mode", value: "enforce" },
      ],
      /spec\.mode is set twice/,
    ],
  ];
  for (const [what, changes, message] of refused) {
    it(`refuses ${what}, by its name`, () => {
      const set = () => changedParameters(SHIPPED, changes as never);
      assert.throws(set, { code: "config_invalid", message });
    });
  }

  it("says what differs, a list as one", () => {
    const changed = changedParameters(SHIPPED, [
      { path: "assets.criticalityAuto", value: ["low"] },
      { path: "mode", value: "enforce" },
    ]);
    assert.deepEqual(differences(SHIPPED.spec as never, changed.spec as never), [
      { path: "assets.criticalityAuto", from: ["low", "medium"], to: ["low"] },
      { path: "mode", from: "observe", to: "enforce" },
    ]);
  });

  it("lays a new file under what people set", () => {
    const base = { a: 1, b: { c: 1, d: 1 }, gone: 1 };
    const theirs = { a: 2, b: { c: 1, d: 1, added: 1 } };
    const ours = { a: 1, b: { c: 7, d: 1 }, gone: 1 };
    assert.deepEqual(mergedSpec(base, theirs, ours), { a: 2, b: { c: 7, d: 1, added: 1 } });
  });
});

describe("policies: live parameters", () => {
  it("keeps the first start, and nothing at a second one that declares the same", async () => {
    const kept = ledger();
    await open(kept);
    await open(kept);
    assert.deepEqual(
      kept.entries.map(({ n, origin, changes }) => [n, origin, changes.length]),
      [[1, "declared", 0]],
    );
  });

  it("keeps each change with who, why, when and what", async () => {
    const kept = ledger();
    const live = await open(kept);
    await live.set([{ path: "killSwitch", value: true }], CAUSE);
    const { n, who, why, at, origin, changes } = kept.entries[1]!;
    assert.deepEqual(
      { n, who, why, at, origin, changes },
      {
        n: 2,
        ...CAUSE,
        origin: "command",
        changes: [{ path: "killSwitch", from: false, to: true }],
      },
    );
    assert.equal(live.current().revision, kept.entries[1]!.revision);
  });

  it("keeps what a person set over a start, and over a file that changed elsewhere", async () => {
    const kept = ledger();
    await (await open(kept)).set([{ path: "killSwitch", value: true }], CAUSE);
    const file = changedParameters(ENFORCING, [{ path: "close.eventsMax", value: 7 }]);
    const { spec } = (await open(kept, file)).current();
    assert.deepEqual([spec.killSwitch, spec.close.eventsMax], [true, 7]);
  });

  it("takes a file's own change over what a person set before", async () => {
    const live = await open();
    await live.set([{ path: "close.eventsMax", value: 1 }], CAUSE);
    await live.declare(
      changedParameters(ENFORCING, [{ path: "close.eventsMax", value: 7 }]),
      CAUSE,
    );
    assert.equal(live.current().spec.close.eventsMax, 7);
  });

  it("changes nothing that is refused, cannot be made ready, or cannot be kept", async () => {
    const kept = ledger();
    const live = await open(kept);
    const before = live.current();
    await assert.rejects(live.set([{ path: "mode", value: "on" }], CAUSE), {
      code: "config_invalid",
    });
    live.preparedBy(() => Promise.reject(new Error("the engine does not start")));
    await assert.rejects(live.set([{ path: "mode", value: "observe" }], CAUSE));
    live.preparedBy(async () => () => assert.fail("not kept, and in force"));
    const full = { ...kept, append: () => Promise.reject(new Error("disk full")) };
    const other = await LiveParameters.open(full, ENFORCING, START);
    await assert.rejects(other.set([{ path: "mode", value: "observe" }], CAUSE), /disk full/);
    assert.equal(live.current(), before);
    assert.equal(kept.entries.length, 1);
  });

  it("tells its subscribers, until they leave", async () => {
    const live = await open();
    const told: string[] = [];
    const leave = live.subscribe(({ spec }) => told.push(spec.mode));
    await live.set([{ path: "mode", value: "observe" }], CAUSE);
    leave();
    await live.set([{ path: "mode", value: "enforce" }], CAUSE);
    assert.deepEqual(told, ["observe"]);
  });

  it("makes changes one after another", async () => {
    const kept = ledger();
    const live = await open(kept);
    const counts = [1, 2, 3, 4, 5];
    await Promise.all(counts.map((value) => live.set([{ path: "close.eventsMax", value }], CAUSE)));
    assert.deepEqual(
      kept.entries.map(({ n }) => n),
      [1, 2, 3, 4, 5, 6],
    );
    assert.equal(live.current().spec.close.eventsMax, 5);
  });

  it("takes over what another runner changed", async () => {
    const kept = ledger();
    const [one, other] = [await open(kept), await open(kept)];
    await one.set([{ path: "killSwitch", value: true }], CAUSE);
    assert.equal(other.current().spec.killSwitch, false);
    await other.refresh();
    assert.equal(other.current().spec.killSwitch, true);
  });

  it("fills up what an earlier version kept", async () => {
    const kept = ledger();
    await open(kept);
    const [first] = kept.entries;
    const old = structuredClone(first!) as unknown as Record<"spec" | "declared", object>;
    for (const spec of [old.spec, old.declared]) Reflect.deleteProperty(spec, "alertBudget");
    const live = await open(ledger([old as unknown as ParameterEntry]));
    assert.equal(live.current().spec.alertBudget, ENFORCING.spec.alertBudget);
  });
});

describe("policies: parameters that change under a decision", () => {
  it("refuse an auto_execute that was pending when they were tightened", async () => {
    const live = await open();
    const serving = await ServingPolicy.start(loadWasmEngine, live.current(), () => AT);
    live.preparedBy((next) => serving.prepare(next));
    const review = await reviewed(serving.engine(), ask());
    assert.equal(review.decision.verdict, "auto_execute");
    await live.set([{ path: "confidenceFloor.contain", value: 0.99 }], CAUSE);
    const terms = { at: AT, idempotencyKey: "k", deadline: AT + 1, traceparent: null };
    await assert.rejects(
      authoriseEffect(
        pointOf(() => serving.engine()),
        ask(),
        review,
        terms,
      ),
      {
        code: "policy_denied",
        fields: { verdict: "escalate: confidence_below_floor" },
      },
    );
  });

  it("are one set or the other for each decision, never a mixture, and lose none", async () => {
    const live = await open();
    const serving = await ServingPolicy.start(loadWasmEngine, live.current(), () => AT);
    live.preparedBy((next) => serving.prepare(next));
    const revisions = new Map<string, number>();
    for (let n = 0; n < 20; n += 1) {
      const setting = live.set(
        [{ path: "confidenceFloor.contain", value: n % 2 ? 0.9 : 0.8 }],
        CAUSE,
      );
      for (let m = 0; m < 20; m += 1) {
        const { policyRevision, parametersUsed, verdict } = await decide(
          serving.engine(),
          ask(),
          NOW,
        );
        assert.equal(verdict, "auto_execute");
        const floor = parametersUsed["confidenceFloor"] as number;
        assert.equal(revisions.get(policyRevision) ?? floor, floor);
        revisions.set(policyRevision, floor);
      }
      await setting;
    }
    assert.equal(revisions.size, 2);
    assert.equal(adjustParameters(live.current(), {}).revision, live.current().revision);
  });
});
