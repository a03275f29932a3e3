/**
 * The boundary of: a tool server and the process that started it, over standard input and output.
 */
import type { Readable, Writable } from "node:stream";
import type { ToolServerSpec } from "../ports.ts";
import { createToolServer } from "./server.ts";

/** Resolves when whoever asks has closed the input. */
export async function serveStdio(
  spec: ToolServerSpec,
  input: Readable,
  output: Writable,
): Promise<void> {
  const [{ StdioServerTransport }, server] = await Promise.all([
    import("@modelcontextprotocol/sdk/server/stdio.js"),
    createToolServer(spec),
  ]);
  const ended = new Promise<void>((done) => {
    input.once("end", done);
    input.once("close", done);
  });
  await server.connect(new StdioServerTransport(input, output));
  await ended;
  await server.close();
}
