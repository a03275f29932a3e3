/**
 * Goal: the policy answers the same wherever its server is, and whatever happens to it or to the
 * connection leads to a failure with its own name, which the reviewer turns into an escalation; and
 * when it is back it is used again. Method: the real policy server in this process, over HTTP, and
 * in a process of its own over standard input and output.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, afterEach, before, describe, it } from "mocha";
import { policyServer } from "../../../actors/tools/policy.ts";
import { createReviewerCalls } from "../../../actors/reviewer/binding.ts";
import type { DecisionEntry } from "../../../policies/decision-log.ts";
import { loadWasmEngine } from "../../../policies/wasm-engine.ts";
import { listenForTools, type ToolListener } from "../../../transports/mcp/http.ts";
import { connectInProcess } from "../../../transports/mcp/in-process.ts";
import { connectRemote } from "../../../transports/mcp/remote.ts";
import type {
  ToolCaller,
  ToolCallOptions,
  ToolDefinition,
  ToolServerSpec,
} from "../../../transports/ports.ts";
import { contextOf, ISOLATE, openBench, questionOf, digestOfAction } from "../../actors/bench.ts";
import { ask, ENFORCING, pointOf } from "../../policies/fixtures.ts";

const MAIN = resolve(import.meta.dirname, "../../../dist/app/main.js");
const TOKEN = "0123456789abcdef0123456789abcdef";
const LOOPBACK = { host: "127.0.0.1", port: 0, token: null } as const;
const OPTIONS: ToolCallOptions = {
  signal: new AbortController().signal,
  timeoutMs: 20_000,
  traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01`,
  idempotencyKey: "reviewer/c-1:0",
};
const QUESTION = ask() as never;

const opened: { close(): unknown }[] = [];
const entries: DecisionEntry[] = [];
let spec: ToolServerSpec;
let folder = "";

before(async () => {
  const engine = await loadWasmEngine(ENFORCING);
  const find = async (id: string) => entries.find((one) => one.decision_id === id) ?? null;
  spec = policyServer({ point: pointOf(engine, entries), find, by: "mcp" });
  folder = mkdtempSync(join(tmpdir(), "wf-mcp-"));
});
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});
after(() => rmSync(folder, { recursive: true, force: true }));

function kept<T extends { close(): unknown }>(one: T): T {
  opened.push(one);
  return one;
}

async function overHttp(token: string | null = null): Promise<[ToolCaller, ToolListener]> {
  const listener = kept(await listenForTools(spec, { ...LOOPBACK, token }));
  return [kept(connectRemote(spec, { url: listener.url, token })), listener];
}

function overStdio(): ToolCaller {
  const args = [MAIN, "mcp", "policy", "--data", join(folder, "data")];
  return kept(connectRemote(spec, { command: process.execPath, args }));
}

/** Processes that this one started to serve the policy. */
function policyServers(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8");
  const pids = children.trim().split(" ").map(Number);
  return pids.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("mcp\0policy"));
}

describe("transports/mcp: the policy's server, wherever it is", function () {
  this.timeout(60_000);

  it("gives one verdict and one explanation in this process and over HTTP", async () => {
    const inProcess = kept(await connectInProcess(spec));
    const [http] = await overHttp(TOKEN);
    const verdict = await inProcess.call("evaluate_action", QUESTION, OPTIONS);
    assert.equal(verdict["verdict"], "auto_execute");
    assert.deepEqual(await http.call("evaluate_action", QUESTION, OPTIONS), verdict);
    const asked = { decisionId: verdict["decisionId"] as string };
    const why = await http.call("explain_decision", asked, OPTIONS);
    assert.deepEqual(why["reasons"], [
      { code: "all_checks_hold", explanation: "Every check holds." },
    ]);
    assert.equal(
      (await http.call("explain_decision", { decisionId: "x" }, OPTIONS))["found"],
      false,
    );
    assert.equal((await http.call("policy_info", {}, OPTIONS))["mode"], "enforce");
  });

  it("serves a process of its own over standard input and output, and is started again when killed", async () => {
    const caller = overStdio();
    assert.equal((await caller.call("policy_info", {}, OPTIONS))["mode"], "observe");
    const verdict = await caller.call("evaluate_action", QUESTION, OPTIONS);
    assert.deepEqual(verdict["obligations"], ["record_only", "undo_after:14400000"]);
    const asked = { decisionId: verdict["decisionId"] as string };
    assert.equal((await caller.call("explain_decision", asked, OPTIONS))["found"], true);
    const [pid] = policyServers();
    assert.ok(pid);
    process.kill(pid, "SIGKILL");
    await assert.rejects(
      // The connection ends a moment after the process: until then a call may still be taken.
      async () => {
        for (;;) await caller.call("policy_info", {}, OPTIONS);
      },
      { code: "tool_unreachable" },
    );
    assert.equal((await caller.call("policy_info", {}, OPTIONS))["mode"], "observe");
  });

  it("offers nothing that changes anything, and no path to choose", () => {
    assert.deepEqual(
      spec.tools.map((tool) => [tool.name, tool.readOnly, tool.destructive]),
      ["evaluate_action", "explain_decision", "policy_info"].map((name) => [name, true, false]),
    );
  });

  it("is unreachable by its own name while it is gone, and is used again when it is back", async () => {
    const [caller, first] = await overHttp();
    assert.equal((await caller.call("policy_info", {}, OPTIONS))["mode"], "enforce");
    await first.close();
    const calling = () => caller.call("evaluate_action", QUESTION, OPTIONS);
    await assert.rejects(calling(), { code: "tool_unreachable", retryable: true });
    const port = Number(new URL(first.url).port);
    kept(await listenForTools(spec, { ...LOOPBACK, port }));
    assert.equal((await calling())["verdict"], "auto_execute");
  });

  it("asks a policy that is not there yet when it is", async () => {
    const caller = kept(connectRemote(spec, { url: "http://127.0.0.1:9/mcp", token: null }));
    await assert.rejects(caller.call("policy_info", {}, OPTIONS), { code: "tool_unreachable" });
  });
});

