/** What an agent may reach is what its resource lists. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "mocha";
import { granted } from "../../actors/grants.ts";
import { loadResources } from "../../actors/resources.ts";
import type { ToolCaller } from "../../transports/ports.ts";

const resources = await loadResources(join(import.meta.dirname, "../../actors/agents"));
const options = {
  signal: new AbortController().signal,
  timeoutMs: 1,
  traceparent: "",
  idempotencyKey: "",
};
const caller: ToolCaller = { call: async (tool) => ({ tool }), close: async () => {} };

describe("actors: grants", () => {
  it("lets the reviewer ask the policy", async () => {
    const policy = granted("policy", caller, resources.reviewer);
    assert.deepEqual(await policy.call("evaluate_action", {}, options), {
      tool: "evaluate_action",
    });
  });

  it("lets nobody but the remediator change the cluster", async () => {
    for (const [kind, resource] of Object.entries(resources)) {
      const act = granted("cluster-act", caller, resource).call("perform", {}, options);
      if (kind === "remediator") await act;
      else await assert.rejects(act, { code: "tool_not_granted" }, kind);
    }
  });

  it("gives investigation cluster-read and history only", () => {
    assert.deepEqual(resources.approval.tools.map(({ server }) => server).toSorted(), [
      "cluster-read",
      "history",
    ]);
  });
});
