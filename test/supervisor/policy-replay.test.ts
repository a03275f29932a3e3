/** A change of policy, tried on what was decided: as a policy's author runs it. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "mocha";
import { defaultParametersPath } from "../../policies/bundle.ts";
import { parametersEntry, type DecisionEntry } from "../../policies/decision-log.ts";
import { loadWasmEngine } from "../../policies/wasm-engine.ts";
import { openDecisionLog } from "../../supervisor/decisions.ts";
import { ask, AT, ENFORCING, pointOf } from "../policies/fixtures.ts";
import { runInProcess } from "../kit/cli.ts";

const POLICIES = resolve(import.meta.dirname, "../../policies");

describe("watchfloor policy replay", () => {
  let dir = "";
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "wf-replay-"));
    const engine = await loadWasmEngine(ENFORCING);
    const entries: DecisionEntry[] = [parametersEntry(engine, AT)];
    const asked = { by: "reviewer", traceparent: null } as const;
    await pointOf(engine, entries).decide(ask(), asked);
    await pointOf(engine, entries).decide(ask({ question: { confidence: 0 } }), asked);
    const lines = [...entries.map((entry) => JSON.stringify(entry)), "{half a li"];
    writeFileSync(join(dir, "log.jsonl"), lines.join("\n"));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const replay = (...args: readonly string[]) =>
    runInProcess(dir, ["policy", "replay", "--from", ...args]);

  it("shows nothing to change for the policy that decided", async () => {
    const { code, out } = await replay("log.jsonl", "--policy", POLICIES);
    assert.equal(code, 0);
    assert.equal(
      out,
      "2 decisions made again: 0 verdicts would change, 0 would keep theirs for other reasons.\n1 lines could not be read.\n",
    );
  });

  it("shows each verdict that would change, for people and for programs", async () => {
    const text = readFileSync(defaultParametersPath(), "utf8");
    const stricter = text.replace("contain: 0.8", "contain: 0.95").replace("observe", "enforce");
    writeFileSync(join(dir, "stricter.yaml"), stricter);
    const { out } = await replay("log.jsonl", "--parameters", "stricter.yaml");
    assert.match(
      out,
      /isolate pod\/shop\/session-cache-0 +auto_execute +escalate +confidence_below_floor/,
    );
    assert.match(out, /2 decisions made again: 1 verdicts would change/);
    const json = await replay("log.jsonl", "--parameters", "stricter.yaml", "--json");
    const [first, summary] = json.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(first?.["changed"], "verdict");
    assert.equal(summary?.["verdicts"], 1);
  });

  it("refuses what it cannot try or read, by name", async () => {
    cpSync(POLICIES, join(dir, "unbuilt"), { recursive: true });
    const rego = join(dir, "unbuilt/rego/watchfloor/review/review.rego");
    writeFileSync(rego, `${readFileSync(rego, "utf8")}\n# changed\n`);
    const unbuilt = await replay("log.jsonl", "--policy", "unbuilt");
    assert.equal(unbuilt.code, 1);
    assert.match(unbuilt.err, /built from another rego\/watchfloor\/review\/review\.rego/);
    assert.match((await replay("no-such-file")).err, /no such file/);
    writeFileSync(join(dir, "other.jsonl"), "{}\n");
    assert.match((await replay("other.jsonl")).err, /it has no decision/);
  });

  it("reads back at a start what was performed within the hour", async () => {
    const engine = await loadWasmEngine(ENFORCING);
    const clock = { now: () => AT };
    const options = { dataDir: dir, engine: () => engine, clock };
    const log = await openDecisionLog(options);
    const asked = { by: "remediator", traceparent: null } as const;
    const entries: DecisionEntry[] = [];
    await pointOf(engine, entries).decide(ask(), asked);
    for (const entry of entries) await log.write(entry);
    await log.close();
    const again = await openDecisionLog(options);
    assert.equal(again.recent.count("contain", AT), 1);
    await again.close();
  });
});
