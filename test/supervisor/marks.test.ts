/** What was applied, for each sender: dense or with gaps, in order or not, across a restart. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { Marks } from "../../supervisor/marks.ts";

const SENDER = "mailbox";

describe("marks", () => {
  it("reads what an older version stored", () => {
    const marks = Marks.from({ [SENDER]: { mark: 3, ahead: [5, 6] } });
    assert.deepEqual(
      [3, 4, 5, 6, 7].map((seq) => marks.applied(SENDER, seq)),
      [true, false, true, true, false],
    );
    marks.apply(SENDER, 4);
    assert.equal(marks.mark(SENDER), 6);
  });

  it("moves over numbers that stand for nothing", () => {
    const marks = new Marks();
    marks.apply(SENDER, 1, 12_000);
    marks.apply(SENDER, 12_003, 15_000);
    assert.equal(marks.mark(SENDER), 12_000);
    assert.ok(marks.applied(SENDER, 14_000));
    assert.ok(!marks.applied(SENDER, 12_002));
    marks.apply(SENDER, 12_001, 12_002);
    assert.equal(marks.mark(SENDER), 15_000);
  });

  it("knows exactly what was applied, in any order, repeated, and across a restart", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 12 });
    const order = fc.array(fc.nat(), { maxLength: 30 });
    fc.assert(
      fc.property(lengths, order, (widths, picks) => {
        let end = 0;
        const ranges = widths.map((width) => [end + 1, (end += width)] as const);
        const applied = new Set<number>();
        let marks = new Marks();
        for (const pick of picks) {
          const [first, last] = ranges[pick % ranges.length]!;
          marks.apply(SENDER, first, last);
          for (let seq = first; seq <= last; seq += 1) applied.add(seq);
          if (pick % 7 === 0) marks = Marks.from(JSON.parse(JSON.stringify(marks.toJSON())));
          for (let seq = 1; seq <= end + 1; seq += 1)
            assert.equal(marks.applied(SENDER, seq), applied.has(seq), `${seq}`);
        }
        let mark = 0;
        while (applied.has(mark + 1)) mark += 1;
        assert.equal(marks.mark(SENDER), mark);
      }),
    );
  });
});
