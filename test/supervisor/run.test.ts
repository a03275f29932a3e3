/** The main job as a user runs it: the built command, real processes, the embedded store. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { parse } from "yaml";
import { parentOf } from "../../actors/analyst/attack.ts";
import type { OutcomeLine } from "../../supervisor/fates.ts";
import type { Summary } from "../../supervisor/tally.ts";
import { SCENARIOS, sampleTruth } from "../../transports/sample/scenarios.ts";
import { Command, jsonLines } from "../kit/process.ts";

const SHELL = {
  time: "2026-10-14T10:15:30.123456789Z",
  rule: "Terminal shell in container",
  priority: "Critical",
  source: "syscall",
  hostname: "worker-1",
  output: "a shell",
  tags: ["T1059"],
  output_fields: {
    "proc.name": "sh",
    "k8s.ns.name": "shop",
    "k8s.pod.name": "storefront-gm9vhbgm7-4q9tm",
    "container.name": "storefront",
  },
};

/** The default of the setting `alertBudget`. */
const ALERT_BUDGET = 0.0015;

const line = (changes: object = {}): string => JSON.stringify({ ...SHELL, ...changes });

describe("watchfloor run", function () {
  this.timeout(40_000);
  let command: Command;
  beforeEach(() => void (command = new Command()));
  afterEach(() => command.close());

  const replay = (input: string, env: Record<string, string> = {}) =>
    command.run(["run", "--replay", "-", "--exit-when-idle", "--json", "--http", "127.0.0.1:0"], {
      input,
      env,
    });

  it("gives every line its one outcome, in order, with counts that add up", async () => {
    const lines = [
      line(),
      "not json",
      line({ rule: 7 }),
      line(),
      line({ time: "yesterday" }),
      line({ rule: "Falco internal: syscall event drop", time: "2026-10-14T10:15:31Z" }),
      `{"rule":"${"x".repeat(70_000)}"}`,
    ];
    const { code, stdout } = await replay(lines.join("\n"));
    assert.equal(code, 0);
    const printed = jsonLines<OutcomeLine | Summary>(stdout);
    const outcomes = printed.filter((item) => item.type === "outcome");
    assert.deepEqual(
      outcomes.map((item) => item.gate),
      ["forwarded", "rejected", "rejected", "duplicate", "rejected", "internal", "rejected"],
    );
    assert.deepEqual(
      outcomes.map((item) => item.error?.code ?? null),
      [null, "not_json", "not_falco", null, "not_falco", null, "line_too_long"],
    );
    assert.match(outcomes[4]!.error!.message, /^line 5: .*time/);
    const summary = printed.at(-1) as Summary;
    assert.equal(summary.lines, 7);
    assert.equal(
      Object.values(summary.gates).reduce((sum, n) => sum + n, 0),
      7,
    );
    assert.equal(
      Object.values(summary.verdicts).reduce((sum, n) => sum + n, 0) + summary.undecided,
      summary.cases,
    );
  });

  it("leaves with 2 when nothing could be read, and says so", async () => {
    const { code, stderr } = await replay("nonsense\nmore nonsense\n");
    assert.equal(code, 2);
    assert.match(stderr, /nothing in standard input could be read/);
  });

  it("prints what an earlier run recorded of the same lines, and performs nothing again", async () => {
    const input = [
      line(),
      line({ time: "2026-10-14T10:15:40Z", rule: "Read sensitive file untrusted" }),
    ].join("\n");
    const first = await replay(input, { WATCHFLOOR_MODE: "enforce" });
    const second = await replay(input, { WATCHFLOOR_MODE: "enforce" });
    const outcomes = (stdout: string) =>
      jsonLines<OutcomeLine>(stdout).filter((item) => item.type === "outcome");
    assert.deepEqual(outcomes(second.stdout), outcomes(first.stdout));
    const cases = await command.run(["cases", "--json"]);
    assert.equal(jsonLines(cases.stdout).length, 1);
  });

  it("performs nothing in mode observe, which is the default for real events", async () => {
    const { stdout } = await replay(line());
    const [outcome] = jsonLines<OutcomeLine>(stdout);
    for (const { state } of outcome!.actions)
      assert.ok(["skipped", "waiting"].includes(state), state);
  });

  it("goes on after kill -9, and the escalation still waits", async () => {
    const running = await command.start(["--no-sample"]);
    const answer = await fetch(`${running.url}/falco`, { method: "POST", body: line() });
    assert.equal(answer.status, 200);
    await running.until((text) => text.includes("waits for a person"));
    assert.equal(await running.stop("SIGKILL"), "SIGKILL");
    const again = await command.start(["--no-sample"]);
    const waiting = await command.run(["cases", "--waiting", "--json"]);
    const [found] = jsonLines<{ case: string }>(waiting.stdout);
    const dismissed = await command.run([
      "dismiss",
      found!.case,
      "--because",
      "expected",
      "--reason",
      "a drill",
    ]);
    assert.equal(dismissed.code, 0, dismissed.stderr);
    assert.equal(await again.stop(), 0);
    const after = await command.run(["cases", "--json"]);
    assert.equal(jsonLines<{ state: string }>(after.stdout)[0]!.state, "closed");
  });

  it("stops in order when one wish to stop comes as two signals", async () => {
    const running = await command.start();
    running.signal("SIGINT");
    assert.equal(await running.stop("SIGINT"), 0);
  });

  it("stops in order when nobody reads its output any more", async () => {
    const running = await command.start(["--json"]);
    assert.equal(await running.unread(), 0);
  });

  it("takes an answer with no process running, and applies it at the next start", async () => {
    await replay(line());
    const [found] = jsonLines<{ case: string }>(
      (await command.run(["cases", "--waiting", "--json"])).stdout,
    );
    const answered = await command.run(["dismiss", found!.case, "--because", "false_positive"]);
    assert.equal(answered.code, 0, answered.stderr);
    const running = await command.start(["--no-sample"]);
    await running.until((text) => text.includes("dismissed by"));
    await running.stop();
  });

  it("refuses a second process, a taken port and an unknown option in one sentence each", async () => {
    const running = await command.start(["--no-sample"]);
    const second = await command.run(["run", "--http", "127.0.0.1:0"]);
    assert.notEqual(second.code, 0);
    assert.match(second.stderr, /is in use by process \d+/);
    const other = new Command();
    const taken = await other.run([
      "run",
      "--no-sample",
      "--http",
      running.url.slice("http://".length),
    ]);
    other.close();
    assert.notEqual(taken.code, 0);
    assert.match(taken.stderr, /is taken by another process/);
    const unknown = await command.run(["run", "--frobnicate"]);
    assert.equal(unknown.code, 2);
    for (const { stderr } of [second, taken, unknown])
      assert.ok(stderr.trim().split("\n").length <= 3, stderr);
    await running.stop();
  });

  it("serves health and metrics", async () => {
    const running = await command.start(["--no-sample"]);
    assert.equal((await fetch(`${running.url}/livez`)).status, 200);
    assert.equal((await fetch(`${running.url}/readyz`)).status, 200);
    await fetch(`${running.url}/falco`, { method: "POST", body: line() });
    await running.until((text) => text.includes("waits for a person"));
    const page = await (await fetch(`${running.url}/metrics`)).text();
    assert.match(page, /^watchfloor_events_total\{gate="forwarded"\} 1$/m);
    assert.match(page, /^watchfloor_http_answers_total\{route="falco",status="200"\} 1$/m);
    assert.equal(await running.stop(), 0);
  });
});

