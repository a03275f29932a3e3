/**
 * The boundary of: a running floor and whoever watches it. One listener, on loopback whatever is
 * asked, hands text to WebSocket clients and takes nothing from them; `/` is the page that shows it
 * in Stately's inspector. It never waits for a client: one that reads too slowly is dropped.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { WatchfloorError } from "../machines/errors.ts";
import { isLoopback } from "./falco/exposure.ts";
import { INSPECTOR_PAGE, INSPECTOR_PAGE_HEADERS } from "./inspector-page.ts";
import type { Clock } from "./ports.ts";

export interface InspectorLimits {
  readonly clientsMax: number;
  /** Bytes given to a client that it has not read; over this it is dropped. */
  readonly clientBytesMax: number;
  /** Of one message from a client. The protocol has none for us; more closes the connection. */
  readonly messageBytesMax: number;
  /** A client that did not answer the last ping by the next one is gone. */
  readonly heartbeatMs: number;
}

export const INSPECTOR_LIMITS: InspectorLimits = {
  clientsMax: 8,
  clientBytesMax: 4 * 1024 * 1024,
  messageBytesMax: 1024,
  heartbeatMs: 15_000,
};

export interface InspectorClient {
  /** Bytes it was given and has not read. */
  readonly waitingBytes: number;
  /** Never throws; a client that is gone, or is dropped by this, gets nothing. */
  send(text: string): void;
}

export interface InspectorOptions {
  /** `127.0.0.1`, `::1` or `localhost`. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly limits?: Partial<InspectorLimits>;
  readonly joined: (client: InspectorClient) => void;
  readonly left: (client: InspectorClient) => void;
}

export interface InspectorServer {
  /** @throws WatchfloorError `port_taken`, or `config_invalid` for an address that cannot be had. */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  /** Says goodbye to every client, and cuts those that do not answer. */
  close(): Promise<void>;
}

/** Names are not resolved: what is listened on is one of these two, and both are this machine. */
const ADDRESSES: ReadonlyMap<string, string> = new Map([
  ["127.0.0.1", "127.0.0.1"],
  ["localhost", "127.0.0.1"],
  ["::1", "::1"],
]);
const CONNECTIONS_MAX = 32;
const HEADER_BYTES_MAX = 8 * 1024;
const REQUEST_TIMEOUT_MS = 5_000;
const GOODBYE_MS = 1_000;
const GOING_AWAY = 1001;

/** @throws WatchfloorError `config_invalid` for any host but this machine's own, before anything is opened. */
export function createInspector(options: InspectorOptions): InspectorServer {
  const { clock, port } = options;
  const host = ADDRESSES.get(options.host);
  if (host === undefined) {
    const rule = "must be 127.0.0.1, ::1 or localhost";
    throw new WatchfloorError("config_invalid", { origin: "inspect", field: "host", rule });
  }
  const limits = { ...INSPECTOR_LIMITS, ...options.limits };
  const clients = new Set<Client>();
  const server = openServer();
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.messageBytesMax,
    perMessageDeflate: false,
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    const refused = refusal(request, clients.size >= limits.clientsMax);
    if (refused !== null) return refuse(socket, refused);
    sockets.handleUpgrade(request, socket, head, (opened) =>
      admit(opened, clients, limits, options),
    );
  });
  let cancelHeartbeat: (() => void) | null = null;
  const beat = (): void => {
    for (const client of clients) client.beat();
    cancelHeartbeat = clock.after(limits.heartbeatMs, beat);
  };
  return {
    listen: async () => {
      const address = await listen(server, host, port);
      beat();
      return address;
    },
    close: () => {
      cancelHeartbeat?.();
      return close(server, clients, clock);
    },
  };
}

// ---- Who may connect ---------------------------------------------------------------------------

type Refusal = readonly [status: number, reason: string];

/**
 * A page of any site can open a socket to this machine, and says so in Origin; only what runs here
 * and Stately's own pages may. A page that rebinds its own name to this machine gives that as Host.
 */
