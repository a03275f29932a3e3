/** Goal: the one clock keeps its promises. Method: real timers, waited for and never slept for. */
import assert from "node:assert/strict";
import { systemClock, systemRandom } from "../../transports/clock.ts";

describe("transports: clock", () => {
  it("fires once, and its steady clock never goes back", async () => {
    const before = systemClock.steady();
    let fired = 0;
    await new Promise<void>((resolve) => {
      systemClock.after(1, () => {
        fired += 1;
        resolve();
      });
    });
    assert.equal(fired, 1);
    assert.ok(systemClock.steady() >= before);
    assert.ok(systemClock.now() > Date.UTC(2020, 0, 1));
  });

  it("does not fire at once for a delay longer than one timer can take", async () => {
    let fired = false;
    const cancel = systemClock.after(2 ** 31 + 5_000, () => {
      fired = true;
    });
    await new Promise<void>((resolve) => systemClock.after(5, resolve));
    cancel();
    assert.equal(fired, false);
  });

  it("treats a delay that is no number as due now, and a cancelled timer as never", async () => {
    let cancelled = false;
    systemClock.after(0, () => {
      cancelled = true;
    })();
    await new Promise<void>((resolve) => systemClock.after(Number.NaN, resolve));
    await new Promise<void>((resolve) => systemClock.after(2, resolve));
    assert.equal(cancelled, false);
  });

  it("draws numbers in [0, 1) that fill the range beyond one pool", () => {
    const drawn = Array.from({ length: 2_000 }, systemRandom);
    assert.ok(drawn.every((value) => value >= 0 && value < 1));
    assert.equal(new Set(drawn).size, drawn.length);
    assert.ok(Math.min(...drawn) < 0.1 && Math.max(...drawn) > 0.9);
  });
});
