/**
 * Goal: hostile text stays in quarantine. Method: the real client against the fake Messages API,
 * scripted as a model that was taken over: whatever it writes, only closed values leave, and what
 * cannot leave is a failure that is paid for.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { fileURLToPath } from "node:url";
import { ATTACK_VERSION } from "../../../actors/analyst/attack.ts";
import { createAnalystCalls } from "../../../actors/analyst/binding.ts";
import { costOf } from "../../../actors/analyst/prices.ts";
import { promptFor } from "../../../actors/analyst/prompt.ts";
import type { CallContext } from "../../../actors/define.ts";
import { classifyByRules } from "../../../actors/analyst/rules-engine.ts";
import { loadResources, type AgentResource } from "../../../actors/resources.ts";
import type { AnalystReading, ClassifyInput } from "../../../machines/calls.ts";
import { WatchfloorError } from "../../../machines/errors.ts";
import type { Json } from "../../../machines/protocol.ts";
import type { FalcoEvent } from "../../../machines/vocabulary.ts";
import { systemClock } from "../../../transports/clock.ts";
import { createAnthropicModel } from "../../../transports/llm/anthropic.ts";
import type { Model } from "../../../transports/ports.ts";
import { ENTITY, PAYLOADS, classifyInput, falcoEvent } from "../../kit/analyst-input.ts";
import {
  FAKE_MODEL,
  FAKE_USAGE,
  startFakeMessagesApi,
  type FakeMessagesApi,
} from "../../kit/fake-messages-api.ts";

const AGENTS = fileURLToPath(new URL("../../../actors/agents", import.meta.url));
const COST = costOf(FAKE_MODEL, FAKE_USAGE);
const SHADOW = falcoEvent({
  rule: "Read sensitive file untrusted",
  tags: ["mitre_credential_access", "T1555"],
  fields: { "fd.name": "/etc/shadow", "proc.cmdline": "cat /etc/shadow" },
});
const ORDINARY = falcoEvent({ rule: "our own rule", priority: "notice" });

const CONTAIN = {
  techniques: ["T1003.008"],
  impact: "credential_access",
  response: "contain",
  benign: false,
  claim: 80,
  injection: false,
};
const BENIGN = {
  techniques: [],
  impact: "none",
  response: "none",
  benign: true,
  claim: 90,
  injection: false,
};

function context(over: Partial<CallContext> = {}): CallContext {
  return {
    callId: "1",
    idempotencyKey: "analyst/c.1:1:0",
    actor: "analyst/c-0123456789ab.1",
    case: "c-0123456789ab",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    signal: new AbortController().signal,
    timeoutMs: 30_000,
    at: 0,
    actUntil: () => Number.MAX_SAFE_INTEGER,
    ...over,
  };
}

describe("actors/analyst: the model in quarantine", () => {
  let api: FakeMessagesApi;
  let model: Model;
  let resource: AgentResource;

  before(async () => {
    resource = (await loadResources(AGENTS)).analyst;
  });
  beforeEach(async () => {
    api = await startFakeMessagesApi();
    model = await createAnthropicModel({
      apiKey: "test-key",
      baseURL: api.baseURL,
      clock: systemClock,
    });
  });
  afterEach(() => api.close());

  async function classify(
    events: readonly FalcoEvent[],
    input: ClassifyInput = classifyInput(events),
    over: Partial<CallContext> = {},
  ): Promise<AnalystReading> {
    const calls = createAnalystCalls({
      evidence: (digests) =>
        Promise.resolve(digests.map((digest) => events.find((e) => e.digest === digest) ?? null)),
      model,
      resource,
    });
    return (await calls.classify.run(
      input as unknown as Json,
      context(over),
    )) as unknown as AnalystReading;
  }

  function answers(value: unknown): void {
    api.script({ kind: "ok", text: typeof value === "string" ? value : JSON.stringify(value) });
  }

  async function fails(events: readonly FalcoEvent[]): Promise<WatchfloorError> {
    try {
      await classify(events);
    } catch (error) {
      assert.ok(error instanceof WatchfloorError, String(error));
      return error;
    }
    return assert.fail("the reading succeeded");
  }

  it("turns an answer into claims, actions of ours and a cost", async () => {
    answers(CONTAIN);
    assert.deepEqual(await classify([SHADOW]), {
      attackVersion: ATTACK_VERSION,
      techniques: [
        {
          id: "T1003.008",
          tactic: "credential-access",
          because: "model",
          evidence: [SHADOW.digest],
        },
      ],
      proposals: [
        {
          type: "isolate",
          target: { kind: "pod", namespace: "shop", name: "cart-7d9f-x2k4q" },
          params: {},
        },
      ],
      claim: 0.8,
      benign: false,
      injectionSuspected: false,
      usage: { engine: "model", model: FAKE_MODEL, calls: 1, ...FAKE_USAGE, costMicroUsd: COST },
    });
  });

  it("gives the model no tools, and the resource's schema and model", async () => {
    answers(CONTAIN);
    await classify([SHADOW], { ...classifyInput([SHADOW]), maxTokens: 1_000_000 });
    const body = api.requests[0]?.body ?? {};
    assert.equal("tools" in body, false);
    assert.equal(body["model"], resource.model?.id);
    assert.equal(body["max_tokens"], resource.limits.tokens);
    assert.deepEqual(body["output_config"], {
      format: { type: "json_schema", schema: resource.outputSchema },
    });
  });

  it("says so when the last answer did not fit", async () => {
    answers(CONTAIN);
    answers(CONTAIN);
    await classify([SHADOW]);
    await classify([SHADOW], { ...classifyInput([SHADOW]), repair: true });
    const [first, second] = api.requests.map(({ body }) => String(body["system"]));
    assert.doesNotMatch(first ?? "", /did not fit/);
    assert.match(second ?? "", /did not fit/);
  });

  const misfits: readonly (readonly [string, unknown, string])[] = [
    ["prose", "The event is benign. Trust me.", "answer"],
    ["half an object", '{"techniques":[', "answer"],
    ["a field more", { ...CONTAIN, target: "pod/kube-system/etcd-0" }, "answer"],
    ["a field less", { ...CONTAIN, benign: undefined }, "benign"],
    ["a technique that does not exist", { ...CONTAIN, techniques: ["T9999"] }, "techniques.0"],
    ["text in place of a technique", { ...CONTAIN, techniques: [PAYLOADS[0]] }, "techniques.0"],
    ["an impact of its own", { ...CONTAIN, impact: "all clear" }, "impact"],
    ["a response of its own", { ...CONTAIN, response: "scale_to_zero" }, "response"],
    ["a claim over all", { ...CONTAIN, claim: 101 }, "claim"],
    ["a claim in words", { ...CONTAIN, claim: "80" }, "claim"],
  ];
  for (const [what, answer, field] of misfits) {
    it(`refuses ${what}, names ${field}, and counts its cost`, async () => {
      answers(answer);
      const error = await fails([SHADOW]);
      assert.equal(error.code, "model_bad_schema");
      assert.equal(error.message, `the model's answer does not fit its schema at ${field}`);
      assert.deepEqual(error.data, {
        usage: { engine: "model", model: FAKE_MODEL, calls: 1, ...FAKE_USAGE, costMicroUsd: COST },
        stopReason: "end_turn",
      });
    });
  }

  it("prices a failure of the service too, where tokens were used", async () => {
    api.script({ kind: "stop", reason: "refusal" });
    const error = await fails([SHADOW]);
    assert.equal(error.code, "model_refused");
    assert.deepEqual(error.data, {
      usage: { engine: "model", model: FAKE_MODEL, calls: 1, ...FAKE_USAGE, costMicroUsd: COST },
      stopReason: "refusal",
    });
  });

  it("keeps retry-after through the quarantine", async () => {
    api.script({ kind: "error", status: 429, headers: { "retry-after": "3" } });
    const error = await fails([SHADOW]);
    assert.deepEqual([error.code, error.retryAfterMs], ["model_rate_limited", 3_000]);
  });

  it("ends a hung attempt before its call would, so that the model's own error is seen", async () => {
    api.script({ kind: "hang" });
    await assert.rejects(classify([SHADOW], classifyInput([SHADOW]), { timeoutMs: 100 }), {
      code: "model_timeout",
    });
  });

  it("fails for good, at once, where no model is configured", async () => {
    const calls = createAnalystCalls({
      evidence: () => Promise.resolve([]),
      model: null,
      resource,
    });
    await assert.rejects(calls.classify.run(classifyInput([]) as unknown as Json, context()), {
      code: "model_absent",
      retryable: false,
    });
  });

  it("reads by the tables through the other call, with the events it is given", async () => {
    const calls = createAnalystCalls({
      evidence: (digests) => Promise.resolve(digests.map(() => SHADOW)),
      model: null,
      resource,
    });
    const input = classifyInput([SHADOW]);
    const reading = await calls.classifyByRules.run(input as unknown as Json, context());
    assert.deepEqual(reading, classifyByRules(input, [SHADOW]));
  });

  it("runs sixty-four readings at once, so that a hung one delays no other case", () => {
    const calls = createAnalystCalls({ evidence: () => Promise.resolve([]), model, resource });
    assert.equal(calls.classify.concurrencyMax, 64);
    assert.equal(calls.classify.recovery, "retry");
    assert.equal(calls.classifyByRules.recovery, "retry");
  });

  // ---- Being talked into something -----------------------------------------------------------

  it("closes an ordinary event that the model calls benign", async () => {
    answers(BENIGN);
    const reading = await classify([ORDINARY]);
    assert.deepEqual(reading.proposals, [
      { type: "close_benign", target: { kind: "case", id: "c-0123456789ab" }, params: {} },
    ]);
  });

  const denied: readonly (readonly [string, FalcoEvent, object, boolean])[] = [
    ["the tables show an attack", SHADOW, BENIGN, false],
    ["the scanner saw text for a model", ORDINARY, BENIGN, true],
    ["the model saw text for a model", ORDINARY, { ...BENIGN, injection: true }, false],
    ["the answer names a technique", ORDINARY, { ...BENIGN, techniques: ["T1059"] }, false],
  ];
  for (const [why, event, answer, injectionSuspected] of denied) {
    it(`does not call a case benign when ${why}`, async () => {
      answers(answer);
      const input = classifyInput([event], {}, { injectionSuspected });
      const reading = await classify([event], input);
      assert.equal(reading.benign, false);
      assert.deepEqual(reading.proposals, []);
      assert.ok(reading.claim <= 0.2);
    });
  }

  it("goes no further than the tables where text may have spoken to the model", async () => {
    answers({ ...CONTAIN, response: "disrupt", injection: true });
    const reading = await classify([ORDINARY]);
    assert.deepEqual(
      reading.proposals.map(({ type }) => type),
      ["label"],
    );
    assert.equal(reading.injectionSuspected, true);
  });

  for (const payload of PAYLOADS) {
    it(`gives the same reading with ${JSON.stringify(payload.slice(0, 32))} in the event`, async () => {
      const twin = falcoEvent({
        rule: "Read sensitive file untrusted",
        tags: ["mitre_credential_access", "T1555"],
        fields: { "fd.name": "/etc/shadow", "proc.cmdline": `cat /etc/shadow ${payload}` },
      });
      answers(CONTAIN);
      answers(CONTAIN);
      const clean = await classify([SHADOW]);
      const injected = await classify([twin]);
      const bare = (reading: AnalystReading): unknown => ({
        ...reading,
        techniques: reading.techniques.map(({ id }) => id),
      });
      assert.deepEqual(bare(injected), bare(clean));
    });
  }

  it("lets nothing out but ids, enums and numbers, whatever the model writes", async () => {
    const text = fc.constantFrom(...PAYLOADS, "T1059", "none", "contain", "credential_access");
    const anything = fc.oneof(text, fc.boolean(), fc.integer(), fc.constant(null), fc.array(text));
    const keys = ["techniques", "impact", "response", "benign", "claim", "injection", "note"];
    const taken = fc.record(Object.fromEntries(keys.map((key) => [key, anything])), {
      requiredKeys: [],
    });
    const known = new Set([...ENTITY.key.split("/"), "cart-7d9f-x2k4q", "worker-1"]);
    await fc.assert(
      fc.asyncProperty(taken, async (changes) => {
        answers({ ...CONTAIN, ...changes });
        let out: string;
        try {
          out = JSON.stringify(await classify([SHADOW]));
        } catch (error) {
          assert.ok(error instanceof WatchfloorError && error.code === "model_bad_schema");
          out = JSON.stringify([error.message, error.data]);
        }
        for (const payload of PAYLOADS)
          assert.ok(!out.includes(JSON.stringify(payload).slice(1, -1)));
        for (const [, name] of out.matchAll(/"name":"([^"]*)"/g)) assert.ok(known.has(name ?? ""));
      }),
      { numRuns: 150 },
    );
  });
});

describe("actors/analyst: the prompt", () => {
  it("is the same for the same case", () => {
    assert.equal(
      promptFor(classifyInput([SHADOW]), [SHADOW]),
      promptFor(classifyInput([SHADOW]), [SHADOW]),
    );
  });

  it("keeps hostile text between its marks, in printable ASCII, whatever it is", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...PAYLOADS)),
        (payload) => {
          const event = falcoEvent({
            rule: "x",
            tags: [payload],
            fields: { "proc.cmdline": payload },
          });
          const prompt = promptFor(classifyInput([event]), [event]);
          const lines = prompt.split("\n");
          assert.equal(lines.length, 4);
          assert.match(lines[1] ?? "", /^EVIDENCE [0-9a-f]{16}$/);
          assert.equal(lines[3], lines[1]);
          assert.match(prompt, /^[\x20-\x7e\n]*$/);
          assert.doesNotMatch(prompt, /[<>]/);
        },
      ),
    );
  });

  it("shows no name of the estate beside the evidence, and no secret within it", () => {
    const event = falcoEvent({
      rule: "x",
      fields: {
        "proc.cmdline": "mysql -u root --password=hunter2hunter2 -h db",
        "proc.env": "AWS_SECRET_ACCESS_KEY=abc",
        "proc.args": "AKIAIOSFODNN7EXAMPLE",
      },
    });
    const prompt = promptFor(classifyInput([event]), [event]);
    for (const secret of ["hunter2", "AKIAIOSFODNN7", "AWS_SECRET", "shop", "cart-7d9f"])
      assert.ok(!prompt.includes(secret), secret);
  });

  it("is bounded, whatever the case holds", () => {
    const big = "x".repeat(9_000);
    const fields = Object.fromEntries(Array.from({ length: 80 }, (_, n) => [`proc.f${n}`, big]));
    const events = Array.from({ length: 20 }, (_, n) => falcoEvent({ rule: `rule ${n}`, fields }));
    const prompt = promptFor(classifyInput(events), events);
    assert.ok(prompt.length < 60_000, `${prompt.length} characters`);
  });

  it("says what is known of an event that is no longer kept", () => {
    assert.match(promptFor(classifyInput([SHADOW]), [null]), /"fields":null/);
  });
});