function refusal(request: IncomingMessage, full: boolean): Refusal | null {
  const { host, origin } = request.headers;
  if (!isOwnName(host)) return [421, "Misdirected Request"];
  if (origin !== undefined && !mayWatch(origin)) return [403, "Forbidden"];
  if (!isRoot(request)) return [404, "Not Found"];
  return full ? [503, "Service Unavailable"] : null;
}

function isOwnName(host: string | undefined): boolean {
  return isLoopback((host ?? "").replace(/:\d+$/, ""));
}

function mayWatch(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname, port } = new URL(origin);
  if (isLoopback(hostname)) return protocol === "http:" || protocol === "https:";
  const stately = hostname === "stately.ai" || hostname.endsWith(".stately.ai");
  return stately && protocol === "https:" && port === "";
}

function isRoot(request: IncomingMessage): boolean {
  return (request.url ?? "").replace(/[?#].*$/s, "") === "/";
}

function refuse(socket: Duplex, [status, reason]: Refusal): void {
  const head = `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
  socket.end(head, () => socket.destroy());
}

// ---- One client --------------------------------------------------------------------------------

class Client implements InspectorClient {
  readonly #socket: WebSocket;
  readonly #bytesMax: number;
  #answered = true;

  constructor(socket: WebSocket, bytesMax: number) {
    this.#socket = socket;
    this.#bytesMax = bytesMax;
    socket.on("pong", () => (this.#answered = true));
  }

  get waitingBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.waitingBytes + Buffer.byteLength(text) > this.#bytesMax) return this.cut();
    // A failed send is followed by the close that takes the client off the list.
    this.#socket.send(text, () => {});
  }

  beat(): void {
    if (!this.#answered) return this.cut();
    this.#answered = false;
    this.#socket.ping(() => {});
  }

  leave(): void {
    this.#socket.close(GOING_AWAY);
  }

  cut(): void {
    this.#socket.terminate();
  }
}

function admit(
  socket: WebSocket,
  clients: Set<Client>,
  limits: InspectorLimits,
  { joined, left }: InspectorOptions,
): void {
  const client = new Client(socket, limits.clientBytesMax);
  clients.add(client);
  // Its close follows; what was wrong with a client's bytes is nobody's concern here.
  socket.on("error", () => client.cut());
  socket.on("close", () => {
    clients.delete(client);
    left(client);
  });
  joined(client);
}

// ---- The listener ------------------------------------------------------------------------------

function openServer(): Server {
  const server = createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: REQUEST_TIMEOUT_MS,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("request", answer);
  return server;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  if (!isOwnName(request.headers.host)) return void response.writeHead(421).end();
  if (!isRoot(request)) return void response.writeHead(404).end();
  if (request.method !== "GET" && request.method !== "HEAD") {
    return void response.writeHead(405, { Allow: "GET, HEAD" }).end();
  }
  response.writeHead(200, INSPECTOR_PAGE_HEADERS).end(INSPECTOR_PAGE);
}

function listen(
  server: Server,
  host: string,
  port: number,
): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(listenError(error, host, port));
    server.once("error", fail);
    server.listen({ host, port }, () => {
      server.off("error", fail);
      // Accepting can fail later (no file descriptors left); that connection is lost, not the process.
      server.on("error", () => {});
      resolve({ host, port: (server.address() as AddressInfo).port });
    });
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): WatchfloorError {
  if (error.code === "EADDRINUSE") {
    return new WatchfloorError(
      "port_taken",
      { host, port, option: "WATCHFLOOR_INSPECT_PORT" },
      { cause: error },
    );
  }
  const rule = `cannot be listened on (${error.code ?? error.name})`;
  const where = { origin: "inspect", field: `${host}:${port}`, rule };
  return new WatchfloorError("config_invalid", where, { cause: error });
}

function close(server: Server, clients: ReadonlySet<Client>, clock: Clock): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = clock.after(GOODBYE_MS, () => {
      for (const client of clients) client.cut();
      server.closeAllConnections();
    });
    server.close(() => {
      cancel();
      resolve();
    });
    for (const client of clients) client.leave();
    server.closeIdleConnections();
  });
}
