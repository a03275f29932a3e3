/**
 * The boundary of: the Messages API and the port Model. One attempt a call, streamed, so that an
 * answer that breaks off is seen as one and its tokens still count.
 *
 * The client retries nothing, traces nothing and logs nothing: retries are states of the analyst,
 * the trace context is ours, and what it would log is text from events.
 */
import type Anthropic from "@anthropic-ai/sdk";
import type {
  MessageCreateParamsStreaming,
  MessageDeltaUsage,
  RawMessageStreamEvent,
  StopReason,
  Usage,
} from "@anthropic-ai/sdk/resources/messages";
import { WatchfloorError, type ErrorCode } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import type { Clock, Model, ModelAnswer, ModelRequest } from "../ports.ts";

export interface AnthropicOptions {
  readonly apiKey: string;
  readonly baseURL?: string;
  /** Judges an attempt's timeout. */
  readonly clock: Clock;
}

/** The client's module costs some 300 ms of start-up, so it is loaded here and nowhere else. */
type Sdk = typeof import("@anthropic-ai/sdk");

export async function createAnthropicModel(options: AnthropicOptions): Promise<Model> {
  const sdk = await import("@anthropic-ai/sdk");
  const client = new sdk.default({
    apiKey: options.apiKey,
    maxRetries: 0,
    logLevel: "off",
    openTelemetry: false,
    ...(options.baseURL === undefined ? {} : { baseURL: options.baseURL }),
  });
  return { complete: (request) => attempt({ sdk, client, clock: options.clock }, request) };
}

interface Service {
  readonly sdk: Sdk;
  readonly client: Anthropic;
  readonly clock: Clock;
}

async function attempt(
  { sdk, client, clock }: Service,
  request: ModelRequest,
): Promise<ModelAnswer> {
  const progress = newProgress();
  // The client's own timeout ends with the response's headers; a stream that hangs later would wait for ever.
  const deadline = new AbortController();
  const cancelDeadline = clock.after(request.timeoutMs, () => deadline.abort());
  const signal = AbortSignal.any([request.signal, deadline.signal]);
  try {
    const { data, request_id } = await client.messages
      .create(bodyOf(request), {
        signal,
        timeout: request.timeoutMs,
        maxRetries: 0,
        headers: { traceparent: request.traceparent },
      })
      .withResponse();
    for await (const event of data) absorb(progress, event);
    // The client ends its iteration quietly when it was aborted.
    if (signal.aborted) throw failure("model_timeout", progress, request);
    return answerOf(progress, request, request_id ?? null);
  } catch (error) {
    if (error instanceof WatchfloorError) throw error;
    if (signal.aborted) throw failure("model_timeout", progress, request, error);
    throw translate(sdk, error, progress, request);
  } finally {
    cancelDeadline();
  }
}

function bodyOf(request: ModelRequest): MessageCreateParamsStreaming {
  return {
    model: request.model,
    max_tokens: request.maxTokens,
    system: request.system,
    messages: [{ role: "user", content: request.prompt }],
    output_config: { format: { type: "json_schema", schema: { ...request.outputSchema } } },
    stream: true,
  };
}

// ---- What has arrived so far -------------------------------------------------------------------

interface Progress {
  text: string;
  /** Characters of every kind of block, thinking included: what the output tokens are guessed from. */
  chars: number;
  model: string | null;
  inputTokens: number;
  outputTokens: number;
  stopReason: StopReason | null;
  /** The stream said how many tokens the whole answer took. */
  counted: boolean;
  stopped: boolean;
}

function newProgress(): Progress {
  return {
    text: "",
    chars: 0,
    model: null,
    inputTokens: 0,
    outputTokens: 0,
    stopReason: null,
    counted: false,
    stopped: false,
  };
}

function absorb(progress: Progress, event: RawMessageStreamEvent): void {
  switch (event.type) {
    case "message_start":
      progress.model = event.message.model;
      countTokens(progress, event.message.usage);
      break;
    case "content_block_delta":
      absorbDelta(progress, event.delta);
      break;
    case "message_delta":
      progress.stopReason = event.delta.stop_reason;
      progress.counted = true;
      countTokens(progress, event.usage);
      break;
    case "message_stop":
      progress.stopped = true;
      break;
    default:
      break;
  }
}

type Delta = Extract<RawMessageStreamEvent, { type: "content_block_delta" }>["delta"];

function absorbDelta(progress: Progress, delta: Delta): void {
  if (delta.type === "text_delta") {
    progress.text += delta.text;
    progress.chars += delta.text.length;
  } else if (delta.type === "thinking_delta") {
    progress.chars += delta.thinking.length;
  } else if (delta.type === "input_json_delta") {
    progress.chars += delta.partial_json.length;
  }
}

/** Counts are cumulative. Cached input is counted as plain input: too dear rather than too cheap. */
function countTokens(progress: Progress, usage: Usage | MessageDeltaUsage): void {
  const input =
    count(usage.input_tokens) +
    count(usage.cache_creation_input_tokens) +
    count(usage.cache_read_input_tokens);
  progress.inputTokens = Math.max(progress.inputTokens, input);
  progress.outputTokens = Math.max(progress.outputTokens, count(usage.output_tokens));
}

