/**
 * The boundary of: a tool server in this process and its caller, who is an ordinary MCP client. The
 * SDK is loaded when the first server is connected, not at start: it costs more than the rest.
 */
import type { ToolCaller, ToolServerSpec } from "../ports.ts";
import { createToolCaller } from "./client.ts";
import { createToolServer } from "./server.ts";

/** Connects one server and one client. Closing the caller closes both. */
export async function connectInProcess(spec: ToolServerSpec): Promise<ToolCaller> {
  const [{ InMemoryTransport }, { Client }, server] = await Promise.all([
    import("@modelcontextprotocol/sdk/inMemory.js"),
    import("@modelcontextprotocol/sdk/client/index.js"),
    createToolServer(spec),
  ]);
  const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: "watchfloor", version: spec.version });
  await Promise.all([server.connect(serverSide), client.connect(clientSide)]);
  return createToolCaller(spec, {
    client,
    close: async () => {
      await client.close();
      await server.close();
    },
  });
}
