/**
 * The boundary of: tests and the Messages API. A local server that speaks its wire protocol (server
 * sent events, JSON for errors), scripted one turn a request. Everything it says is typed by the
 * published types of the client, so that a change of the protocol breaks the build and not the truth.
 */
import type {
  ContentBlock,
  Message,
  MessageDeltaUsage,
  RawMessageDeltaEvent,
  RawMessageStreamEvent,
  StopReason,
  Usage,
} from "@anthropic-ai/sdk/resources/messages";
import type { ErrorResponse } from "@anthropic-ai/sdk/resources/shared";
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

export type Turn =
  /** A whole answer with this text. */
  | { readonly kind: "ok"; readonly text: string }
  /** A whole answer that stopped for another reason. */
  | { readonly kind: "stop"; readonly reason: StopReason; readonly text?: string }
  /** An error before any event. */
  | {
      readonly kind: "error";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly message?: string;
    }
  /** An error event in the middle of a stream that began well. */
  | { readonly kind: "errorEvent"; readonly type: ErrorResponse["error"]["type"] }
  /** The connection breaks in the middle of the answer. */
  | { readonly kind: "cut" }
  /** The body ends in order, in the middle of an event. */
  | { readonly kind: "truncated" }
  /** The body ends in order, after whole events, without `message_stop`. */
  | { readonly kind: "unfinished" }
  /** A 200 whose body is no stream of events. */
  | { readonly kind: "garbage" }
  /** Accepted, and never answered. */
  | { readonly kind: "hang" }
  /** Begun, and never finished. */
  | { readonly kind: "hangMidway" };

interface RecordedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface FakeMessagesApi {
  readonly baseURL: string;
  readonly requests: readonly RecordedRequest[];
  /** Requests that hang and whose caller still waits. */
  readonly hanging: number;
  /** Adds turns; a request beyond the script is a 500. */
  script(...turns: readonly Turn[]): void;
  close(): Promise<void>;
}

export const FAKE_MODEL = "claude-haiku-5-5";
/** What every answer that got so far reports. */
export const FAKE_USAGE = { inputTokens: 1_200, outputTokens: 34 };

export async function startFakeMessagesApi(...turns: readonly Turn[]): Promise<FakeMessagesApi> {
  const script: Turn[] = [...turns];
  const requests: RecordedRequest[] = [];
  const hung = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    void readJson(request).then((body) => {
      requests.push({ path: request.url ?? "", headers: request.headers, body });
      const turn = script.shift() ?? { kind: "error", status: 500, message: "nothing scripted" };
      if (turn.kind === "hang" || turn.kind === "hangMidway") {
        hung.add(response);
        response.on("close", () => hung.delete(response));
      }
      play(turn, response);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    baseURL: `http://127.0.0.1:${port}`,
    requests,
    get hanging() {
      return hung.size;
    },
    script: (...more) => void script.push(...more),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString("utf8") || "{}") as Record<string, unknown>;
}

// ---- Turns -------------------------------------------------------------------------------------

function play(turn: Turn, response: ServerResponse): void {
  switch (turn.kind) {
    case "ok":
      stream(response, answer(turn.text, "end_turn"));
      return void response.end();
    case "stop":
      stream(response, answer(turn.text ?? "", turn.reason));
      return void response.end();
    case "error":
      return refuse(response, turn.status, turn.message ?? "scripted", turn.headers);
    case "errorEvent":
      stream(response, begun());
      response.write(`event: error\ndata: ${JSON.stringify(errorOf(turn.type, "scripted"))}\n\n`);
      return void response.end();
    case "cut":
      stream(response, begun());
      // Only what has left this process can be cut off.
      return void response.write(": almost\n\n", () => response.destroy());
    case "truncated":
      stream(response, begun());
      response.write('event: content_block_delta\ndata: {"type":"content_block_delta","ind');
      return void response.end();
    case "unfinished":
      stream(response, begun());
      return void response.end();
    case "garbage":
      response.writeHead(200, { "content-type": "text/event-stream" });
      return void response.end("event: message_start\ndata: <html>a proxy's page</html>\n\n");
    case "hangMidway":
      return stream(response, begun());
    case "hang":
      return;
  }
}

function stream(response: ServerResponse, events: readonly RawMessageStreamEvent[]): void {
  response.writeHead(200, { "content-type": "text/event-stream", "request-id": "req_fake" });
  response.write('event: ping\ndata: {"type": "ping"}\n\n');
  for (const event of events)
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

const ERROR_TYPES: Readonly<Record<number, ErrorResponse["error"]["type"]>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error",
};

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(errorOf(ERROR_TYPES[status] ?? "api_error", message)));
}

function errorOf(type: ErrorResponse["error"]["type"], message: string): ErrorResponse {
  // The union of error objects differs in its `details` alone, which none of ours has.
  const error = { type, message, details: null } as unknown as ErrorResponse["error"];
  return { type: "error", error, request_id: "req_fake" };
}

// ---- Events ------------------------------------------------------------------------------------

function answer(text: string, reason: StopReason): RawMessageStreamEvent[] {
  const half = Math.ceil(text.length / 2);
  const block = reason === "tool_use" ? TOOL_BLOCK : TEXT_BLOCK;
  const deltas = [text.slice(0, half), text.slice(half)].filter((part) => part !== "");
  return [
    start(),
    { type: "content_block_start", index: 0, content_block: block },
    ...deltas.map((part): RawMessageStreamEvent => ({
      type: "content_block_delta",
      index: 0,
      delta: { type: "text_delta", text: part },
    })),
    { type: "content_block_stop", index: 0 },
    stopped(reason),
    { type: "message_stop" },
  ];
}

/** As far as an answer gets that does not end: 40 characters. */
function begun(): RawMessageStreamEvent[] {
  return [
    start(),
    { type: "content_block_start", index: 0, content_block: TEXT_BLOCK },
    {
      type: "content_block_delta",
      index: 0,
      delta: { type: "text_delta", text: '{"techniques":["T1059.004"],"impact":"no' },
    },
  ];
}

const TEXT_BLOCK: Extract<ContentBlock, { type: "text" }> = {
  type: "text",
  text: "",
  citations: null,
};
const TOOL_BLOCK: Extract<ContentBlock, { type: "tool_use" }> = {
  type: "tool_use",
  id: "toolu_fake",
  name: "kubectl",
  input: {},
  caller: { type: "direct" },
};

function start(): RawMessageStreamEvent {
  const usage: Usage = {
    cache_creation: null,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 200,
    inference_geo: null,
    input_tokens: 1_000,
    output_tokens: 1,
    output_tokens_details: null,
    server_tool_use: null,
    service_tier: "standard",
    speed: "standard",
  };
  const message: Message = {
    id: "msg_fake",
    type: "message",
    role: "assistant",
    model: FAKE_MODEL,
    content: [],
    container: null,
    diagnostics: null,
    stop_details: null,
    stop_reason: null,
    stop_sequence: null,
    usage,
  };
  return { type: "message_start", message };
}

function stopped(reason: StopReason): RawMessageDeltaEvent {
  const usage: MessageDeltaUsage = {
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 200,
    input_tokens: 1_000,
    output_tokens: FAKE_USAGE.outputTokens,
    output_tokens_details: null,
    server_tool_use: null,
  };
  return {
    type: "message_delta",
    delta: { container: null, stop_details: null, stop_reason: reason, stop_sequence: null },
    usage,
  };
}
