/** Off loopback, events come by mutual TLS: whoever has no certificate of the authority is not heard. */
import assert from "node:assert/strict";
import { request, type RequestOptions } from "node:https";
import { after, before, describe, it } from "mocha";
import { systemClock } from "../../../transports/clock.ts";
import { createFalcoServer, type FalcoServer } from "../../../transports/falco/http.ts";
import { makeAuthority, type Authority } from "../../kit/certificates.ts";

const EVENT = JSON.stringify({
  hostname: "worker-1",
  output: "",
  output_fields: {},
  priority: "Notice",
  rule: "Terminal shell in container",
  source: "syscall",
  tags: [],
  time: "2026-10-14T00:00:00.000000001Z",
});

describe("falco: http under mutual TLS", () => {
  let ours: Authority;
  let other: Authority;
  let server: FalcoServer;
  let port = 0;
  const accepted: string[] = [];

  before(async () => {
    ours = makeAuthority("watchfloor test");
    other = makeAuthority("somebody else");
    server = createFalcoServer({
      host: "127.0.0.1",
      port: 0,
      tls: { ...ours.issue("floor"), ca: ours.ca },
      secretPath: null,
      clock: systemClock,
      accept: async (event) => void accepted.push(event.rule),
      ready: () => ({ ready: true, reasons: [] }),
      metrics: async () => "",
      answered: () => {},
    });
    ({ port } = await server.listen());
  });
  after(async () => {
    await server.close(0);
    ours.close();
    other.close();
  });

  const post = (tls: RequestOptions): Promise<number> =>
    new Promise((resolve, reject) => {
      const options = {
        host: "127.0.0.1",
        port,
        path: "/falco",
        method: "POST",
        ca: ours.ca,
        ...tls,
      };
      const asked = request(options, (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      });
      asked.on("error", reject).end(EVENT);
    });

  it("takes an event from a client with a certificate of the authority", async () => {
    assert.equal(await post(ours.issue("falco")), 200);
    assert.deepEqual(accepted, ["Terminal shell in container"]);
  });

  for (const [who, tls] of [
    ["without a certificate", () => ({})],
    ["with another authority's certificate", () => other.issue("falco")],
    [
      "that speaks an older version",
      () => ({ ...ours.issue("falco"), maxVersion: "TLSv1.2" as const }),
    ],
  ] satisfies [string, () => RequestOptions][]) {
    it(`hears nothing of a client ${who}`, async () => {
      const before = accepted.length;
      await assert.rejects(post(tls()), { code: /^(ERR_SSL|ECONNRESET|EPIPE|EPROTO)/ });
      assert.equal(accepted.length, before);
    });
  }

  it("is not trusted by a client of another authority", async () => {
    await assert.rejects(post({ ...ours.issue("falco"), ca: other.ca }), /certificate/);
  });
});
