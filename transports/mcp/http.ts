/**
 * The boundary of: a tool server and MCP's Streamable HTTP. Stateless: each request stands for itself,
 * so that any replica answers and a restart loses no session. A caller is known before a byte of the
 * request is parsed; what is read is bounded; a browser that was tricked is refused.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WatchfloorError } from "../../machines/errors.ts";
import type { ToolServerSpec } from "../ports.ts";
import { createToolServer } from "./server.ts";

export interface ToolListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Bearer token that every caller must send; without one only loopback is listened on. */
  readonly token: string | null;
}

export interface ToolListener {
  readonly url: string;
  close(): Promise<void>;
}

const PATH = "/mcp";
const BODY_BYTES_MAX = 1024 * 1024;
const TOKEN_CHARS_MIN = 16;
const REQUEST_MS_MAX = 30_000;
const CONNECTIONS_MAX = 256;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

/** Throws `http_exposed`, `config_invalid` or `port_taken` before anything is served. */
export async function listenForTools(
  spec: ToolServerSpec,
  options: ToolListenerOptions,
): Promise<ToolListener> {
  const { host, port, token } = options;
  if (token === null && !LOOPBACK.test(host)) throw new WatchfloorError("http_exposed", { host });
  if (token !== null && token.length < TOKEN_CHARS_MIN) {
    const rule = `must have at least ${TOKEN_CHARS_MIN} characters`;
    throw new WatchfloorError("config_invalid", { origin: "mcp", field: "mcp.token", rule });
  }
  const server = createServer((request, response) => void take(spec, options, request, response));
  server.requestTimeout = REQUEST_MS_MAX;
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new WatchfloorError("port_taken", { host, port, option: "--http" }, { cause });
  }
  const bound = server.address() as AddressInfo;
  const shown = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shown}:${bound.port}${PATH}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, "close");
    },
  };
}

async function take(
  spec: ToolServerSpec,
  options: ToolListenerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refused = refusalOf(options, request);
  if (refused !== null) {
    response.writeHead(refused, { Connection: "close" }).end();
    request.resume();
    return;
  }
  try {
    await answer(spec, request, response);
  } catch {
    if (!response.headersSent) response.writeHead(500);
    response.end();
  }
}

function refusalOf({ host, token }: ToolListenerOptions, request: IncomingMessage): number | null {
  const { headers, method, url } = request;
  if (token !== null && !isBearer(headers.authorization, token)) return 401;
  if (headers.origin !== undefined) return 403;
  const asked = (headers.host ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  if (LOOPBACK.test(host) && !LOOPBACK.test(asked)) return 421;
  if ((url ?? "").split("?")[0] !== PATH) return 404;
  return method === "POST" ? null : 405;
}

/** Compares in a time that says nothing of how much was right. */
function isBearer(given: string | undefined, token: string): boolean {
  const hashed = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hashed(given ?? ""), hashed(`Bearer ${token}`));
}

async function answer(
  spec: ToolServerSpec,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await bodyOf(request);
  if (typeof body === "number") return void response.writeHead(body).end();
  const [{ StreamableHTTPServerTransport }, server] = await Promise.all([
    import("@modelcontextprotocol/sdk/server/streamableHttp.js"),
    createToolServer(spec),
  ]);
  // No session id: the SDK then keeps nothing between requests.
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
  response.on("close", () => void transport.close().then(() => server.close()));
  await server.connect(transport as Parameters<typeof server.connect>[0]);
  await transport.handleRequest(request, response, body.json);
}

/** The status to refuse with where the body is too large or no JSON. */
async function bodyOf(request: IncomingMessage): Promise<{ readonly json: unknown } | 400 | 413> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return 413;
    chunks.push(chunk);
  }
  try {
    return { json: JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown };
  } catch {
    return 400;
  }
}
