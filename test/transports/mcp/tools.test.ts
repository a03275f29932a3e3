/** A server and its client over one connection: what each kind of failure becomes, and what does not leak. */
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { z } from "zod";
import { WatchfloorError } from "../../../machines/errors.ts";
import { createToolCaller } from "../../../transports/mcp/client.ts";
import { connectInProcess } from "../../../transports/mcp/in-process.ts";
import { createToolServer } from "../../../transports/mcp/server.ts";
import type {
  ToolCaller,
  ToolCallOptions,
  ToolContext,
  ToolDefinition,
  ToolServerSpec,
} from "../../../transports/ports.ts";

const SECRET = "postgres://admin:hunter2@10.0.0.1";

const OPTIONS: ToolCallOptions = {
  signal: new AbortController().signal,
  timeoutMs: 5_000,
  traceparent: "00-11111111111111111111111111111111-2222222222222222-01",
  idempotencyKey: "remediator/c-1:act",
};

function tool(
  handle: ToolDefinition["handle"],
  more: Partial<ToolDefinition> = {},
): ToolDefinition {
  return {
    name: "double",
    description: "Twice a number.",
    input: z.strictObject({ n: z.int() }),
    output: z.strictObject({ twice: z.int() }),
    readOnly: true,
    idempotent: true,
    destructive: false,
    handle,
    ...more,
  };
}

function specOf(...tools: readonly ToolDefinition[]): ToolServerSpec {
  return { name: "arithmetic", version: "1", tools };
}

const DOUBLE = tool(async ({ n }) => ({ twice: Number(n) * 2 }));

