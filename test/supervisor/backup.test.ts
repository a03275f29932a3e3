/** A backup is taken while the floor runs, and what was in it goes on from it. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { verifyEvidence } from "../../supervisor/evidence.ts";
import { Command, jsonLines } from "../kit/process.ts";
import { generateSampleDay } from "../../transports/sample/day.ts";

interface CaseLine {
  readonly case: string;
  readonly state: string;
  readonly waitingFor: string | null;
}

describe("watchfloor backup", function () {
  this.timeout(60_000);
  let command: Command;
  beforeEach(() => void (command = new Command()));
  afterEach(() => command.close());

  const cases = async (data: string): Promise<CaseLine[]> =>
    jsonLines<CaseLine>((await command.run(["cases", "--json", "--data", data])).stdout);

  it("copies a running floor; a floor started on the copy answers what waited", async () => {
    const file = join(command.folder, "day.jsonl");
    writeFileSync(file, [...generateSampleDay(3, { ordinary: 300 })].join("\n"));
    const running = await command.start(["--replay", file, "--mode", "enforce"]);
    await running.until((line) => line.includes("lines read:"));
    const copy = join(command.folder, "copy");
    const { code, stdout, stderr } = await command.run(["backup", copy, "--json"]);
    assert.equal(code, 0, stderr);
    const [said] = jsonLines<{ cases: number; waiting: number }>(stdout);
    await running.stop("SIGKILL");
    assert.equal(statSync(copy).mode & 0o777, 0o700);
    const kept = ["cluster", "data.mdb", "decisions", "identity.key"];
    assert.deepEqual(
      readdirSync(copy)
        .filter((name) => name !== "lock.mdb")
        .toSorted(),
      kept,
    );

    const before = await cases(command.data);
    const restored = await cases(copy);
    assert.deepEqual(restored, before);
    assert.equal(said!.cases, before.length);
    const waiting = restored.find((one) => one.waitingFor !== null)!;
    const evidence = join(command.folder, "case.json");
    await command.run(["evidence", "export", waiting.case, "--out", evidence, "--data", copy]);
    const { failures } = verifyEvidence(readFileSync(evidence, "utf8"), {
      path: evidence,
      head: null,
    });
    assert.deepEqual(failures, []);

    const again = await command.start(["--no-sample", "--data", copy]);
    const answered = await command.run([
      "dismiss",
      waiting.case,
      "--because",
      "expected",
      "--data",
      copy,
    ]);
    assert.equal(answered.code, 0, answered.stderr);
    assert.equal(await again.stop(), 0);
    const after = (await cases(copy)).find((one) => one.case === waiting.case)!;
    assert.equal(after.waitingFor, null);
  });

  it("refuses a directory that exists, and one without data, and leaves nothing behind", async () => {
    const inFolder = await command.run(["backup", command.folder]);
    assert.equal(inFolder.code, 1);
    assert.match(inFolder.stderr, /^watchfloor: cannot use .*: it holds no data yet/);
    await command.run(["run", "--replay", "-", "--exit-when-idle", "--http", "127.0.0.1:0"], {
      input: "{}",
    });
    const existing = await command.run(["backup", command.folder]);
    assert.match(existing.stderr, /^watchfloor: cannot use .*: it exists already/);
    assert.deepEqual(readdirSync(command.folder), ["data"]);
    assert.ok(existsSync(command.data));
  });
});
