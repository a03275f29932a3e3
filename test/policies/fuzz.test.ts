/** A small part of `npm run policy:fuzz`, and the same inputs at the policy's MCP tool. */
import assert from "node:assert/strict";
import { policyServer } from "../../actors/tools/policy.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import { policyInput } from "../../policies/engine.ts";
import { connectInProcess } from "../../transports/mcp/in-process.ts";
import { NOW, pointOf } from "./fixtures.ts";
import { fuzz, mutantsOf, openJudge } from "./fuzzing.ts";
import { isSafe } from "./oracle.ts";

const INPUTS = 1_500;
const CALLS = 150;
const SEED = 20_261_125;

describe("policies: mutated inputs", function () {
  this.timeout(120_000);

  it("execute nothing that a second reading of the rules would not, and crash nothing", async () => {
    const { crashes, unsafe, verdicts } = await fuzz(await openJudge(), {
      inputs: INPUTS,
      seed: SEED,
    });
    assert.deepEqual({ crashes, unsafe }, { crashes: [], unsafe: [] });
    assert.ok((verdicts["auto_execute"] ?? 0) > 0, "none was executed: nothing was shown");
  });

  it("get a verdict or a refusal by name from the MCP tool, and never one that is unsafe", async () => {
    const { engine, parameters } = await openJudge();
    const spec = policyServer({ point: pointOf(engine), find: async () => null, by: "mcp" });
    const caller = await connectInProcess(spec);
    const open = {
      signal: new AbortController().signal,
      timeoutMs: 5_000,
      traceparent: "",
      idempotencyKey: "",
    };
    try {
      for (const input of mutantsOf(SEED, CALLS)) {
        try {
          const { verdict } = await caller.call("evaluate_action", input as never, open);
          const asked = policyInput(engine, input, NOW);
          assert.ok(verdict !== "auto_execute" || isSafe(asked, parameters), JSON.stringify(input));
        } catch (error) {
          assert.ok(error instanceof WatchfloorError, String(error));
          assert.equal(error.code, "tool_bad_input");
        }
      }
    } finally {
      await caller.close();
    }
  });
});