describe("transports/mcp: a tool server and its caller", () => {
  const open: ToolCaller[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((caller) => caller.close()));
  });

  async function connect(...tools: readonly ToolDefinition[]): Promise<ToolCaller> {
    const caller = await connectInProcess(specOf(...tools));
    open.push(caller);
    return caller;
  }

  /** A caller that believes in `spec`, before a server that answers `result`. */
  function deceived(result: object): ToolCaller {
    const callTool = (async () => result) as unknown as Client["callTool"];
    return createToolCaller(specOf(DOUBLE), { client: { callTool }, close: async () => {} });
  }

  it("answers with the tool's structured result", async () => {
    const caller = await connect(DOUBLE);
    assert.deepEqual(await caller.call("double", { n: 21 }, OPTIONS), { twice: 42 });
  });

  it("hands the idempotency key and the trace to the handler", async () => {
    const seen: ToolContext[] = [];
    const caller = await connect(
      tool(async (_, context) => {
        seen.push(context);
        return { twice: 0 };
      }),
    );
    await caller.call("double", { n: 1 }, OPTIONS);
    const { idempotencyKey, traceparent } = OPTIONS;
    assert.deepEqual(
      seen.map((context) => [context.idempotencyKey, context.traceparent]),
      [[idempotencyKey, traceparent]],
    );
  });

  it("shares no object between caller and handler", async () => {
    const given: { list: { n: number }[] } = { list: [{ n: 1 }] };
    const shape = { list: z.array(z.any()) };
    const caller = await connect(
      tool(
        async (args) => {
          (args["list"] as { n: number }[])[0]!.n = 99;
          return args;
        },
        { input: z.object(shape), output: z.object(shape) },
      ),
    );
    const answer = await caller.call("double", given, OPTIONS);
    assert.deepEqual([given.list[0]?.n, answer["list"]], [1, [{ n: 99 }]]);
  });

  it("gives a handler's own error back with its code, fields and retry-after", async () => {
    const caller = await connect(
      tool(async () => {
        const more = { retryAfterMs: 1_500, cause: new Error(SECRET), data: { dsn: SECRET } };
        throw new WatchfloorError("target_unknown", { target: "pod/shop/web" }, more);
      }),
    );
    await assert.rejects(caller.call("double", { n: 1 }, OPTIONS), (error) => {
      assert.ok(error instanceof WatchfloorError);
      assert.equal(error.code, "target_unknown");
      assert.equal(error.message, "the cluster has no pod/shop/web");
      assert.equal(error.retryAfterMs, 1_500);
      assert.equal(
        JSON.stringify([error.data, error.fields, String(error.cause)]).includes("hunter2"),
        false,
      );
      return true;
    });
  });

  it("makes an error it did not write a tool_error, and keeps its text inside", async () => {
    const spec = specOf(
      tool(async () => {
        throw new Error(`cannot connect to ${SECRET}`);
      }),
    );
    const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
    const server = await createToolServer(spec);
    const client = new Client({ name: "other", version: "1" });
    await Promise.all([server.connect(serverSide), client.connect(clientSide)]);
    const raw = await client.callTool({ name: "double", arguments: { n: 1 } });
    assert.equal(raw.isError, true);
    assert.equal(JSON.stringify(raw).includes("hunter2"), false);
    await client.close();
    const caller = await connect(...spec.tools);
    await assert.rejects(caller.call("double", { n: 1 }, OPTIONS), { code: "tool_error" });
  });

  it("refuses a handler's answer outside its schema before it leaves the server", async () => {
    const caller = await connect(tool(async () => ({ twice: SECRET })));
    await assert.rejects(caller.call("double", { n: 1 }, OPTIONS), {
      code: "tool_bad_result",
      message: "tool double answered outside its schema",
    });
  });

  it("refuses arguments outside the schema before they leave the caller, naming the field only", async () => {
    const caller = await connect(DOUBLE);
    await assert.rejects(caller.call("double", { n: SECRET }, OPTIONS), {
      code: "tool_bad_input",
      message: "tool double was called outside its schema at n",
    });
  });

  it("checks arguments at the server too, for callers that do not", async () => {
    let handled = 0;
    const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
    const server = await createToolServer(
      specOf(
        tool(async () => {
          handled += 1;
          return { twice: 0 };
        }),
      ),
    );
    const client = new Client({ name: "other", version: "1" });
    await Promise.all([server.connect(serverSide), client.connect(clientSide)]);
    const raw = await client.callTool({ name: "double", arguments: { n: "one", more: 1 } });
    assert.deepEqual([raw.isError, handled], [true, 0]);
    await client.close();
  });

  it("has no tool that the server does not name", async () => {
    const caller = await connect(DOUBLE);
    await assert.rejects(caller.call("triple", {}, OPTIONS), { code: "call_unknown" });
  });

  it("takes the error flag before the content, even where the content would fit", async () => {
    const caller = deceived({ isError: true, structuredContent: { twice: 42 }, content: [] });
    await assert.rejects(caller.call("double", { n: 1 }, OPTIONS), { code: "tool_error" });
  });

  it("does not believe an error code that is none of ours, nor one with wild fields", async () => {
    for (const wire of [
      { code: "toString", message: "", fields: {}, retryAfterMs: null },
      { code: "made_up", message: "", fields: {}, retryAfterMs: null },
      { code: "target_unknown", message: "", fields: { target: { a: 1 } }, retryAfterMs: null },
      "target_unknown",
    ]) {
      const caller = deceived({
        isError: true,
        content: [],
        _meta: { "watchfloor.dev/error": wire },
      });
      await assert.rejects(caller.call("double", { n: 1 }, OPTIONS), { code: "tool_error" });
    }
  });

  it("refuses a result without structured content, or with another shape", async () => {
    for (const result of [
      { content: [{ type: "text", text: '{"twice":42}' }] },
      { content: [], structuredContent: { twice: "42" } },
      { content: [], structuredContent: { twice: 42, allow: true } },
    ]) {
      const caller = deceived(result);
      const code = "structuredContent" in result ? "tool_bad_result" : "tool_no_result";
      await assert.rejects(caller.call("double", { n: 1 }, OPTIONS), { code });
    }
  });

  it("gives up after its timeout, and tells the handler", async () => {
    let told: () => void = () => {};
    const aborted = new Promise<void>((resolve) => (told = resolve));
    const caller = await connect(
      tool((_, { signal }) => {
        signal.addEventListener("abort", told);
        return new Promise(() => {});
      }),
    );
    const work = caller.call("double", { n: 1 }, { ...OPTIONS, timeoutMs: 20 });
    await assert.rejects(work, { code: "call_timeout" });
    await aborted;
  });

  it("rejects when its caller aborts, and does not call that a timeout", async () => {
    const abort = new AbortController();
    const caller = await connect(
      tool(() => {
        abort.abort();
        return new Promise(() => {});
      }),
    );
    const work = caller.call("double", { n: 1 }, { ...OPTIONS, signal: abort.signal });
    await assert.rejects(work, { code: "call_aborted" });
    const again = caller.call("double", { n: 1 }, { ...OPTIONS, signal: abort.signal });
    await assert.rejects(again, { code: "call_aborted" });
  });

  it("fails once it was closed", async () => {
    const caller = await connect(DOUBLE);
    await caller.close();
    await assert.rejects(caller.call("double", { n: 1 }, OPTIONS), { code: "tool_error" });
  });

  it("describes every tool to other clients, with both schemas and its hints", async () => {
    const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
    const failing = tool(
      async () => {
        throw new WatchfloorError("deadline_passed");
      },
      { name: "act", readOnly: false, destructive: true },
    );
    const server = await createToolServer(specOf(DOUBLE, failing));
    const client = new Client({ name: "other", version: "1" });
    await Promise.all([server.connect(serverSide), client.connect(clientSide)]);
    const { tools } = await client.listTools();
    const [double, act] = tools;
    assert.equal(double?.description, "Twice a number.");
    assert.deepEqual(double?.inputSchema.required, ["n"]);
    assert.deepEqual(double?.outputSchema?.["required"], ["twice"]);
    assert.equal(double?.annotations?.readOnlyHint, true);
    assert.deepEqual(
      [
        act?.annotations?.readOnlyHint,
        act?.annotations?.destructiveHint,
        act?.annotations?.idempotentHint,
      ],
      [false, true, true],
    );
    // A client that has read the schemas still gets the failure as a result.
    const raw = await client.callTool({ name: "act", arguments: { n: 1 } });
    assert.equal(raw.isError, true);
    await client.close();
  });
});
