/**
 * The boundary of: a tool server in another process and its caller. Connects when it is first called,
 * and again after a connection broke: a server that comes back is used again without anyone's doing.
 */
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { Transport as McpTransport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { WatchfloorError } from "../../machines/errors.ts";
import type { ToolCaller, ToolServerSpec } from "../ports.ts";
import { createToolCaller } from "./client.ts";

export type ServerAddress =
  | { readonly url: string; readonly token: string | null }
  /** Started here, and spoken to over its standard input and output. */
  | { readonly command: string; readonly args: readonly string[] };

/** The caller of a server that need not be there yet. A broken connection is `tool_unreachable`. */
export function connectRemote(spec: ToolServerSpec, address: ServerAddress): ToolCaller {
  let open: Promise<Client> | null = null;
  const drop = (broken: Promise<Client> | null): void => {
    if (open === broken) open = null;
    broken?.then((client) => client.close()).catch(() => {});
  };
  const callTool: Client["callTool"] = async (request, schema, options) => {
    const used = (open ??= connected(spec, address, () => drop(used)));
    try {
      return await (await used).callTool(request, schema, options);
    } catch (cause) {
      // An answer of the protocol, a timeout or an abort leaves the connection as it is.
      if (isProtocolError(cause)) throw cause;
      drop(used);
      throw new WatchfloorError("tool_unreachable", { server: spec.name }, { cause });
    }
  };
  return createToolCaller(spec, {
    client: { callTool },
    close: async () => drop(open),
  });
}

async function connected(
  spec: ToolServerSpec,
  address: ServerAddress,
  closed: () => void,
): Promise<Client> {
  const [{ Client: McpClient }, transport] = await Promise.all([
    import("@modelcontextprotocol/sdk/client/index.js"),
    transportTo(address),
  ]);
  const client = new McpClient({ name: "watchfloor", version: spec.version });
  client.onclose = closed;
  await client.connect(transport);
  return client;
}

async function transportTo(address: ServerAddress): Promise<McpTransport> {
  if ("command" in address) {
    const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
    const { command, args } = address;
    return new StdioClientTransport({ command, args: [...args], stderr: "inherit" });
  }
  const { StreamableHTTPClientTransport } =
    await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { url, token } = address;
  const requestInit = token === null ? {} : { headers: { Authorization: `Bearer ${token}` } };
  return new StreamableHTTPClientTransport(new URL(url), { requestInit }) as McpTransport;
}

/** JSON-RPC codes are negative; -32000 is the SDK's word for a connection that closed. */
const CONNECTION_CLOSED = -32000;

function isProtocolError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "number" && code < 0 && code !== CONNECTION_CLOSED;
}
