/** Lines in files: durable when they are said to be, in order, and bounded. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { openLineLog, type LineLogOptions } from "../../transports/line-log.ts";

describe("transports: a log of lines", () => {
  let folder = "";
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "wf-lines-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const options = (more: Partial<LineLogOptions> = {}): LineLogOptions => ({
    folder,
    name: "lines",
    fileBytesMax: 1_000,
    filesMax: 3,
    opening: () => "opening",
    ...more,
  });
  const linesOf = (file: string): string[] =>
    readFileSync(join(folder, file), "utf8").trim().split("\n");

  it("keeps the order, and has written what it says it has", async () => {
    const log = await openLineLog(options());
    await Promise.all([1, 2, 3].map((n) => log.append(String(n))));
    assert.deepEqual(linesOf("lines.00000001.jsonl"), ["opening", "1", "2", "3"]);
    await log.close();
  });

  it("begins a new file when one is full, and at each start, and removes the oldest", async () => {
    const log = await openLineLog(options({ fileBytesMax: 20 }));
    for (let n = 0; n < 8; n += 1) await log.append("0123456789");
    await log.close();
    await (await openLineLog(options())).close();
    const files = readdirSync(folder).toSorted();
    assert.equal(files.length, 3);
    assert.equal(files.at(-1), "lines.00000005.jsonl");
    for (const file of files) assert.equal(linesOf(file)[0], "opening");
  });

  it("rejects what it could not write", async () => {
    const log = await openLineLog(options());
    await log.close();
    await assert.rejects(log.append("late"), { code: "data_unusable" });
  });
});
