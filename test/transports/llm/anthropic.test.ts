/**
 * Goal: every way in which the Messages API can fail arrives as its own code, and with its cost
 * wherever the service had begun to count. Method: the real client against a local server that
 * speaks the wire protocol.
 */
import assert from "node:assert/strict";
import { WatchfloorError, type ErrorCode } from "../../../machines/errors.ts";
import type { JsonObject } from "../../../machines/protocol.ts";
import { systemClock } from "../../../transports/clock.ts";
import { createAnthropicModel, retryAfterOf } from "../../../transports/llm/anthropic.ts";
import type { Model, ModelRequest } from "../../../transports/ports.ts";
import {
  FAKE_MODEL,
  FAKE_USAGE,
  startFakeMessagesApi,
  type FakeMessagesApi,
  type Turn,
} from "../../kit/fake-messages-api.ts";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

function request(over: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model: FAKE_MODEL,
    system: "classify",
    prompt: "evidence",
    maxTokens: 512,
    outputSchema: { type: "object" },
    timeoutMs: 30_000,
    signal: new AbortController().signal,
    traceparent: TRACEPARENT,
    ...over,
  };
}

describe("transports/llm: the Messages API", () => {
  let api: FakeMessagesApi;
  let model: Model;

  beforeEach(async () => {
    api = await startFakeMessagesApi();
    model = await createAnthropicModel({
      apiKey: "test-key",
      baseURL: api.baseURL,
      clock: systemClock,
    });
  });
  afterEach(() => api.close());

  async function failsWith(turn: Turn, over: Partial<ModelRequest> = {}): Promise<WatchfloorError> {
    api.script(turn);
    try {
      await model.complete(request(over));
    } catch (error) {
      assert.ok(error instanceof WatchfloorError, String(error));
      return error;
    }
    return assert.fail("the attempt succeeded");
  }

  function usageIn(error: WatchfloorError): unknown {
    return (error.data as JsonObject | null)?.["usage"] ?? null;
  }

  it("gives the text and the tokens of a whole answer, cached input included", async () => {
    api.script({ kind: "ok", text: '{"benign":true}' });
    const answer = await model.complete(request());
    assert.deepEqual(answer, {
      text: '{"benign":true}',
      stopReason: "end_turn",
      ...FAKE_USAGE,
      model: FAKE_MODEL,
      requestId: "req_fake",
    });
  });

  it("sends the schema, the trace context and the key, and neither tools nor a temperature", async () => {
    api.script({ kind: "ok", text: "{}" });
    await model.complete(request());
    const [sent] = api.requests;
    assert.equal(sent?.path, "/v1/messages");
    assert.equal(sent.headers["traceparent"], TRACEPARENT);
    assert.equal(sent.headers["authorization"], "Bearer test-key");
    assert.deepEqual(sent.body, {
      model: FAKE_MODEL,
      max_tokens: 512,
      system: "classify",
      messages: [{ role: "user", content: "evidence" }],
      output_config: { format: { type: "json_schema", schema: { type: "object" } } },
      stream: true,
    });
  });

  const beforeAnyToken: readonly (readonly [string, Turn, ErrorCode])[] = [
    ["429", { kind: "error", status: 429 }, "model_rate_limited"],
    ["529", { kind: "error", status: 529 }, "model_overloaded"],
    ["500", { kind: "error", status: 500 }, "model_unavailable"],
    ["503", { kind: "error", status: 503 }, "model_unavailable"],
    ["504", { kind: "error", status: 504 }, "model_timeout"],
    ["400", { kind: "error", status: 400 }, "model_rejected"],
    ["401", { kind: "error", status: 401 }, "model_rejected"],
    ["413", { kind: "error", status: 413 }, "model_rejected"],
    ["a body that is no stream of events", { kind: "garbage" }, "model_body_broken"],
  ];
  for (const [what, turn, code] of beforeAnyToken) {
    it(`turns ${what} into ${code} after one request, without a cost`, async () => {
      const error = await failsWith(turn);
      assert.equal(error.code, code);
      assert.equal(error.data, null);
      assert.equal(api.requests.length, 1);
    });
  }

  const wholeButBad: readonly (readonly [Parameters<typeof stopTurn>[0], ErrorCode])[] = [
    ["refusal", "model_refused"],
    ["max_tokens", "model_max_tokens"],
    ["tool_use", "model_tool_asked"],
    ["pause_turn", "model_paused"],
    ["model_context_window_exceeded", "model_context_exceeded"],
  ];
  function stopTurn(reason: Extract<Turn, { kind: "stop" }>["reason"]): Turn {
    return { kind: "stop", reason, text: reason === "tool_use" ? "" : "partial" };
  }
  for (const [reason, code] of wholeButBad) {
    it(`turns the stop reason ${reason} into ${code} and counts its tokens`, async () => {
      const error = await failsWith(stopTurn(reason));
      assert.equal(error.code, code);
      assert.deepEqual(error.data, { usage: FAKE_USAGE, stopReason: reason });
    });
  }

  const brokenOff: readonly (readonly [string, Turn, ErrorCode])[] = [
    ["a connection that breaks", { kind: "cut" }, "model_stream_cut"],
    ["a body that ends within an event", { kind: "truncated" }, "model_body_broken"],
    ["a stream without its last events", { kind: "unfinished" }, "model_body_broken"],
    [
      "an overload within the stream",
      { kind: "errorEvent", type: "overloaded_error" },
      "model_overloaded",
    ],
    ["a fault within the stream", { kind: "errorEvent", type: "api_error" }, "model_unavailable"],
  ];
  for (const [what, turn, code] of brokenOff) {
    it(`turns ${what} into ${code} and counts what had been used`, async () => {
      const error = await failsWith(turn);
      assert.equal(error.code, code);
      assert.equal(error.retryable, true);
      // The stream never said how long the answer was: forty characters are ten tokens.
      assert.deepEqual(usageIn(error), { inputTokens: 1_200, outputTokens: 10 });
    });
  }

  it("gives up on an answer that never begins, at its own timeout", async () => {
    const error = await failsWith({ kind: "hang" }, { timeoutMs: 60 });
    assert.equal(error.code, "model_timeout");
    assert.equal(error.fields["timeoutMs"], 60);
    assert.equal(error.data, null);
  });

  it("gives up on an answer that stops in its middle, and counts it", async () => {
    const error = await failsWith({ kind: "hangMidway" }, { timeoutMs: 1_000 });
    assert.equal(error.code, "model_timeout");
    assert.deepEqual(usageIn(error), { inputTokens: 1_200, outputTokens: 10 });
  });

  it("stops at once when its caller cancels", async () => {
    const cancel = new AbortController();
    const attempt = failsWith({ kind: "hang" }, { signal: cancel.signal });
    cancel.abort();
    assert.equal((await attempt).code, "model_timeout");
  });

  it("answers other requests while one hangs", async () => {
    const cancel = new AbortController();
    const hung = failsWith({ kind: "hang" }, { signal: cancel.signal });
    while (api.requests.length === 0) await new Promise(setImmediate);
    api.script({ kind: "ok", text: "{}" });
    assert.equal((await model.complete(request())).text, "{}");
    cancel.abort();
    await hung;
  });

  it("says that a service that is not there is unavailable", async () => {
    const gone = await startFakeMessagesApi();
    await gone.close();
    const lost = await createAnthropicModel({
      apiKey: "test-key",
      baseURL: gone.baseURL,
      clock: systemClock,
    });
    await assert.rejects(lost.complete(request()), { code: "model_unavailable", data: null });
  });

  it("names the status of a refused request, and none of the service's words", async () => {
    const error = await failsWith({ kind: "error", status: 400, message: "echo: evidence" });
    assert.equal(error.message, "the model's service refused the request with status 400");
    assert.equal(error.retryable, false);
  });

  it("keeps the service's retry-after", async () => {
    const error = await failsWith({ kind: "error", status: 429, headers: { "retry-after": "7" } });
    assert.equal(error.retryAfterMs, 7_000);
  });
});

describe("transports/llm: retry-after", () => {
  const of = (headers: Record<string, string>): number | null => retryAfterOf(new Headers(headers));

  it("reads seconds, and parts of one", () => {
    assert.equal(of({ "retry-after": "30" }), 30_000);
    assert.equal(of({ "retry-after": "0.5" }), 500);
  });

  it("reads a date against the response's own, so that no clock here matters", () => {
    const date = "Wed, 21 Oct 2026 07:28:00 GMT";
    assert.equal(of({ date, "retry-after": "Wed, 21 Oct 2026 07:28:12 GMT" }), 12_000);
    assert.equal(of({ date, "retry-after": "Wed, 21 Oct 2026 07:00:00 GMT" }), 0);
  });

  it("bounds what it reads, and ignores what it cannot read", () => {
    assert.equal(of({ "retry-after": "999999999" }), 3_600_000);
    assert.equal(of({ "retry-after": "-5" }), null);
    assert.equal(of({ "retry-after": "soon" }), null);
    assert.equal(of({ "retry-after": "Wed, 21 Oct 2026 07:28:12 GMT" }), null);
    assert.equal(of({}), null);
  });
});
