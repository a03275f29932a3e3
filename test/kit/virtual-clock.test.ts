import assert from "node:assert/strict";
import { seededRandom, wholeBetween } from "./seeded-random.ts";
import { virtualClock } from "./virtual-clock.ts";

describe("virtual clock", () => {
  it("fires what came due in order of time, then of setting, at its own time", async () => {
    const clock = virtualClock(0);
    const fired: string[] = [];
    const at = (name: string, delayMs: number) =>
      clock.after(delayMs, () => fired.push(`${name}@${clock.steady()}`));
    at("late", 30);
    at("first", 10);
    at("second", 10);
    const cancel = at("never", 20);
    cancel();
    await clock.advance(29);
    assert.deepEqual(fired, ["first@10", "second@10"]);
    assert.deepEqual([clock.now(), clock.pending], [29, 1]);
  });

  it("fires a timer that was set on the way, after promises had their turn", async () => {
    const clock = virtualClock(0);
    let count = 0;
    const again = async () => {
      await Promise.resolve();
      count += 1;
      clock.after(10, () => void again());
    };
    clock.after(10, () => void again());
    await clock.advance(100);
    assert.equal(count, 10);
  });

  it("runs to the next timer, and says when there is none", async () => {
    const clock = virtualClock(0);
    clock.after(86_400_000, () => {});
    assert.equal(await clock.runNext(), true);
    assert.equal(clock.now(), 86_400_000);
    assert.equal(await clock.runNext(), false);
  });
});

describe("seeded random", () => {
  it("repeats itself for a seed, differs between seeds, and stays in range", () => {
    const draw = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 1_000 }, () => wholeBetween(random, 1, 6));
    };
    assert.deepEqual(draw(7), draw(7));
    assert.notDeepEqual(draw(7), draw(8));
    const counts = [1, 2, 3, 4, 5, 6].map((face) => draw(7).filter((n) => n === face).length);
    assert.ok(
      counts.every((count) => count > 100 && count < 240),
      String(counts),
    );
  });
});
