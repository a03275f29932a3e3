/**
 * Goal: whatever the model's service does, every case comes to an end, shows what happened and what
 * it cost, and holds up no other. Method: the floor as it is composed for a user works real Falco
 * events, with a local server that speaks the Messages API's wire protocol and is told how to fail.
 */
import assert from "node:assert/strict";
import { costOf } from "../../actors/analyst/prices.ts";
import { MODEL_RETRY } from "../../machines/analyst.context.ts";
import type { AnalystReport, CaseSummary, Review } from "../../machines/vocabulary.ts";
import {
  FAKE_MODEL,
  FAKE_USAGE,
  startFakeMessagesApi,
  type FakeMessagesApi,
  type Turn,
} from "../kit/fake-messages-api.ts";
import { WholeFloor } from "../kit/whole-floor.ts";

const ATTACK = "shadow-read";
const ANSWER = {
  techniques: ["T1003.008"],
  impact: "credential_access",
  response: "mark",
  benign: false,
  claim: 90,
  injection: false,
};
const OK: Turn = { kind: "ok", text: JSON.stringify(ANSWER) };
const MISFIT: Turn = {
  kind: "ok",
  text: JSON.stringify({ ...ANSWER, response: "delete_everything" }),
};

/** Of a whole answer, good or bad; of one that broke off after forty characters. */
const WHOLE = FAKE_USAGE.inputTokens + FAKE_USAGE.outputTokens;
const BROKEN = FAKE_USAGE.inputTokens + 10;

interface Expected {
  readonly turns: readonly Turn[];
  /** Of the analyst's chart, between the first attempt and the last. */
  readonly through: readonly string[];
  /** Codes in the case. */
  readonly failures: readonly string[];
  /** Who read it in the end. */
  readonly engine: AnalystReport["usage"]["engine"];
  /** All attempts together. */
  readonly tokens: number;
}

function times<T>(count: number, item: T): T[] {
  return Array.from({ length: count }, () => item);
}

/** The way of `count` attempts that each end in `state`, with the last of them spending the budget. */
function exhausting(state: string, count: number): string[] {
  const waits = times(count - 1, ["assessing", state, "classifying"]).flat();
  return [...waits, "assessing", "budgetSpent", "fallingBack"];
}

const error = (status: number): Turn => ({ kind: "error", status });
const again = (state: string): string[] => ["assessing", state, "classifying"];

