/**
 * The boundary of: HTTP and the watch floor. One listener takes Falco's `http_output` and answers
 * the cluster's probes. Falco counts any answer as delivered and tries again only on a timeout, so
 * 200 means one thing here: the event is durable.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { WatchfloorError } from "../../machines/errors.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import type { Clock } from "../ports.ts";
import {
  assertNotExposed,
  EVENTS_PATH,
  isLoopback,
  refusalOfBrowser,
  samePath,
  type FalcoTls,
} from "./exposure.ts";
import { EVENT_BYTES_MAX, parseFalcoLine } from "./parse.ts";

interface FalcoServerLimits {
  /** Events between their first byte and their answer; more are told to come back. */
  readonly inFlightMax: number;
  readonly connectionsMax: number;
  readonly requestsPerConnectionMax: number;
  /** From the first byte of a request to its last. */
  readonly requestTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
}

const FALCO_SERVER_LIMITS: FalcoServerLimits = {
  inFlightMax: 1_000,
  connectionsMax: 2_000,
  requestsPerConnectionMax: 10_000,
  requestTimeoutMs: 10_000,
  headersTimeoutMs: 5_000,
  keepAliveTimeoutMs: 15_000,
};

type FalcoRoute = "falco" | "livez" | "readyz" | "metrics" | "none";

interface FalcoReadiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  /** What does not keep it from working, and somebody should see to. */
  readonly warnings?: readonly string[];
}

export interface FalcoServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls: FalcoTls | null;
  /** Takes the place of `/falco`: `/` and at least 16 characters. */
  readonly secretPath: string | null;
  readonly clock: Clock;
  readonly limits?: Partial<FalcoServerLimits>;
  /** Resolves when the event is durable. Any rejection answers 503; its `retryAfterMs` is passed on. */
  accept(event: FalcoEvent, text: string): Promise<void>;
  ready(): FalcoReadiness;
  /** The page in Prometheus' text format. */
  metrics(): Promise<string>;
  /** Told of every answer, refused connections included: what is counted. */
  answered(route: FalcoRoute, status: number): void;
}

export interface FalcoServer {
  /** @throws WatchfloorError `port_taken`, or `config_invalid` for an address that cannot be had. */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  /** Takes no new connection, finishes what is in flight, and cuts the rest after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

const HEADER_BYTES_MAX = 8 * 1024;
/** A body that was refused is still read this far, so that its sender sees why before it is cut. */
const DISCARD_BYTES_MAX = 256 * 1024;
const RETRY_AFTER_MS = 1_000;
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** @throws WatchfloorError `http_exposed` or `config_invalid` before anything is opened. */
export function createFalcoServer(options: FalcoServerOptions): FalcoServer {
  assertNotExposed(options);
  const limits = { ...FALCO_SERVER_LIMITS, ...options.limits };
  const state: ListenerState = { inFlight: 0, closing: false };
  const server = openServer(options, limits);
  server.maxConnections = limits.connectionsMax;
  server.maxRequestsPerSocket = limits.requestsPerConnectionMax;
  server.on("request", (request, response) => {
    // Only a callback of ours can throw here; its text stays with us, and the sender is not held.
    handle(options, limits, state, request, response).catch(() => response.destroy());
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const status = refuseConnection(error, socket);
    if (status !== null) options.answered("none", status);
  });
  return {
    listen: () => listen(server, options),
    close: (graceMs) => {
      state.closing = true;
      return close(server, options.clock, graceMs);
    },
  };
}

interface ListenerState {
  inFlight: number;
  closing: boolean;
}

// ---- Opening and closing -----------------------------------------------------------------------

function openServer(options: FalcoServerOptions, limits: FalcoServerLimits): Server {
  const shape = {
    maxHeaderSize: HEADER_BYTES_MAX,
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // How late a timeout may be noticed; Node's own is 30 s, longer than our timeouts.
    connectionsCheckingInterval: Math.max(50, Math.min(1_000, limits.headersTimeoutMs / 4)),
  };
  if (options.tls === null) return createServer(shape);
  try {
    return createTlsServer({
      ...shape,
      ...options.tls,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
      handshakeTimeout: limits.headersTimeoutMs,
    });
  } catch (error) {
    const rule = "must be PEM texts of key, cert and ca that fit together";
    const where = { origin: "http", field: "tls", rule };
    throw new WatchfloorError("config_invalid", where, { cause: error });
  }
}

function listen(
  server: Server,
  { host, port }: FalcoServerOptions,
): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => reject(listenError(error, host, port));
    server.once("error", refuse);
    server.listen({ host, port }, () => {
      server.off("error", refuse);
      // Accepting can fail later (no file descriptors left); that connection is lost, not the process.
      server.on("error", () => {});
      const bound = server.address();
      // Never null or a pipe's name: a host and a port were asked for, and the port is open.
      resolve(
        bound === null || typeof bound === "string"
          ? { host, port }
          : { host: bound.address, port: bound.port },
      );
    });
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): WatchfloorError {
  if (error.code === "EADDRINUSE") {
    return new WatchfloorError("port_taken", { host, port, option: "--http" }, { cause: error });
  }
  const rule = `cannot be listened on (${error.code ?? error.name})`;
  const where = { origin: "http", field: `${host}:${port}`, rule };
  return new WatchfloorError("config_invalid", where, { cause: error });
}

