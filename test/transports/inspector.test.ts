/** Who may watch a running floor, and what a watcher can do to it: nothing. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import { request } from "node:http";
import { runInNewContext } from "node:vm";
import { createBrowserReceiver } from "@statelyai/inspect";
import { afterEach, describe, it } from "mocha";
import { WebSocket } from "ws";
import { WatchfloorError } from "../../machines/errors.ts";
import { systemClock } from "../../transports/clock.ts";
import {
  createInspector,
  INSPECTOR_LIMITS,
  type InspectorClient,
  type InspectorOptions,
  type InspectorServer,
} from "../../transports/inspector.ts";
import { connectClient } from "../kit/inspector-client.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

interface Listener {
  readonly port: number;
  readonly clients: Set<InspectorClient>;
  readonly server: InspectorServer;
  /** Resolves when `count` clients are there. */
  readonly holds: (count: number) => Promise<void>;
  readonly tellAll: (text: string) => void;
}

const open: InspectorServer[] = [];

async function listener(options: Partial<InspectorOptions> = {}): Promise<Listener> {
  const clients = new Set<InspectorClient>();
  const changes = new EventEmitter();
  const server = createInspector({
    host: "127.0.0.1",
    port: 0,
    clock: systemClock,
    ...options,
    joined: (client) => void (clients.add(client), changes.emit("change")),
    left: (client) => void (clients.delete(client), changes.emit("change")),
  });
  const { port } = await server.listen();
  open.push(server);
  return {
    port,
    clients,
    server,
    holds: async (count) => {
      while (clients.size !== count)
        await new Promise((resolve) => changes.once("change", resolve));
    },
    tellAll: (text) => clients.forEach((client) => client.send(text)),
  };
}

function fetched(
  port: number,
  options: { path?: string; method?: string; host?: string } = {},
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  const { path = "/", method = "GET", host = `127.0.0.1:${port}` } = options;
  return new Promise((resolve, reject) => {
    request({ port, host: "127.0.0.1", path, method, headers: { host } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    })
      .on("error", reject)
      .end();
  });
}

const scriptOf = (text: string): string => /<script>(.*)<\/script>/s.exec(text)?.[1] ?? "";

const codeIs = (code: string) => (error: unknown) =>
  error instanceof WatchfloorError && error.code === code;