const FAILURES: Readonly<Record<string, Expected>> = {
  "waits out a 429": {
    turns: [{ kind: "error", status: 429, headers: { "retry-after": "7" } }, OK],
    through: again("rateLimited"),
    failures: ["model_rate_limited"],
    engine: "model",
    tokens: WHOLE,
  },
  "backs off from a 529": {
    turns: [error(529), OK],
    through: again("overloaded"),
    failures: ["model_overloaded"],
    engine: "model",
    tokens: WHOLE,
  },
  "takes a refusal for an answer, and reads by the table": {
    turns: [{ kind: "stop", reason: "refusal", text: "I would rather not." }],
    through: ["assessing", "refused", "fallingBack"],
    failures: ["model_refused"],
    engine: "rules",
    tokens: WHOLE,
  },
  "asks again with more room after max_tokens": {
    turns: [{ kind: "stop", reason: "max_tokens", text: '{"techniques":[' }, OK],
    through: again("shortened"),
    failures: ["model_max_tokens"],
    engine: "model",
    tokens: 2 * WHOLE,
  },
  "gives up on an answer that outgrows every limit": {
    turns: times(3, { kind: "stop", reason: "max_tokens", text: '{"techniques":[' }),
    through: [
      ...again("shortened"),
      ...again("shortened"),
      "assessing",
      "shortened",
      "budgetSpent",
      "fallingBack",
    ],
    failures: ["model_max_tokens", "budget_spent"],
    engine: "rules",
    tokens: 3 * WHOLE,
  },
  "lets a model ask once for a tool it does not have": {
    turns: [{ kind: "stop", reason: "tool_use" }, OK],
    through: again("toolAsked"),
    failures: ["model_tool_asked"],
    engine: "model",
    tokens: 2 * WHOLE,
  },
  "leaves a loop of asking for tools": {
    turns: times(3, { kind: "stop", reason: "tool_use" }),
    through: [
      ...again("toolAsked"),
      ...again("toolAsked"),
      "assessing",
      "toolLooped",
      "fallingBack",
    ],
    failures: ["model_tool_asked", "model_tool_loop"],
    engine: "rules",
    tokens: 3 * WHOLE,
  },
  "has an answer outside its schema repaired": {
    turns: [MISFIT, OK],
    through: again("repairing"),
    failures: ["model_bad_schema"],
    engine: "model",
    tokens: 2 * WHOLE,
  },
  "pays for every answer that never fits its schema, and reads by the table": {
    turns: times(MODEL_RETRY.attemptsMax, MISFIT),
    through: exhausting("repairing", MODEL_RETRY.attemptsMax),
    failures: ["model_bad_schema", "budget_spent"],
    engine: "rules",
    tokens: MODEL_RETRY.attemptsMax * WHOLE,
  },
  "asks again when the connection breaks within the stream": {
    turns: [{ kind: "cut" }, OK],
    through: again("cutOff"),
    failures: ["model_stream_cut"],
    engine: "model",
    tokens: BROKEN + WHOLE,
  },
  "asks again when the body ends within an event": {
    turns: [{ kind: "truncated" }, OK],
    through: again("unreadable"),
    failures: ["model_body_broken"],
    engine: "model",
    tokens: BROKEN + WHOLE,
  },
  "reads by the table when no attempt ends its stream": {
    turns: times(MODEL_RETRY.attemptsMax, { kind: "unfinished" }),
    through: exhausting("unreadable", MODEL_RETRY.attemptsMax),
    failures: ["model_body_broken", "budget_spent"],
    engine: "rules",
    tokens: MODEL_RETRY.attemptsMax * BROKEN,
  },
  "pays for an answer that hangs after it began, and asks again": {
    turns: [{ kind: "hangMidway" }, OK],
    through: again("timedOut"),
    failures: ["model_timeout"],
    engine: "model",
    tokens: BROKEN + WHOLE,
  },
  "reads by the table when every attempt hangs": {
    turns: times(MODEL_RETRY.attemptsMax, { kind: "hang" }),
    through: exhausting("timedOut", MODEL_RETRY.attemptsMax),
    failures: ["model_timeout", "budget_spent"],
    engine: "rules",
    tokens: 0,
  },
  "asks again when the service is at fault": {
    turns: [error(500), OK],
    through: again("unavailable"),
    failures: ["model_unavailable"],
    engine: "model",
    tokens: WHOLE,
  },
  "does not repeat what the service rejects": {
    turns: [error(400)],
    through: ["assessing", "rejected", "fallingBack"],
    failures: ["model_rejected"],
    engine: "rules",
    tokens: 0,
  },
  "ends on the failure of its last attempt, whatever the others were": {
    turns: [error(529), MISFIT, { kind: "cut" }, { kind: "error", status: 429 }],
    through: [
      ...again("overloaded"),
      ...again("repairing"),
      ...again("cutOff"),
      "assessing",
      "budgetSpent",
      "fallingBack",
    ],
    failures: [
      "model_overloaded",
      "model_bad_schema",
      "model_stream_cut",
      "model_rate_limited",
      "budget_spent",
    ],
    engine: "rules",
    tokens: WHOLE + BROKEN,
  },
};

