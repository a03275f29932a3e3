/**
 * The boundary of: the policy in force and what may go wrong with its source while it serves: nothing
 * executes that should not, no decision is lost, and it recovers by itself.
 */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WatchfloorError } from "../../machines/errors.ts";
import { loadBundle } from "../../policies/bundle.ts";
import { decide } from "../../policies/engine.ts";
import { connectRestEngine, servedRevision } from "../../policies/rest-engine.ts";
import { ServingPolicy, type LoadEngine } from "../../policies/serving.ts";
import { loadWasmEngine } from "../../policies/wasm-engine.ts";
import { systemClock } from "../../transports/clock.ts";
import { createOpaClient } from "../../transports/opa.ts";
import { PROVISION_MS_MAX } from "../kit/opa.ts";
import { OpaServer, signedBundle } from "../kit/opa-server.ts";
import { ask, AT, ENFORCING, NOW } from "./fixtures.ts";

const SHIPPED_BUNDLE = loadBundle();
const now = (): number => AT;

describe("policies: a policy that is loaded again", () => {
  /** Another policy by name: the revision is all that differs. */
  const named =
    (revision: string): LoadEngine =>
    (parameters) =>
      loadWasmEngine(parameters, { ...SHIPPED_BUNDLE, revision });

  it("replaces the serving one once it passed its smoke vectors", async () => {
    let source = named("one");
    const serving = await ServingPolicy.start((given) => source(given), ENFORCING, now);
    source = named("two");
    assert.equal(await serving.reload(), true);
    const { bundleRevision, loads, failures, fault } = serving.status();
    assert.deepEqual([bundleRevision, loads, failures, fault], ["two", 2, 0, null]);
  });

  const broken: readonly (readonly [string, LoadEngine, RegExp])[] = [
    [
      "is no module",
      (given) => loadWasmEngine(given, { ...SHIPPED_BUNDLE, wasm: new Uint8Array([0]) }),
      /not a policy module/,
    ],
    [
      "has not the entrypoint",
      (given) => loadWasmEngine(given, { ...SHIPPED_BUNDLE, entrypoints: [] }),
      /has no watchfloor\/review\/result/,
    ],
    ["throws what is no error", () => Promise.reject("x"), /could not be loaded/],
  ];
  for (const [what, load, why] of broken) {
    it(`leaves the last good one serving where the next ${what}, and says so`, async () => {
      let source = named("good");
      const serving = await ServingPolicy.start((given) => source(given), ENFORCING, now);
      source = load;
      assert.equal(await serving.reload(), false);
      const { bundleRevision, failures, fault } = serving.status();
      assert.deepEqual([bundleRevision, failures], ["good", 1]);
      assert.match(fault?.message ?? "", why);
      assert.equal((await decide(serving.engine(), ask(), NOW)).verdict, "auto_execute");
      source = named("better");
      assert.equal(await serving.reload(), true);
      assert.equal(serving.status().fault, null);
    });
  }

  it("does not start on a policy that is unusable: there is no last good one", async () => {
    await assert.rejects(ServingPolicy.start(broken[0]![1], ENFORCING, now), {
      code: "policy_unusable",
    });
  });

  it("loses no decision and half-loads none, however often it changes under load", async () => {
    let n = 0;
    const serving = await ServingPolicy.start((given) => named(`r${n}`)(given), ENFORCING, now);
    let deciding = true;
    let decisions = 0;
    const decider = async (): Promise<void> => {
      while (deciding) {
        const { verdict, reasons } = await decide(serving.engine(), ask(), NOW);
        assert.deepEqual([verdict, reasons], ["auto_execute", ["all_checks_hold"]]);
        decisions += 1;
        if (decisions % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const deciders = [decider(), decider()];
    for (n = 1; n <= 10; n += 1) assert.equal(await serving.reload(), true);
    deciding = false;
    await Promise.all(deciders);
    assert.equal(serving.status().bundleRevision, "r10");
    assert.ok(decisions > 10);
  });
});

describe("policies: an OPA server that is not there", function () {
  this.timeout(PROVISION_MS_MAX);
  let server: OpaServer;

  before(async () => {
    const { archive, keyFile } = signedBundle();
    server = await OpaServer.start(archive, keyFile);
  });
  after(() => server?.close());

  it("escalates when it is killed, between questions and in the middle, and is used again when it is back", async () => {
    const load: LoadEngine = (parameters) => connectRestEngine(parameters, server.client);
    const serving = await ServingPolicy.start(load, ENFORCING, now);
    const reasonsOf = async (): Promise<readonly string[]> =>
      (await decide(serving.engine(), ask(), NOW)).reasons;
    assert.deepEqual(await reasonsOf(), ["all_checks_hold"]);
    const under = Array.from({ length: 200 }, () => decide(serving.engine(), ask(), NOW));
    await server.kill();
    for (const { verdict, reasons } of await Promise.all(under)) {
      const expected = verdict === "auto_execute" ? "all_checks_hold" : "policy_unreachable";
      assert.deepEqual(reasons, [expected]);
    }
    assert.deepEqual(await reasonsOf(), ["policy_unreachable"]);
    assert.equal(await serving.reload(), false);
    assert.equal(serving.status().fault?.code, "policy_unreachable");
    await server.run();
    assert.deepEqual(await reasonsOf(), ["all_checks_hold"]);
    assert.equal(await serving.reload(), true);
    assert.equal(serving.status().fault, null);
  });

  it("is waited for at a start, and escalates until then", async () => {
    await server.kill();
    const load: LoadEngine = (parameters) => connectRestEngine(parameters, server.client);
    const serving = await ServingPolicy.start(load, ENFORCING, now);
    const { verdict, reasons } = await decide(serving.engine(), ask(), NOW);
    assert.deepEqual([verdict, reasons], ["escalate", ["policy_unreachable"]]);
    await server.run();
    assert.equal(await serving.reload(), true);
    assert.equal((await decide(serving.engine(), ask(), NOW)).verdict, "auto_execute");
    assert.equal(await servedRevision(server.client), serving.status().bundleRevision);
  });
});

describe("policies: a server that answers otherwise", () => {
  let server: Server;
  let url = "";
  /** What the next answers are; the last one stays. */
  let answer: { readonly status?: number; readonly body: string } = { body: "" };

  before(async () => {
    server = createServer((_, response) => {
      if (answer.body === "hang") return;
      if (answer.body === "cut") return void response.destroy();
      response.writeHead(answer.status ?? 200).end(answer.body);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const said = (result: unknown, revision: string | null = "r1"): string =>
    JSON.stringify({
      result,
      provenance: { bundles: revision === null ? {} : { watchfloor: { revision } } },
    });

  const cases: readonly (readonly [string, typeof answer, code: string])[] = [
    ["nothing", { body: "hang" }, "policy_unreachable"],
    ["half an answer", { body: "cut" }, "policy_unreachable"],
    ["503", { status: 503, body: "" }, "policy_unreachable"],
    ["401", { status: 401, body: "" }, "policy_unreachable"],
    ["400", { status: 400, body: "{}" }, "policy_failed"],
    ["no JSON", { body: "<html>" }, "policy_failed"],
    ["undefined", { body: said(undefined) }, "policy_failed"],
    ["another shape", { body: said({ allow: true }) }, "policy_failed"],
    ["more than a megabyte", { body: "x".repeat(2_000_000) }, "policy_unreachable"],
  ];
  for (const [what, given, code] of cases) {
    it(`fails closed on ${what}`, async () => {
      answer = given;
      const client = createOpaClient({ url, token: null, timeoutMs: 200, clock: systemClock });
      try {
        await assert.rejects(connectRestEngine(ENFORCING, client), (error) => {
          assert.ok(error instanceof WatchfloorError);
          return error.code === code;
        });
      } finally {
        client.close();
      }
    });
  }

  it("is refused where its policy gets a smoke vector wrong", async () => {
    const verdict = {
      verdict: "auto_execute",
      reasons: ["x"],
      ruleIds: ["x"],
      obligations: [],
      parametersUsed: {},
    };
    answer = { body: said(verdict) };
    const client = createOpaClient({ url, token: null, timeoutMs: 200, clock: systemClock });
    await assert.rejects(connectRestEngine(ENFORCING, client), /smoke vector .* gave auto_execute/);
    client.close();
  });
});