/** A proxy in between may leave fields out; what is no count is none. */
function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.floor(value) : 0;
}

const CHARS_A_TOKEN = 4;

/** Tokens of the attempt. Of an answer that broke off, the output is guessed from what arrived. */
function tokensOf(progress: Progress): { inputTokens: number; outputTokens: number } {
  const guessed = progress.counted ? 0 : Math.ceil(progress.chars / CHARS_A_TOKEN);
  return {
    inputTokens: progress.inputTokens,
    outputTokens: Math.max(progress.outputTokens, guessed),
  };
}

// ---- How it ended ------------------------------------------------------------------------------

const BAD_STOPS: Readonly<Record<string, ErrorCode>> = {
  refusal: "model_refused",
  max_tokens: "model_max_tokens",
  tool_use: "model_tool_asked",
  pause_turn: "model_paused",
  model_context_window_exceeded: "model_context_exceeded",
};

function answerOf(
  progress: Progress,
  request: ModelRequest,
  requestId: string | null,
): ModelAnswer {
  if (!progress.stopped || progress.stopReason === null)
    throw failure("model_body_broken", progress, request);
  const code = BAD_STOPS[progress.stopReason];
  if (code !== undefined) throw failure(code, progress, request);
  return {
    text: progress.text,
    stopReason: progress.stopReason,
    ...tokensOf(progress),
    model: progress.model ?? request.model,
    requestId,
  };
}

/**
 * Errors of the client as ours. Their texts stay in `cause`: a server's message may quote the
 * prompt, and the prompt holds text from events.
 */
function translate(
  sdk: Sdk,
  error: unknown,
  progress: Progress,
  request: ModelRequest,
): WatchfloorError {
  if (error instanceof sdk.APIConnectionTimeoutError)
    return failure("model_timeout", progress, request, error);
  // Before the first event nothing was reached; after it, a broken connection is a cut answer.
  const began = progress.model !== null;
  if (error instanceof sdk.APIConnectionError)
    return failure(began ? "model_stream_cut" : "model_unavailable", progress, request, error);
  if (error instanceof sdk.APIError)
    return fromStatus(error.status ?? statusOfType(error.type), error, progress, request);
  // Data that is no JSON was never an answer; anything else is a connection that broke.
  const code = error instanceof SyntaxError ? "model_body_broken" : "model_stream_cut";
  return failure(code, progress, request, error);
}

/** An error inside a stream has a type but no status, since the status was 200. */
function statusOfType(type: string | null): number {
  if (type === "rate_limit_error") return 429;
  if (type === "overloaded_error") return 529;
  if (type === "invalid_request_error") return 400;
  return 500;
}

function fromStatus(
  status: number,
  error: InstanceType<Sdk["APIError"]>,
  progress: Progress,
  request: ModelRequest,
): WatchfloorError {
  const retryAfterMs = retryAfterOf(error.headers);
  if (status === 429) return failure("model_rate_limited", progress, request, error, retryAfterMs);
  if (status === 529) return failure("model_overloaded", progress, request, error, retryAfterMs);
  // 408 and 409 are the API's way to say "again", as is every fault of its own.
  if (status === 408 || status === 504) return failure("model_timeout", progress, request, error);
  if (status === 409 || status >= 500)
    return failure("model_unavailable", progress, request, error, retryAfterMs);
  return new WatchfloorError(
    "model_rejected",
    { status },
    { cause: error, data: dataOf(progress) },
  );
}

function failure(
  code: ErrorCode,
  progress: Progress,
  request: ModelRequest,
  cause?: unknown,
  retryAfterMs?: number | null,
): WatchfloorError {
  return new WatchfloorError(
    code,
    code === "model_timeout" ? { timeoutMs: request.timeoutMs } : {},
    {
      cause,
      data: dataOf(progress),
      ...(typeof retryAfterMs === "number" ? { retryAfterMs } : {}),
    },
  );
}

/** What the attempt cost, once the service has said; null where it said nothing. */
function dataOf(progress: Progress): Json {
  if (progress.model === null) return null;
  return { usage: tokensOf(progress), stopReason: progress.stopReason };
}

// ---- retry-after -------------------------------------------------------------------------------

const RETRY_AFTER_MS_MAX = 3_600_000;

/**
 * `retry-after` in ms: a number of seconds, or a date. A date is read against the response's own
 * `date`, so that neither a wrong clock here nor one there matters. What cannot be read is null.
 */
export function retryAfterOf(headers: Headers | undefined): number | null {
  const value = headers?.get("retry-after")?.trim() ?? "";
  if (value === "") return null;
  const delayMs = /^\d+(\.\d+)?$/.test(value)
    ? Number(value) * 1000
    : Date.parse(value) - Date.parse(headers?.get("date") ?? "");
  return Number.isFinite(delayMs) ? Math.min(Math.max(0, delayMs), RETRY_AFTER_MS_MAX) : null;
}
