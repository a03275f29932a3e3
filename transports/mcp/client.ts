/**
 * The boundary of: an MCP client and whoever needs a tool's answer. The SDK gives a failed call as
 * an ordinary result, so the error flag is read first, structured content is required, and it is
 * checked against the schema the caller knows, whatever the server says its schema is.
 */
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { WatchfloorError } from "../../machines/errors.ts";
import type { JsonObject } from "../../machines/protocol.ts";
import type { ToolCaller, ToolCallOptions, ToolDefinition, ToolServerSpec } from "../ports.ts";
import { faultPath, fromWire, IDEMPOTENCY_META, TRACEPARENT_META } from "./wire.ts";

/** JSON-RPC code the SDK gives to a timeout and to an abort alike. */
const REQUEST_TIMEOUT = -32001;

export interface ToolConnection {
  readonly client: Pick<Client, "callTool">;
  close(): Promise<void>;
}

/** Calls the tools of `spec` over a connected client. */
export function createToolCaller(spec: ToolServerSpec, connection: ToolConnection): ToolCaller {
  const tools = new Map(spec.tools.map((tool) => [tool.name, tool]));
  return {
    call: async (name, args, options) => {
      const tool = tools.get(name);
      if (tool === undefined) {
        throw new WatchfloorError("call_unknown", { actor: spec.name, tool: name });
      }
      const request = inputOf(tool, args);
      return outputOf(tool, await exchange(connection.client, tool, request, options));
    },
    close: () => connection.close(),
  };
}

/** As it would cross a wire, so that a caller in the same process cannot share an object with a server. */
function inputOf(tool: ToolDefinition, args: JsonObject): JsonObject {
  const parsed = tool.input.safeParse(JSON.parse(JSON.stringify(args)));
  if (parsed.success) return parsed.data as JsonObject;
  throw new WatchfloorError("tool_bad_input", { tool: tool.name, field: faultPath(parsed.error) });
}

type CallResult = Awaited<ReturnType<Client["callTool"]>>;

async function exchange(
  client: Pick<Client, "callTool">,
  tool: ToolDefinition,
  args: JsonObject,
  options: ToolCallOptions,
): Promise<CallResult> {
  const { signal, timeoutMs, traceparent, idempotencyKey } = options;
  const meta = { [TRACEPARENT_META]: traceparent, [IDEMPOTENCY_META]: idempotencyKey };
  const own = follower(signal);
  try {
    return await client.callTool({ name: tool.name, arguments: args, _meta: meta }, undefined, {
      signal: own.signal,
      timeout: timeoutMs,
    });
  } catch (error) {
    throw callFailure(tool.name, error, options);
  } finally {
    own.release();
  }
}

/** The SDK never takes its listener off a signal; a caller's signal may outlive many calls. */
function follower(signal: AbortSignal): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return { signal: controller.signal, release: () => signal.removeEventListener("abort", abort) };
}

/** A timeout and an abort look alike in the error; only the signal tells them apart. */
function callFailure(tool: string, cause: unknown, options: ToolCallOptions): WatchfloorError {
  if (options.signal.aborted) {
    return new WatchfloorError("call_aborted", { tool }, { cause });
  }
  if (cause instanceof WatchfloorError) return cause;
  if (codeOf(cause) === REQUEST_TIMEOUT) {
    return new WatchfloorError("call_timeout", { tool, timeoutMs: options.timeoutMs }, { cause });
  }
  return new WatchfloorError("tool_error", { tool }, { cause });
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : null;
}

function outputOf(tool: ToolDefinition, result: CallResult): JsonObject {
  if (result.isError === true) throw fromWire(tool.name, result._meta);
  if (result.structuredContent === undefined) {
    throw new WatchfloorError("tool_no_result", { tool: tool.name });
  }
  const parsed = tool.output.safeParse(JSON.parse(JSON.stringify(result.structuredContent)));
  if (parsed.success) return parsed.data as JsonObject;
  const data = { field: faultPath(parsed.error) };
  throw new WatchfloorError("tool_bad_result", { tool: tool.name }, { data });
}
