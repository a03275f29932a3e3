/** What a person types about the model: versions, training, teachers, scores; with and without a runner. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { Models } from "../../actors/trainer/models.ts";
import { trainModel } from "../../anomaly/index.ts";
import type { Json } from "../../machines/protocol.ts";
import { openParameters } from "../../supervisor/parameters.ts";
import { plotLines, plotSvg } from "../../supervisor/views/plot.ts";
import { systemClock } from "../../transports/clock.ts";
import { openLocal, type LocalTransport } from "../../transports/local/index.ts";
import { generateSampleDay } from "../../transports/sample/day.ts";
import { ordinaryEvents } from "../anomaly/events.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { runInProcess, type Ran } from "../kit/cli.ts";

describe("supervisor: commands on the model", () => {
  let dir = "";
  let runs = 0;
  const open = (): Promise<LocalTransport> =>
    openLocal({ path: join(dir, "data"), shardCount: 2, clock: systemClock });
  const cli = (...args: string[]): Promise<Ran> =>
    runInProcess(dir, [...args, "--data", join(dir, "data")], {
      random: seededRandom((runs += 1)),
    });

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "wf-model-"));
    const transport = await open();
    const models = new Models(transport.store);
    for (const seed of [1, 2]) {
      const model = trainModel(ordinaryEvents(seed, 400), { seed: 7, trees: 10, sampleSize: 64 });
      const made = { at: seed, source: "baseline", why: `day ${seed}`, labels: 0 } as const;
      const version = await models.keep(model, made);
      if (seed === 1) await models.promote(version, { at: 1, who: null, why: "first start" });
    }
    const sources = { parameters: null, mode: null, alertBudget: null };
    await openParameters(sources, transport.store, systemClock);
    const person = (user: string) => ({ user, uid: 1, as: null });
    const label = (n: number, user: string) => ({
      case: `c-${n}`,
      digests: ["d"],
      benign: true,
      dismissal: "expected",
      person: person(user),
      at: n,
    });
    const labels = [label(1, "alice"), label(2, "mallory"), label(3, "mallory")];
    const value = { snapshot: { context: { labels } } } as unknown as Json;
    await transport.store.write([{ table: "actors", key: "trainer/forest", value }]);
    await transport.close();
    const day = [...generateSampleDay(3, { ordinary: 120 })].slice(0, 120);
    writeFileSync(join(dir, "day.jsonl"), `${day.join("\n")}\nnot json\n`);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it("lists versions, and which one serves", async () => {
    const { code, out } = await cli("model", "ls");
    assert.equal(code, 0);
    assert.match(out, /^\* +1 .*baseline/m);
    assert.match(out, /^ +2 .*day 2/m);
    assert.match(out, /version 1 serves, by comparison: first start/);
  });

  it("shows them beside a runner that has the data", async () => {
    const runner = await open();
    try {
      assert.match((await cli("model", "ls")).out, /^\* +1 /m);
      assert.match((await cli("teacher", "alice")).out, /alice taught 1 cases/);
    } finally {
      await runner.close();
    }
  });

  it("promotes a version and rolls back, with who and why; without a runner as well", async () => {
    assert.equal((await cli("model", "promote", "2")).code, 2);
    assert.match((await cli("model", "promote", "9", "--why", "w")).err, /no version 9/);
    const promoted = await cli("model", "promote", "2", "--why", "quieter");
    assert.match(promoted.out, /version 2 serves after 1, by \S+: quieter/);
    const back = await cli("model", "rollback", "--why", "it was not", "--json");
    assert.equal((JSON.parse(back.out) as { serving: { n: number } }).serving.n, 1);
  });

  it("keeps an order to train for the runner", async () => {
    assert.match((await cli("train")).out, /the trainer was told/);
    const transport = await open();
    const last = await transport.mailbox.read("trainer.0", 0, 10);
    const other = await transport.mailbox.read("trainer.1", 0, 10);
    await transport.close();
    const [entry] = [...last, ...other];
    assert.equal(entry?.envelope?.type, "train");
    assert.match(JSON.stringify(entry?.envelope?.data), /asked for by \S+: watchfloor train/);
  });

  it("fits a model to a file, compares it, and says what became of it", async () => {
    const { code, out, err } = await cli("train", "--from", join(dir, "day.jsonl"));
    assert.match(err, /fitting 120 events \(1 lines are no events\)/);
    assert.match(out, code === 0 ? /version 3 serves/ : /version 3 is worse/);
    const { out: listed } = await cli("model", "ls");
    assert.match(listed, /3 .*file.*fitted to/);
    if (code === 0) await cli("model", "rollback", "--why", "test");
  });

  it("shows what a person taught, and takes it back on demand", async () => {
    const { out } = await cli("teacher", "mallory");
    assert.match(out, /mallory taught 2 cases, 2 events: 67 %/);
    assert.match((await cli("teacher", "mallory", "--revert")).err, /--why must say why/);
    const reverted = await cli("teacher", "mallory", "--revert", "--why", "SEC-77");
    assert.match(reverted.out, /the trainer was told/);
  });

  it("scores each line of a file, the broken ones by name, and plots the scores and the cut", async () => {
    const svg = join(dir, "scores.svg");
    const { code, out, err } = await cli("score", join(dir, "day.jsonl"), "--svg", svg);
    assert.equal(code, 0);
    const lines = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(lines.length, 121);
    const [first] = lines;
    const { score, pValue, features } = first!["watchfloor"] as Record<string, unknown>;
    assert.ok(Number(score) > 0 && Number(score) < 1 && Number(pValue) > 0 && Number(pValue) <= 1);
    assert.equal((features as unknown[]).length, 5);
    assert.ok(first!["rule"]);
    assert.deepEqual(lines[120], {
      line: 121,
      watchfloor: null,
      error: { code: "not_json", message: "line 121: not JSON" },
    });
    assert.match(err, /cut at 0\.\d+/);
    assert.match(readFileSync(svg, "utf8"), /^<svg .*<\/svg>\n$/s);
  });

  it("leaves with 2 where no line could be scored", async () => {
    writeFileSync(join(dir, "none.jsonl"), "nothing\n");
    assert.equal((await cli("score", join(dir, "none.jsonl"))).code, 2);
  });
});

describe("supervisor: the plot of scores", () => {
  const plot = { title: "<a> & b", scores: [0.4, 0.4, 0.41, 0.9], cut: 0.8 };

  it("draws every event and the cut, and escapes what it shows as SVG", () => {
    const lines = plotLines(plot);
    assert.equal(lines.filter((line) => line.includes("cut at 0.8000")).length, 1);
    const counts = lines.flatMap((line) => / (\d+)$/.exec(line)?.[1] ?? []).map(Number);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      4,
    );
    assert.ok(!plotSvg(plot).includes("<a>"));
  });

  it("draws nothing of nothing, and one score", () => {
    for (const scores of [[], [0.5]]) assert.ok(plotSvg({ ...plot, scores }).includes("</svg>"));
  });
});
