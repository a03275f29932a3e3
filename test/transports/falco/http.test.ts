/**
 * Goal: what Falco is told is true. Method: real requests to a real listener on a free port; raw
 * sockets where a client misbehaves in a way no client library allows.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { WatchfloorError } from "../../../machines/errors.ts";
import { systemClock } from "../../../transports/clock.ts";
import {
  createFalcoServer,
  type FalcoServer,
  type FalcoServerOptions,
} from "../../../transports/falco/http.ts";
import { EVENT_BYTES_MAX } from "../../../transports/falco/parse.ts";

const EVENT = JSON.stringify({
  hostname: "worker-1",
  output: "",
  output_fields: { "proc.name": "sh" },
  priority: "Notice",
  rule: "Terminal shell in container",
  source: "syscall",
  tags: [],
  time: "2026-10-14T00:00:00.000000001Z",
});
const SECRET = "/0123456789abcdef";

interface Answered {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

interface World {
  readonly port: number;
  readonly server: FalcoServer;
  readonly counted: string[];
  readonly accepted: string[];
  readonly ask: (
    method: string,
    path: string,
    body?: string,
    headers?: object,
  ) => Promise<Answered>;
}

const open: FalcoServer[] = [];

function optionsOf(change: Partial<FalcoServerOptions>): FalcoServerOptions {
  return {
    host: "127.0.0.1",
    port: 0,
    tls: null,
    secretPath: null,
    clock: systemClock,
    accept: () => Promise.resolve(),
    ready: () => ({ ready: true, reasons: [] }),
    metrics: () => Promise.resolve("up 1\n"),
    answered: () => {},
    ...change,
  };
}

async function world(change: Partial<FalcoServerOptions> = {}): Promise<World> {
  const counted: string[] = [];
  const accepted: string[] = [];
  const server = createFalcoServer(
    optionsOf({
      accept: async (event) => {
        accepted.push(event.digest);
      },
      answered: (route, status) => counted.push(`${route} ${status}`),
      ...change,
    }),
  );
  const { port } = await server.listen();
  open.push(server);
  return { port, server, counted, accepted, ask: (...asked) => ask(port, ...asked) };
}

function ask(
  port: number,
  method: string,
  path: string,
  body = "",
  headers: object = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port, method, path, headers: { ...headers }, agent: false },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Sends bytes as they are and gives everything that comes back until the other side ends. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  socket.on("error", () => {});
  socket.write(bytes);
  // A reset is an end like any other here, and `once` would reject for it.
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return text;
}

describe("falco: http", () => {
  afterEach(async () => {
    await Promise.all(open.splice(0).map((server) => server.close(0)));
  });

  it("answers 200 only after the event is durable", async () => {
    let durable = (): void => {};
    let reached = (): void => {};
    const asked = new Promise<void>((resolve) => (reached = resolve));
    const { ask: send, counted } = await world({
      accept: () => {
        reached();
        return new Promise((resolve) => (durable = resolve));
      },
    });
    const answer = send("POST", "/falco", EVENT);
    await asked;
    assert.deepEqual(counted, []);
    durable();
    assert.equal((await answer).status, 200);
    assert.deepEqual(counted, ["falco 200"]);
  });

  it("hands on the event and the text it came as", async () => {
    const seen: string[] = [];
    const { ask: send } = await world({
      accept: async (event, text) => {
        seen.push(event.timeNs, text);
      },
    });
    await send("POST", "/falco?from=falco", `${EVENT}\n`);
    assert.deepEqual(seen, ["1791936000000000001", `${EVENT}\n`]);
  });

  it("answers 503 with a time to come back when the event could not be kept", async () => {
    const full = new WatchfloorError("mailbox_full", { shard: "s" }, { retryAfterMs: 2_500 });
    for (const [error, after] of [
      [full, "3"],
      [new Error("secret detail"), "1"],
    ] as const) {
      const { ask: send, counted } = await world({ accept: () => Promise.reject(error) });
      const { status, headers, text } = await send("POST", "/falco", EVENT);
      assert.equal(status, 503);
      assert.equal(headers["retry-after"], after);
      assert.doesNotMatch(text, /secret|shard/);
      assert.deepEqual(counted, ["falco 503"]);
    }
  });

  it("answers 503 to more events at once than its limit, and takes them again afterwards", async () => {
    const waiting: (() => void)[] = [];
    let reached = (): void => {};
    const busy = new Promise<void>((resolve) => (reached = resolve));
    const { ask: send } = await world({
      limits: { inFlightMax: 2 },
      accept: () =>
        new Promise((resolve) => {
          waiting.push(resolve);
          if (waiting.length === 2) reached();
        }),
    });
    const first = [send("POST", "/falco", EVENT), send("POST", "/falco", EVENT)];
    await busy;
    assert.equal((await send("POST", "/falco", EVENT)).status, 503);
    assert.equal((await send("GET", "/livez")).status, 200);
    for (const release of waiting) release();
    assert.deepEqual(
      (await Promise.all(first)).map(({ status }) => status),
      [200, 200],
    );
  });

  for (const [name, body, message] of [
    ["no JSON", "{", /^line 1: not JSON\n$/],
    ["no event", "{}", /rule is missing/],
    ["two events", `${EVENT}\n${EVENT}`, /not JSON/],
    ["nothing", "", /not JSON/],
  ] as const) {
    it(`answers 400 to ${name} and does not accept it`, async () => {
      const { ask: send, accepted, counted } = await world();
      const answer = await send("POST", "/falco", body);
      assert.equal(answer.status, 400);
      assert.match(answer.text, message);
      assert.deepEqual(accepted, []);
      assert.deepEqual(counted, ["falco 400"]);
    });
  }

  it("answers 413 to a length over the limit before its body has come", async () => {
    const { port, counted } = await world();
    const socket = connect(port, "127.0.0.1");
    socket.write(
      `POST /falco HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${EVENT_BYTES_MAX + 1}\r\n\r\n{`,
    );
    const [chunk] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    assert.match(chunk.toString(), /^HTTP\/1\.1 413 /);
    assert.deepEqual(counted, ["falco 413"]);
  });

  it("answers 413 to a stream without length and cuts it when it goes on", async () => {
    const { port, counted } = await world();
    const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
    const text = await raw(
      port,
      `POST /falco HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(40)}`,
    );
    assert.deepEqual(counted, ["falco 413"]);
    assert.ok(text === "" || text.startsWith("HTTP/1.1 413 "));
  });

  it("answers 404 and 405 with what is allowed", async () => {
    const { ask: send, counted } = await world();
    assert.equal((await send("GET", "/")).status, 404);
    assert.equal((await send("POST", "/falco/")).status, 404);
    const wrong = await send("GET", "/falco");
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers["allow"], "POST");
    assert.equal((await send("DELETE", "/metrics")).headers["allow"], "GET, HEAD");
    assert.deepEqual(counted, ["none 404", "none 404", "falco 405", "metrics 405"]);
  });

  it("answers the probes by what it is told, and keeps a failure to itself", async () => {
    const { ask: send } = await world({
      ready: () => ({ ready: false, reasons: ["recovering"] }),
      metrics: () => Promise.reject(new Error("secret detail")),
    });
    assert.equal((await send("GET", "/livez")).status, 200);
    const ready = await send("GET", "/readyz");
    assert.equal(ready.status, 503);
    assert.equal(ready.text, "recovering\n");
    const metrics = await send("GET", "/metrics");
    assert.equal(metrics.status, 500);
    assert.doesNotMatch(metrics.text, /secret/);
    const fine = await world();
    assert.equal((await fine.ask("GET", "/readyz")).status, 200);
    assert.equal((await fine.ask("GET", "/metrics")).text, "up 1\n");
    assert.equal((await fine.ask("HEAD", "/metrics")).text, "");
  });

  it("cuts a body that does not come, and heads that do not end", async () => {
    const { port, counted } = await world({
      limits: { requestTimeoutMs: 200, headersTimeoutMs: 200 },
    });
    const head = "POST /falco HTTP/1.1\r\nHost: localhost\r\n";
    const [body, heads] = await Promise.all([
      raw(port, `${head}Content-Length: 10\r\n\r\n{`),
      raw(port, `${head}X: y`),
    ]);
    assert.match(body, /^HTTP\/1\.1 408 /);
    assert.match(heads, /^HTTP\/1\.1 408 /);
    assert.deepEqual(counted, ["none 408", "none 408"]);
  });

  it("refuses heads that are too large or no HTTP at all", async () => {
    const { port, counted } = await world();
    const large = `GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}\r\n\r\n`;
    assert.match(await raw(port, large), /^HTTP\/1\.1 431 /);
    assert.match(await raw(port, "hello\r\n\r\n"), /^HTTP\/1\.1 400 /);
    assert.deepEqual(counted, ["none 431", "none 400"]);
  });

  it("refuses what a browser was tricked into: another host's name, another site's page", async () => {
    const { ask: send, accepted } = await world();
    const rebound = await send("POST", "/falco", EVENT, { Host: "evil.example" });
    const posted = await send("POST", "/falco", EVENT, { Origin: "https://evil.example" });
    assert.equal(rebound.status, 421);
    assert.equal(posted.status, 403);
    assert.deepEqual(accepted, []);
    for (const host of ["localhost:8080", "127.0.0.1", "[::1]:8080"]) {
      assert.equal((await send("GET", "/livez", "", { Host: host })).status, 200);
    }
  });

  it("knows no /falco beside a secret path", async () => {
    const { ask: send } = await world({ secretPath: SECRET });
    assert.equal((await send("POST", "/falco", EVENT)).status, 404);
    assert.equal((await send("POST", SECRET, EVENT)).status, 200);
  });

  it("off loopback with a secret path, shows metrics only below it", async () => {
    const { ask: send } = await world({ host: "0.0.0.0", secretPath: SECRET });
    const headers = { Host: "watchfloor.example" };
    assert.equal((await send("POST", SECRET, EVENT, headers)).status, 200);
    assert.equal((await send("GET", "/metrics", "", headers)).status, 404);
    assert.equal((await send("GET", `${SECRET}/metrics`, "", headers)).status, 200);
    assert.equal((await send("GET", "/livez", "", headers)).status, 200);
  });

  it("is not made off loopback without mutual TLS or a secret path of 16 characters", () => {
    for (const secretPath of [null, "/short", SECRET.slice(1)]) {
      assert.throws(() => createFalcoServer(optionsOf({ host: "0.0.0.0", secretPath })), {
        code: "http_exposed",
      });
    }
    assert.throws(() => createFalcoServer(optionsOf({ secretPath: "/short" })), {
      code: "config_invalid",
    });
    const tls = { key: "no", cert: "pem", ca: "at all" };
    assert.throws(() => createFalcoServer(optionsOf({ host: "0.0.0.0", tls })), {
      code: "config_invalid",
    });
  });

  it("names a port that is taken and an address that is not here", async () => {
    const { port } = await world();
    await assert.rejects(createFalcoServer(optionsOf({ port })).listen(), { code: "port_taken" });
    const elsewhere = optionsOf({ host: "192.0.2.1", secretPath: SECRET });
    await assert.rejects(createFalcoServer(elsewhere).listen(), { code: "config_invalid" });
  });

  it("finishes what is in flight before it closes, and takes nothing new", async () => {
    let durable = (): void => {};
    let reached = (): void => {};
    const asked = new Promise<void>((resolve) => (reached = resolve));
    const { ask: send, server } = await world({
      accept: () => {
        reached();
        return new Promise((resolve) => (durable = resolve));
      },
    });
    const answer = send("POST", "/falco", EVENT);
    await asked;
    const closed = server.close(60_000);
    await assert.rejects(send("POST", "/falco", EVENT));
    durable();
    assert.equal((await answer).status, 200);
    await closed;
  });

  it("cuts what is still in flight when its grace is over", async () => {
    let reached = (): void => {};
    const asked = new Promise<void>((resolve) => (reached = resolve));
    const { ask: send, server } = await world({
      accept: () => {
        reached();
        return new Promise(() => {});
      },
    });
    const answer = assert.rejects(send("POST", "/falco", EVENT));
    await asked;
    await server.close(1);
    await answer;
  });
});