describe("supervisor: a floor whose model fails", function () {
  this.timeout(60_000);
  let api: FakeMessagesApi;
  let floor: WholeFloor;

  beforeEach(async () => {
    api = await startFakeMessagesApi();
    floor = await WholeFloor.start(api);
  });
  afterEach(async () => {
    await floor.close();
    await api.close();
  });

  async function restarted(env: Readonly<Record<string, string>>): Promise<void> {
    await floor.close();
    floor = await WholeFloor.start(api, env);
  }

  async function worked(turns: readonly Turn[]): Promise<CaseSummary> {
    api.script(...turns);
    const id = await floor.attack(ATTACK);
    for (const { kind } of turns)
      if (kind === "hang" || kind === "hangMidway") await floor.outlastHang();
    return floor.settled(id);
  }

  /** What the case's history keeps of the one answer to this question. */
  function answerIn(id: string, question: string): unknown {
    const entries = floor.turnsOf(`coordinator/${id}`).flatMap(({ history }) => history ?? []);
    const answers = entries.filter(({ event }) => event === `xstate.done.actor.${question}`);
    assert.equal(answers.length, 1);
    return answers[0]?.data;
  }

  function reportIn(id: string): AnalystReport {
    return (answerIn(id, "askAnalyst") as { readonly analyst: AnalystReport }).analyst;
  }

  function confidenceIn(id: string): number {
    return (answerIn(id, "askReviewer") as { readonly review: Review }).review.confidence;
  }

  it("takes a whole answer at the first attempt", async () => {
    const summary = await worked([OK]);
    assert.deepEqual(floor.statesOfAnalyst(`analyst/${summary.case}.1`), ["classifying", "done"]);
    assert.deepEqual(summary.failures, []);
    assert.deepEqual(summary.techniques, ["T1003.008"]);
    assert.deepEqual(summary.usage, {
      engine: "model",
      model: FAKE_MODEL,
      calls: 1,
      ...FAKE_USAGE,
      costMicroUsd: costOf(FAKE_MODEL, FAKE_USAGE),
    });
  });

  for (const [what, expected] of Object.entries(FAILURES)) {
    it(what, async () => {
      const summary = await worked(expected.turns);
      const report = reportIn(summary.case);

      assert.deepEqual(floor.statesOfAnalyst(`analyst/${summary.case}.1`), [
        "classifying",
        ...expected.through,
        "done",
      ]);
      assert.equal(api.requests.length, expected.turns.length, "attempts");
      assert.deepEqual(summary.failures, expected.failures);
      assert.deepEqual([...new Set(report.failures.map(({ code }) => code))], expected.failures);
      assert.ok(["closed", "awaiting_human"].includes(summary.state), summary.state);
      assert.ok(summary.techniques.length > 0, "somebody read it");

      assert.equal(report.usage.engine, expected.engine);
      const { calls, inputTokens, outputTokens, costMicroUsd } = summary.usage;
      assert.equal(calls, expected.turns.length);
      assert.equal(inputTokens + outputTokens, expected.tokens);
      const fromPrices = inputTokens === 0 ? 0 : costOf(FAKE_MODEL, { inputTokens, outputTokens });
      // Each attempt is rounded up by itself.
      assert.ok(
        costMicroUsd >= fromPrices && costMicroUsd <= fromPrices + calls,
        String(costMicroUsd),
      );
    });
  }

  it("waits as long as retry-after says", async () => {
    const summary = await worked([
      { kind: "error", status: 429, headers: { "retry-after": "7" } },
      OK,
    ]);
    const waiting = floor
      .turnsOf(`analyst/${summary.case}.1`)
      .find(({ is }) => is === "rateLimited");
    const [timer] = waiting?.record.timers ?? [];
    assert.equal((timer?.dueAt ?? 0) - (waiting?.at ?? 0), 7_000);
  });

  it("gives a shortened answer twice the room, and tells a misfit answer's model so", async () => {
    await worked([{ kind: "stop", reason: "max_tokens" }, MISFIT, OK]);
    const [first, second, third] = api.requests.map(({ body }) => body);
    assert.equal(Number(second?.["max_tokens"]), 2 * Number(first?.["max_tokens"]));
    assert.doesNotMatch(String(second?.["system"]), /did not fit/);
    assert.match(String(third?.["system"]), /did not fit/);
  });

  it("trusts a repaired answer less than one that fitted at once", async () => {
    const repaired = (await worked([MISFIT, OK])).case;
    const [first, ofRepaired] = [reportIn(repaired), confidenceIn(repaired)];
    await restarted({});
    const fitted = (await worked([OK])).case;
    assert.deepEqual([first.schemaRepaired, reportIn(fitted).schemaRepaired], [true, false]);
    assert.ok(ofRepaired < confidenceIn(fitted));
  });

  it("says in the case how long it waited for a model that hangs", async () => {
    const summary = await worked([{ kind: "hang" }, OK]);
    const [failure] = reportIn(summary.case).failures;
    assert.equal(failure?.message, "the model did not answer within 19500 ms");
  });

  it("asks the model that is configured, and prices it, before the one of the agent's resource", async () => {
    await restarted({ WATCHFLOOR_MODEL_ID: "claude-opus-5-5" });
    const { usage } = await worked([OK]);
    assert.equal(api.requests[0]?.body["model"], "claude-opus-5-5");
    assert.equal(usage.model, "claude-opus-5-5");
    assert.equal(usage.costMicroUsd, costOf("claude-opus-5-5", FAKE_USAGE));
  });

  it("settles every other case while the model hangs for one, though they share all shards", async () => {
    await restarted({ WATCHFLOOR_SHARDS: "1" });
    api.script({ kind: "hang" });
    const hung = await floor.attack(ATTACK);
    await floor.until("the model hangs", () => api.hanging === 1);
    const before = floor.clock.steady();

    const others: string[] = [];
    for (const scenario of ["web-shell", "fileless", "token-read"]) {
      api.script(OK);
      const other = await floor.attack(scenario);
      others.push(other);
      await floor.settled(other);
      assert.equal(api.hanging, 1);
      assert.equal(floor.case(hung)?.state, "analysing");
    }
    assert.equal(floor.clock.steady(), before, "nobody waited");
    assert.equal(new Set([hung, ...others]).size, 4);

    api.script(OK);
    await floor.outlastHang();
    const summary = await floor.settled(hung);
    assert.deepEqual(summary.failures, ["model_timeout"]);
    const order = floor.turns.filter(
      ({ is, actor }) => is === "done" && actor.startsWith("analyst/"),
    );
    assert.deepEqual(
      order.map(({ actor }) => actor),
      [...others, hung].map((id) => `analyst/${id}.1`),
    );
  });
});