describe("transports: inspector", () => {
  afterEach(async () => {
    await Promise.all(open.splice(0).map((server) => server.close()));
  });

  describe("who may connect", () => {
    for (const host of ["0.0.0.0", "::", "192.0.2.7", "example.org", "127.0.0.1.example.org", ""]) {
      it(`does not open a listener on ${host || "no host"}`, async () => {
        await assert.rejects(listener({ host }), codeIs("config_invalid"));
      });
    }

    it("listens on this machine's own address when it is given as a name", async () => {
      const { port } = await listener({ host: "localhost" });
      assert.equal((await fetched(port)).status, 200);
    });

    it("says that a port is taken", async () => {
      const { port } = await listener();
      await assert.rejects(listener({ port }), codeIs("port_taken"));
    });

    const mayConnect = [
      undefined,
      "http://localhost:5173",
      "http://127.0.0.1:8081",
      "http://[::1]:8081",
      "https://localhost",
      "https://stately.ai",
      "https://www.stately.ai",
    ];
    for (const origin of mayConnect) {
      it(`lets ${origin ?? "a client without an origin"} watch`, async () => {
        const { port, holds } = await listener();
        await connectClient(port, origin === undefined ? {} : { origin });
        await holds(1);
      });
    }

    const mayNot = [
      "null",
      "",
      "https://example.org",
      "http://stately.ai",
      "https://stately.ai:8443",
      "https://notstately.ai",
      "https://stately.ai.example.org",
      "http://localhost.example.org",
      "http://127.0.0.1.example.org",
      "file://localhost",
      "chrome-extension://localhost",
    ];
    for (const origin of mayNot) {
      it(`refuses the origin ${origin || "(empty)"}`, async () => {
        const { port, clients } = await listener();
        await assert.rejects(connectClient(port, { headers: { origin } }), { message: "403" });
        assert.equal(clients.size, 0);
      });
    }

    it("refuses a page that rebound its own name to this machine", async () => {
      const { port } = await listener();
      const headers = { host: `rebound.example.org:${port}` };
      await assert.rejects(connectClient(port, { headers }), { message: "421" });
      assert.equal((await fetched(port, headers)).status, 421);
    });

    it("refuses one client too many, and takes it once another left", async () => {
      const { port, holds } = await listener();
      const first = await connectClient(port);
      for (let n = 1; n < INSPECTOR_LIMITS.clientsMax; n++) await connectClient(port);
      await holds(INSPECTOR_LIMITS.clientsMax);
      await assert.rejects(connectClient(port), { message: "503" });
      first.socket.close();
      await holds(INSPECTOR_LIMITS.clientsMax - 1);
      await connectClient(port);
    });

    it("serves nothing but its page, to be read only", async () => {
      const { port } = await listener();
      assert.equal((await fetched(port, { path: "/metrics" })).status, 404);
      assert.equal((await fetched(port, { method: "POST" })).status, 405);
      assert.equal((await fetched(port, { method: "HEAD" })).text, "");
    });
  });

  describe("a client", () => {
    it("is closed when it sends more than a message may hold, and nobody else is", async () => {
      const { port, holds, tellAll } = await listener();
      const [loud, calm] = [await connectClient(port), await connectClient(port)];
      await holds(2);
      calm.socket.send("ignored");
      loud.socket.send("x".repeat(INSPECTOR_LIMITS.messageBytesMax + 1));
      assert.equal(await loud.closed, 1009);
      await holds(1);
      tellAll(`{"n":1}`);
      await calm.until((messages) => messages.length === 1);
    });

    it("is dropped when it does not read, while another is told everything", async () => {
      const { port, holds, tellAll, clients } = await listener();
      const [slow, quick] = [await connectClient(port), await connectClient(port)];
      await holds(2);
      slow.socket.pause();
      const text = JSON.stringify({ text: "x".repeat(64 * 1024) });
      let told = 0;
      while (clients.size === 2 && told < 2_000) {
        tellAll(text);
        const wanted = ++told;
        await quick.until((messages) => messages.length === wanted);
      }
      assert.equal(clients.size, 1);
      assert.equal(quick.messages.length, told);
      slow.socket.resume();
      assert.equal(await slow.closed, 1006);
    });

    it("never holds more than its bound in memory", async () => {
      const { port, holds, clients } = await listener();
      const slow = await connectClient(port);
      await holds(1);
      slow.socket.pause();
      const [client] = clients;
      const text = "x".repeat(256 * 1024);
      let highest = 0;
      for (let n = 0; n < 1_000; n++) {
        client!.send(text);
        highest = Math.max(highest, client!.waitingBytes);
      }
      assert.ok(highest > 0 && highest <= INSPECTOR_LIMITS.clientBytesMax + 1024, String(highest));
      slow.socket.terminate();
    });

    it("is gone when it stops answering pings", async () => {
      const clock = virtualClock();
      const { port, holds, clients } = await listener({ clock });
      const alive = await connectClient(port);
      const pinged = new Promise((resolve) => alive.socket.on("ping", resolve));
      await connectClient(port, { autoPong: false });
      await holds(2);
      await clock.advance(INSPECTOR_LIMITS.heartbeatMs);
      await pinged;
      await roundTrips(port);
      await clock.advance(INSPECTOR_LIMITS.heartbeatMs);
      await holds(1);
      assert.equal(clients.size, 1);
      assert.equal(alive.socket.readyState, WebSocket.OPEN);
    });

    it("is told when the floor goes away", async () => {
      const { port, server, holds } = await listener();
      const client = await connectClient(port);
      await holds(1);
      await server.close();
      assert.equal(await client.closed, 1001);
    });
  });

  describe("the page", () => {
    it("allows its own script and no other, and embeds nobody but Stately", async () => {
      const { port } = await listener();
      const { headers, text } = await fetched(port);
      const policy = String(headers["content-security-policy"]);
      const hash = createHash("sha256").update(scriptOf(text)).digest("base64");
      assert.match(policy, /default-src 'none'/);
      assert.ok(policy.includes(`script-src 'sha256-${hash}';`));
      assert.match(policy, /frame-src https:\/\/stately\.ai https:\/\/\*\.stately\.ai;/);
    });

    it("hands the stream to Stately's own receiver, and to no other window", async () => {
      const { port, holds, tellAll } = await listener();
      const { text } = await fetched(port);
      const page = fakePage(port);
      runInNewContext(scriptOf(text), page.globals);
      page.say("https://stately.ai.example.org", { type: "@statelyai.connected" });
      assert.equal(page.sockets.length, 0);
      const seen: unknown[] = [];
      createBrowserReceiver({ window: page.embedded }).subscribe((event) => seen.push(event));
      await holds(1);
      const told = new Promise((resolve) => page.sockets[0]!.once("message", resolve));
      tellAll(`{"type":"@xstate.snapshot","_version":"0.7.2"}`);
      await told;
      assert.deepEqual(seen, [{ type: "@xstate.snapshot", _version: "0.7.2" }]);
      assert.deepEqual([...page.targets], ["https://stately.ai"]);
      page.sockets[0]!.terminate();
      await holds(0);
    });
  });
});

/** What a client sent before these was read by the server: it came to the same event loop earlier. */
async function roundTrips(port: number): Promise<void> {
  for (let n = 0; n < 3; n++) await fetched(port);
}

/** As much of a browser as the page and the embedded receiver use: two windows and their messages. */
function fakePage(port: number) {
  type Message = { data: unknown; origin: string; source: unknown };
  type Listen = (message: Message) => void;
  const outer = new Set<Listen>();
  const inner = new Set<Listen>();
  const targets = new Set<string>();
  const sockets: WebSocket[] = [];
  const frameWindow = {
    postMessage(data: unknown, target: string) {
      targets.add(target);
      for (const hear of inner)
        hear({ data: structuredClone(data), origin: "http://127.0.0.1", source: null });
    },
  };
  const say = (origin: string, data: unknown): void => {
    for (const hear of outer) hear({ data, origin, source: frameWindow });
  };
  class PageSocket extends WebSocket {
    constructor(url: string) {
      super(url, { origin: `http://127.0.0.1:${port}` });
      sockets.push(this);
    }
  }
  const frame = { contentWindow: frameWindow, src: "" };
  const embedded = {
    self: 1,
    top: 2,
    parent: { postMessage: (data: unknown) => say("https://stately.ai", data) },
    addEventListener: (_: string, hear: Listen) => inner.add(hear),
  };
  const globals = {
    document: {
      querySelector: (name: string) => (name === "iframe" ? frame : { textContent: "" }),
    },
    addEventListener: (_: string, hear: Listen) => outer.add(hear),
    location: { host: `127.0.0.1:${port}` },
    WebSocket: PageSocket,
  };
  return { globals, embedded: embedded as never, sockets, targets, say };
}