describe("transports/mcp: who may ask over HTTP", () => {
  const post = (url: string, headers: Record<string, string> = {}, body = "{}") =>
    fetch(url, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json", ...headers },
    });

  it("does not open a port that others reach without a token", async () => {
    const exposed = listenForTools(spec, { ...LOOPBACK, host: "0.0.0.0" });
    await assert.rejects(exposed, { code: "http_exposed" });
    const short = listenForTools(spec, { ...LOOPBACK, token: "short" });
    await assert.rejects(short, { code: "config_invalid" });
  });

  it("refuses whoever has not the token before reading what they say", async () => {
    const [, { url }] = await overHttp(TOKEN);
    for (const given of ["", "Bearer", `Bearer ${TOKEN}x`, TOKEN])
      assert.equal(
        (await post(url, given ? { Authorization: given } : {}, "not json")).status,
        401,
      );
    const caller = kept(connectRemote(spec, { url, token: "wrong" }));
    await assert.rejects(caller.call("policy_info", {}, OPTIONS), { code: "tool_unreachable" });
  });

  it("refuses browsers, other paths and methods, and what is too large or no JSON", async () => {
    const [, { url }] = await overHttp();
    assert.equal((await post(url, { Origin: "http://evil.example" })).status, 403);
    assert.equal((await post(url.replace("/mcp", "/other"))).status, 404);
    assert.equal((await fetch(url)).status, 405);
    assert.equal((await post(url, {}, "not json")).status, 400);
    assert.equal((await post(url, {}, JSON.stringify("x".repeat(2_000_000)))).status, 413);
  });
});

describe("transports/mcp: the reviewer and an answer that is none", () => {
  const input = () => {
    const question = questionOf(ISOLATE);
    return { question, actionDigest: digestOfAction(ISOLATE), target: null } as never;
  };

  /** The reviewer, asking a policy server whose `evaluate_action` is this. */
  async function asking(handle: ToolDefinition["handle"], timeoutMs = 5_000): Promise<unknown> {
    const bench = kept(await openBench());
    const tools = spec.tools.map((tool) =>
      tool.name === "evaluate_action" ? { ...tool, handle } : tool,
    );
    const policy = kept(await connectInProcess({ ...spec, tools }));
    const calls = createReviewerCalls({ ...bench, policy });
    return calls.evaluateAction.run(input(), contextOf({ timeoutMs }));
  }

  it("says that the server failed", async () => {
    const failing = asking(() => Promise.reject(new Error("hunter2")));
    await assert.rejects(failing, { code: "tool_error", message: /^((?!hunter2).)*$/ });
  });

  it("says that the verdict does not fit its schema", async () => {
    await assert.rejects(
      asking(async () => ({ verdict: "yes" })),
      { code: "tool_bad_result" },
    );
  });

  it("says that it took too long", async () => {
    await assert.rejects(
      asking(() => new Promise(() => {}), 300),
      { code: "call_timeout" },
    );
  });

  it("says that it was answered by another policy", async () => {
    const decision = await pointOf(await loadWasmEngine(ENFORCING)).decide(ask(), {
      by: "mcp",
      traceparent: null,
    });
    const stale = asking(async () => ({ ...decision, policyRevision: "an older one" }) as never);
    await assert.rejects(stale, { code: "policy_stale" });
  });
});