function close(server: Server, clock: Clock, graceMs: number): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = clock.after(graceMs, () => server.closeAllConnections());
    server.close(() => {
      cancel();
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** What never became a request: broken, too slow, or too large in its head. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): number | null {
  // Part of an answer may be out already; another would be read as its continuation.
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return null;
  }
  const [status, reason] = CONNECTION_REFUSALS[error.code ?? ""] ?? [400, "Bad Request"];
  const head = `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
  socket.end(head, () => socket.destroy());
  return status;
}

const CONNECTION_REFUSALS: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout"],
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large"],
};

// ---- One request -------------------------------------------------------------------------------

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function handle(
  options: FalcoServerOptions,
  limits: FalcoServerLimits,
  state: ListenerState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const route = routeOf(options, request);
  const answer =
    refusal(options, route, request) ??
    (route === "falco"
      ? await takeInTurn(options, limits, state, request)
      : await show(options, route));
  // The client went away while it sent: there is nobody to answer and nothing to count.
  if (answer === null || response.destroyed) return;
  if (state.closing) response.setHeader("Connection", "close");
  response.writeHead(answer.status, {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    ...answer.headers,
  });
  response.end(request.method === "HEAD" ? "" : answer.text);
  options.answered(route, answer.status);
  if (!request.complete) discard(request);
}

/** Which route a path means. With a secret path, and neither TLS nor loopback, metrics are below it. */
function routeOf(options: FalcoServerOptions, request: IncomingMessage): FalcoRoute {
  const { host, tls, secretPath } = options;
  const path = (request.url ?? "").replace(/[?#].*$/s, "");
  if (samePath(path, secretPath ?? EVENTS_PATH)) return "falco";
  if (path === "/livez") return "livez";
  if (path === "/readyz") return "readyz";
  const open = tls !== null || isLoopback(host) || secretPath === null;
  return samePath(path, open ? "/metrics" : `${secretPath}/metrics`) ? "metrics" : "none";
}

function refusal(
  options: FalcoServerOptions,
  route: FalcoRoute,
  request: IncomingMessage,
): Answer | null {
  const browser = isLoopback(options.host) ? refusalOfBrowser(options.host, request.headers) : null;
  if (browser !== null) return { status: browser, text: "refused\n" };
  if (route === "none") return { status: 404, text: "not found\n" };
  const allowed = route === "falco" ? ["POST"] : ["GET", "HEAD"];
  if (allowed.includes(request.method ?? "")) return null;
  return { status: 405, text: "method not allowed\n", headers: { Allow: allowed.join(", ") } };
}

async function show(options: FalcoServerOptions, route: FalcoRoute): Promise<Answer> {
  if (route === "livez") return { status: 200, text: "ok\n" };
  if (route === "readyz") {
    const { ready, reasons, warnings = [] } = options.ready();
    const lines = [...(ready ? ["ok"] : reasons), ...warnings.map((line) => `warning: ${line}`)];
    return { status: ready ? 200 : 503, text: `${lines.join("\n")}\n` };
  }
  try {
    const text = await options.metrics();
    return { status: 200, text, headers: { "Content-Type": METRICS_TYPE } };
  } catch {
    return { status: 500, text: "not available\n" };
  }
}

// ---- One event ---------------------------------------------------------------------------------

async function takeInTurn(
  options: FalcoServerOptions,
  limits: FalcoServerLimits,
  state: ListenerState,
  request: IncomingMessage,
): Promise<Answer | null> {
  if (state.closing || state.inFlight >= limits.inFlightMax) return later(RETRY_AFTER_MS);
  state.inFlight += 1;
  try {
    return await take(options, request);
  } finally {
    state.inFlight -= 1;
  }
}

async function take(options: FalcoServerOptions, request: IncomingMessage): Promise<Answer | null> {
  const body = await readBody(request);
  if (body.end === "too_long") {
    return { status: 413, text: `an event may have ${EVENT_BYTES_MAX} bytes\n` };
  }
  if (body.end === "cut") return null;
  const { text } = body;
  let event: FalcoEvent;
  try {
    event = parseFalcoLine(text, 1);
  } catch (error) {
    if (!(error instanceof WatchfloorError)) throw error;
    return { status: 400, text: `${error.message}\n` };
  }
  try {
    await options.accept(event, text);
    return { status: 200, text: "accepted\n" };
  } catch (error) {
    // Whatever the reason, the event is not durable: its sender must hear neither yes nor why.
    const wait = error instanceof WatchfloorError ? error.retryAfterMs : null;
    return later(wait ?? RETRY_AFTER_MS);
  }
}

function later(afterMs: number): Answer {
  const seconds = String(Math.max(1, Math.ceil(afterMs / 1_000)));
  return { status: 503, text: "try again later\n", headers: { "Retry-After": seconds } };
}

/** How a body ended: whole, over the limit as soon as that is known, or cut by its sender. */
type Body =
  | { readonly end: "whole"; readonly text: string }
  | { readonly end: "too_long" }
  | { readonly end: "cut" };

function readBody(request: IncomingMessage): Promise<Body> {
  if (Number(request.headers["content-length"] ?? 0) > EVENT_BYTES_MAX) {
    return Promise.resolve({ end: "too_long" });
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (body: Body): void => {
      request.removeAllListeners("data");
      resolve(body);
    };
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > EVENT_BYTES_MAX) settle({ end: "too_long" });
      else chunks.push(chunk);
    });
    request.once("end", () =>
      settle({ end: "whole", text: Buffer.concat(chunks).toString("utf8") }),
    );
    request.once("close", () => settle({ end: "cut" }));
    request.once("error", () => settle({ end: "cut" }));
  });
}

function discard(request: IncomingMessage): void {
  let bytes = 0;
  request.on("error", () => {});
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DISCARD_BYTES_MAX) request.destroy();
  });
}
