/** Goal: lines come out whole and numbered, however the bytes came in. Method: chunks of any size. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { readLines, type SourceLine } from "../../../transports/falco/lines.ts";
import { EVENT_BYTES_MAX } from "../../../transports/falco/parse.ts";

async function linesOf(source: string | Readable): Promise<SourceLine[]> {
  const lines: SourceLine[] = [];
  for await (const line of readLines(source)) lines.push(line);
  return lines;
}

function streamOf(text: string | Buffer, size: number): Readable {
  const bytes = Buffer.from(text);
  const count = Math.ceil(bytes.length / size);
  return Readable.from(
    Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size)),
  );
}

describe("falco: lines", () => {
  for (const size of [1, 2, 3, 1_000]) {
    it(`numbers lines, skips blank ones and reads the last without its end, ${size} bytes a chunk`, async () => {
      const lines = await linesOf(streamOf('\uFEFF{"a":1}\r\n\r\n  \n{"b":"é"}\n\n{"c":3}', size));
      assert.deepEqual(
        lines.map(({ line, text }) => [line, text]),
        [
          [1, '{"a":1}'],
          [4, '{"b":"é"}'],
          [6, '{"c":3}'],
        ],
      );
    });
  }

  it("passes over a line that is too long and goes on after it", async () => {
    const long = "x".repeat(EVENT_BYTES_MAX * 3);
    const lines = await linesOf(streamOf(`a\n${long}\nb\n${long}`, 10_000));
    assert.deepEqual(
      lines.map(({ line, text, bytes }) => [line, text, bytes]),
      [
        [1, "a", 1],
        [2, null, long.length],
        [3, "b", 1],
        [4, null, long.length],
      ],
    );
  });

  for (const end of ["\n", "\r\n", ""]) {
    it(`takes a line of just the limit, ended by ${JSON.stringify(end)}, and no byte more`, async () => {
      const full = "x".repeat(EVENT_BYTES_MAX);
      const [fits] = await linesOf(streamOf(`${full}${end}`, 9_999));
      const [over] = await linesOf(streamOf(`${full}x${end}`, 9_999));
      assert.equal(fits?.text, full);
      assert.equal(over?.text, null);
      assert.equal(over?.bytes, EVENT_BYTES_MAX + 1);
    });
  }

  it("cuts a stream as splitting the whole text does", async () => {
    const line = fc.string({ unit: fc.constantFrom("a", "é", " ", "\r", "🦅"), maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 9 }), async (texts, size) => {
        const wanted = texts
          .map((text) => (text.endsWith("\r") ? text.slice(0, -1) : text))
          .map((text, index) => [index + 1, text] as const)
          .filter(([, text]) => text.trim() !== "");
        const lines = await linesOf(streamOf(texts.join("\n"), size));
        assert.deepEqual(
          lines.map((found) => [found.line, found.text]),
          wanted,
        );
      }),
    );
  });

  describe("from a file", () => {
    let directory = "";
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "watchfloor-lines-"));
    });
    after(() => rm(directory, { recursive: true }));

    it("reads it", async () => {
      const path = join(directory, "events.jsonl");
      await writeFile(path, "one\ntwo\n");
      assert.deepEqual(
        (await linesOf(path)).map(({ text }) => text),
        ["one", "two"],
      );
    });

    it("says which file is not there, and that one is a directory", async () => {
      const missing = join(directory, "missing");
      const code = "config_unreadable";
      await assert.rejects(linesOf(missing), {
        code,
        message: `cannot read ${missing}: there is no such file`,
      });
      await assert.rejects(linesOf(directory), { code, message: /it is a directory/ });
    });
  });
});
