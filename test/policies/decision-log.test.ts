/**
 * The boundary of: a decision and its record: written before anyone sees the verdict, in OPA's shape,
 * and enough to decide again.
 */
import assert from "node:assert/strict";
import type { EvaluateInput } from "../../machines/calls.ts";
import type { Decision } from "../../machines/vocabulary.ts";
import { parametersEntry, parseEntry, type DecisionEntry } from "../../policies/decision-log.ts";
import { createDecisionPoint } from "../../policies/decision-point.ts";
import { authoriseEffect } from "../../policies/effect.ts";
import { adjustParameters } from "../../policies/parameters.ts";
import { RateWindow } from "../../policies/rate-window.ts";
import { Replay, type Replayed } from "../../policies/replay.ts";
import { loadWasmEngine, type WasmEngine } from "../../policies/wasm-engine.ts";
import { ask, askToClose, AT, ENFORCING, pointOf, reviewed } from "./fixtures.ts";

const ASKED = { by: "reviewer", traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` } as const;
const PERSON = { user: "ana", uid: 1000, as: "the night shift" };

let engine: WasmEngine;
before(async () => void (engine = await loadWasmEngine(ENFORCING)));

describe("policies: the decision log", () => {
  it("has an entry in OPA's shape for each decision", async () => {
    const entries: DecisionEntry[] = [];
    const decision = await pointOf(engine, entries).decide(ask(), ASKED);
    const [entry] = entries;
    assert.ok(entry);
    const { input, result, metrics, ...rest } = entry;
    assert.deepEqual(rest, {
      decision_id: decision.decisionId,
      bundles: { watchfloor: { revision: engine.bundleRevision } },
      path: "watchfloor/review/result",
      requested_by: "reviewer",
      timestamp: new Date(AT).toISOString(),
      trace_id: "a".repeat(32),
      span_id: "b".repeat(16),
    });
    assert.equal((input as { at: number }).at, AT);
    const { decisionId, ...expected } = decision;
    assert.equal(decisionId, entry.decision_id);
    assert.deepEqual(result, expected);
    assert.ok(metrics["timer_rego_query_eval_ns"] !== undefined);
    assert.deepEqual(parseEntry(JSON.stringify(entry)), entry);
  });

  it("is written before the verdict is used", async () => {
    let written = (): void => {};
    const log = { write: () => new Promise<void>((done) => (written = done)) };
    const clock = { now: () => AT, steady: () => 0 };
    const point = createDecisionPoint({ engine: () => engine, log, clock });
    let decision: Decision | null = null;
    const deciding = point.decide(ask(), ASKED).then((made) => (decision = made));
    for (let n = 0; n < 50; n += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(decision, null);
    written();
    assert.equal((await deciding).verdict, "auto_execute");
  });

  it("turns what it cannot hold into an escalation, and lets no effect be minted", async () => {
    const log = { write: () => Promise.reject(new Error("disk full")) };
    const clock = { now: () => AT, steady: () => 0 };
    const point = createDecisionPoint({ engine: () => engine, log, clock });
    const { verdict, reasons } = await point.decide(ask(), ASKED);
    assert.deepEqual([verdict, reasons], ["escalate", ["decision_not_logged"]]);
    const review = await reviewed(engine, ask());
    const terms = { at: AT, idempotencyKey: "k", deadline: AT + 1, traceparent: null };
    await assert.rejects(authoriseEffect(point, ask(), review, terms), {
      code: "decision_not_logged",
    });
    const answer = {
      id: "a",
      answer: "dismiss",
      person: PERSON,
      reason: null,
      dismissal: null,
    } as const;
    const refused = await point.authorise({ answer, reviews: [], approvers: [] }, ASKED);
    assert.deepEqual([refused.allowed, /log/.test(refused.why)], [false, true]);
  });

  it("erases what may name people and no rule reads, and says so", async () => {
    const entries: DecisionEntry[] = [];
    const approved = { person: PERSON, reason: "because I say so" };
    await pointOf(engine, entries).decide(ask({ approved }), ASKED);
    assert.deepEqual(entries[0]?.erased, [
      "/input/question/approval/reason",
      "/input/question/approval/person/as",
    ]);
    assert.doesNotMatch(JSON.stringify(entries), /because I say so|night shift/);
    assert.match(JSON.stringify(entries), /"user":"ana"/);
  });

  it("keeps only the digest of an input that is none, or is larger than any sound one", async () => {
    const entries: DecisionEntry[] = [];
    const point = pointOf(engine, entries);
    const cyclic: Record<string, unknown> = {};
    cyclic["question"] = cyclic;
    const large = ask({ target: { diff: ["x".repeat(300_000)] } });
    for (const input of [cyclic as unknown as EvaluateInput, large]) {
      assert.equal((await point.decide(input, ASKED)).verdict, "escalate");
      assert.deepEqual(entries.at(-1)?.erased, ["/input"]);
      assert.equal(entries.at(-1)?.input, undefined);
    }
  });

  it("reads a line that is none as null", () => {
    for (const line of ["", "{", "{}", '{"decision_id":"x"}']) assert.equal(parseEntry(line), null);
  });
});

describe("policies: the rate limit", () => {
  it("counts what was allowed to be performed, and asks a person beyond it", async () => {
    const point = pointOf(engine);
    const review = await reviewed(engine, ask());
    const terms = { at: AT, idempotencyKey: "k", deadline: AT + 1, traceparent: null };
    const { perHourMax } = ENFORCING.spec.rateLimits.contain;
    for (let n = 0; n < perHourMax; n += 1) await authoriseEffect(point, ask(), review, terms);
    await assert.rejects(authoriseEffect(point, ask(), review, terms), {
      fields: { verdict: "escalate: rate_limit_reached" },
    });
    const { reasons } = await point.decide(ask(), ASKED);
    assert.deepEqual(reasons, ["rate_limit_reached"]);
    assert.equal((await point.decide(ask({ approved: {} }), ASKED)).verdict, "auto_execute");
    assert.equal((await point.decide(askToClose(), ASKED)).verdict, "auto_execute");
  });

  it("forgets after an hour", () => {
    const recent = new RateWindow();
    recent.add("contain", AT);
    assert.equal(recent.count("contain", AT + 3_599_999), 1);
    assert.equal(recent.count("mark", AT), 0);
    assert.equal(recent.count("contain", AT + 3_600_000), 0);
  });
});

describe("policies: deciding a log again", () => {
  const STRICT = adjustParameters(ENFORCING, { killSwitch: true });

  async function logged(): Promise<DecisionEntry[]> {
    const entries: DecisionEntry[] = [parametersEntry(engine, AT)];
    const point = pointOf(engine, entries);
    await point.decide(ask(), ASKED);
    await point.decide(ask({ question: { confidence: 0.1 } }), ASKED);
    await point.decide(ask({ approved: { person: PERSON, reason: "x" } }), ASKED);
    const answer = {
      id: "a",
      answer: "approve",
      person: PERSON,
      reason: "x",
      dismissal: null,
    } as const;
    const review = await reviewed(engine, ask());
    await point.authorise({ answer, reviews: [review], approvers: [] }, ASKED);
    return entries;
  }

  async function replayed(replay: Replay, entries: readonly DecisionEntry[]): Promise<Replayed[]> {
    const found: Replayed[] = [];
    for (const entry of entries) {
      const parsed = parseEntry(JSON.stringify(entry));
      assert.ok(parsed);
      const one = await replay.take(parsed);
      if (one !== null) found.push(one);
    }
    return found;
  }

  const changes = (found: readonly Replayed[]) =>
    found.map((one) => ("skipped" in one ? one.skipped : one.changed));

  it("changes nothing by the same policy and parameters", async () => {
    const found = await replayed(new Replay(loadWasmEngine, null), await logged());
    assert.deepEqual(changes(found), [null, null, null, null]);
  });

  it("shows every verdict that other parameters would change", async () => {
    const found = await replayed(new Replay(loadWasmEngine, STRICT), await logged());
    assert.deepEqual(changes(found), ["verdict", "reasons", "verdict", null]);
    const [first] = found;
    assert.ok(first && "after" in first);
    assert.deepEqual(
      [first.before.verdict, first.after.verdict, first.after.reasons],
      ["auto_execute", "escalate", ["kill_switch_on"]],
    );
  });

  it("decides each by the parameters it was decided by", async () => {
    const stopped = await engine.withParameters(STRICT);
    const entries = await logged();
    entries.push(parametersEntry(stopped, AT));
    await pointOf(stopped, entries).decide(ask(), ASKED);
    const found = await replayed(new Replay(loadWasmEngine, null), entries);
    assert.deepEqual(changes(found), [null, null, null, null, null]);
  });

  it("leaves out what was not the policy's word", async () => {
    const [, first, ...rest] = await logged();
    const unreachable = {
      ...first!,
      result: { verdict: "escalate", reasons: ["policy_unreachable"], ruleIds: [] },
    };
    const { input: _, ...erased } = first!;
    const found = await replayed(new Replay(loadWasmEngine, ENFORCING), [
      unreachable,
      erased,
      ...rest,
    ]);
    assert.deepEqual(changes(found).slice(0, 2), ["policy_unreachable", "its input was not kept"]);
    const [unknown] = await replayed(new Replay(loadWasmEngine, null), [first!]);
    assert.deepEqual(unknown && changes([unknown]), ["its parameters are not in the log"]);
  });
});