describe("the sample day", function () {
  this.timeout(300_000);

  it("brings every attack to a case with its technique, at least 36 by the gate's own score", async () => {
    const command = new Command();
    const { code, stdout } = await command.run([
      "run",
      "--exit-when-idle",
      "--json",
      "--http",
      "127.0.0.1:0",
    ]);
    command.close();
    assert.equal(code, 0);
    const printed = jsonLines<OutcomeLine | Summary>(stdout);
    const outcomes = new Map(
      printed
        .filter((item) => item.type === "outcome" && item.gate !== "duplicate")
        .map((item) => [(item as OutcomeLine).event, item as OutcomeLine]),
    );
    const truth = sampleTruth(1);
    const found = SCENARIOS.map((scenario) => {
      const events = [...truth]
        .filter(([, id]) => id === scenario.id)
        .map(([digest]) => outcomes.get(digest)!);
      const right = (id: string): boolean =>
        [scenario.technique, parentOf(scenario.technique), ...scenario.alsoRight].includes(id);
      return {
        id: scenario.id,
        inCase: events.some((event) => event.case !== null && event.techniques.some(right)),
        byScore: events.some((event) => event.pValue !== null && event.pValue <= ALERT_BUDGET),
      };
    });
    assert.deepEqual(
      found.filter(({ inCase }) => !inCase).map(({ id }) => id),
      [],
    );
    assert.ok(
      found.filter(({ byScore }) => byScore).length >= 36,
      JSON.stringify(found.filter(({ byScore }) => !byScore)),
    );
    const summary = printed.at(-1) as Summary;
    assert.ok(summary.lines >= 20_000);
    assert.ok(summary.analystCalls * 100 <= summary.lines, `${summary.analystCalls} readings`);
    assert.ok(summary.verdicts.auto_execute > 0 && summary.verdicts.escalate > 0);
  });
});

describe("the README's snippets", function () {
  this.timeout(60_000);
  const readme = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
  const block = (start: string): string => {
    const text = readme.slice(readme.indexOf(start));
    return /```\w+\n([\s\S]*?)```/.exec(text)![1]!;
  };

  it("point Falco, falcosidekick and curl at a listener that takes what they send", async () => {
    const command = new Command();
    const running = await command.start(["--no-sample"]);
    try {
      const falco = parse(block("Falco, in `falco.yaml`")) as {
        json_output: boolean;
        http_output: { enabled: boolean; url: string };
      };
      const sidekick = parse(block("falcosidekick, in its")) as { webhook: { address: string } };
      assert.ok(falco.json_output && falco.http_output.enabled);
      const here = (url: string): string => url.replace("http://127.0.0.1:8080", running.url);
      const send = async (url: string, body: string): Promise<number> =>
        (await fetch(here(url), { method: "POST", body })).status;
      assert.equal(await send(falco.http_output.url, line()), 200);
      const payload = {
        uuid: "8f6e0c2c-30a0-4b8e-9d26-2f2d0d9c3a51",
        ...SHELL,
        time: "2026-10-14T10:15:30.12Z",
      };
      assert.equal(await send(sidekick.webhook.address, JSON.stringify(payload)), 200);
      const curl = block("By hand:");
      const [, url, body] = /POST (\S+) .*-d '(.*)'/.exec(curl)!;
      assert.equal(await send(url!, body!), 200);
    } finally {
      await running.stop();
      command.close();
    }
  });

  it("say of a file what a file does", async () => {
    assert.ok(readme.includes("watchfloor run --replay events.jsonl --exit-when-idle --json"));
    const command = new Command();
    writeFileSync(join(command.folder, "events.jsonl"), `${line()}\n`);
    const ended = await command.run([
      "run",
      "--replay",
      "events.jsonl",
      "--exit-when-idle",
      "--json",
      "--http",
      "127.0.0.1:0",
    ]);
    command.close();
    assert.equal(ended.code, 0);
  });
});
