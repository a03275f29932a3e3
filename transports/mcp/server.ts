/**
 * The boundary of: a tool server's definition and the MCP SDK. A handler's answer is checked against
 * its own schema before it leaves, and a failure leaves as a code with bounded fields: the text of
 * an error we did not write ourselves stays inside.
 */
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { WatchfloorError } from "../../machines/errors.ts";
import type { JsonObject } from "../../machines/protocol.ts";
import type { ToolContext, ToolDefinition, ToolServerSpec } from "../ports.ts";
import { ERROR_META, faultPath, IDEMPOTENCY_META, toWire, TRACEPARENT_META } from "./wire.ts";

/** A server that is connected to nothing yet. The SDK is loaded with the first one, not at start. */
export async function createToolServer(spec: ToolServerSpec): Promise<McpServer> {
  const { McpServer: Server } = await import("@modelcontextprotocol/sdk/server/mcp.js");
  const server = new Server({ name: spec.name, version: spec.version });
  for (const tool of spec.tools) {
    server.registerTool(
      tool.name,
      {
        description: tool.description,
        inputSchema: tool.input,
        outputSchema: tool.output,
        annotations: {
          readOnlyHint: tool.readOnly,
          idempotentHint: tool.idempotent,
          destructiveHint: tool.destructive,
          openWorldHint: false,
        },
      },
      (args: Record<string, unknown>, extra: Extra) => answer(tool, args as JsonObject, extra),
    );
  }
  return server;
}

/** What we read of the SDK's request context. */
interface Extra {
  readonly signal: AbortSignal;
  readonly _meta?: Record<string, unknown> | undefined;
}

async function answer(
  tool: ToolDefinition,
  args: JsonObject,
  extra: Extra,
): Promise<CallToolResult> {
  try {
    const value = await tool.handle(args, contextOf(extra));
    const parsed = tool.output.safeParse(value);
    if (!parsed.success) {
      const data = { field: faultPath(parsed.error) };
      throw new WatchfloorError("tool_bad_result", { tool: tool.name }, { data });
    }
    const text = JSON.stringify(parsed.data);
    return { content: [{ type: "text", text }], structuredContent: parsed.data };
  } catch (error) {
    return failure(tool, error);
  }
}

function failure(tool: ToolDefinition, error: unknown): CallToolResult {
  const known =
    error instanceof WatchfloorError
      ? error
      : new WatchfloorError("tool_error", { tool: tool.name }, { cause: error });
  return {
    isError: true,
    content: [{ type: "text", text: `${known.code}: ${known.message}` }],
    _meta: { [ERROR_META]: toWire(known) },
  };
}

function contextOf({ signal, _meta: meta }: Extra): ToolContext {
  return {
    signal,
    idempotencyKey: textOf(meta?.[IDEMPOTENCY_META]),
    traceparent: textOf(meta?.[TRACEPARENT_META]),
  };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
