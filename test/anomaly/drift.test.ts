/**
 * Proves that stable traffic with its days, nights and weekends pages nobody, that what changes it
 * does, soon and by name, and that a monitor goes on where it was saved.
 */
import assert from "node:assert/strict";
import { DriftMonitor } from "../../anomaly/drift.ts";
import { calibrateCut } from "../../anomaly/drift-cut.ts";
import { trainModel } from "../../anomaly/index.ts";
import { seededRandom } from "../../anomaly/random.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import { DriftRun } from "./drift-run.ts";
import { ordinaryEvents } from "./events.ts";
import { CHANGES, traffic, type Change } from "./traffic.ts";

const HOURLY = 200;
const AFTER_HOURS = 2 * 7 * 24 + 1;

/** What at least one page of each change must name. */
const NAMED: Readonly<Record<Change, RegExp>> = {
  "new workload": /rarity|priority|cmd/,
  "dropped field": /cmd_len/,
  "clock shift": /hour_rarity|path_sensitivity|cmd_meta/,
  "tripled rate": /rate/,
  "slow poisoning": /cmd|path|exe|proc|pair/,
};

describe("anomaly: drift", function () {
  this.timeout(120_000);
  let run: DriftRun;

  before(() => {
    run = DriftRun.begun(3, HOURLY);
  });

  it("pages nobody while it learns what is usual", () => {
    assert.ok(run.windows.length > 120);
    assert.ok(run.windows.every(({ page, psi, cut }) => !page && psi === null && cut === null));
  });

  it("pages nobody for four days like those before, weekend included", () => {
    const days = traffic({ seed: 9, fromHour: AFTER_HOURS + 72, hours: 96, hourly: HOURLY });
    const windows = run.fork().serve(days);
    assert.ok(windows.length > 70);
    assert.deepEqual(
      windows.flatMap(({ page }) => page ?? []),
      [],
    );
    assert.ok(windows.every(({ psi, deviations }) => psi!.length === 18 && deviations !== null));
  });

  for (const change of CHANGES) {
    it(`pages within four windows of a ${change}, and names what moved`, () => {
      const hours = traffic({
        seed: 5,
        fromHour: AFTER_HOURS + 10,
        hours: 6,
        hourly: HOURLY,
        change,
      });
      // The window in which it began closes first.
      const pages = run
        .fork()
        .serve(hours)
        .slice(0, 5)
        .flatMap(({ page }) => page ?? []);
      assert.ok(pages.length > 0, "no page");
      assert.match(pages.flatMap(({ moved }) => moved).join(" "), NAMED[change]);
      assert.ok(pages.every(({ causes }) => causes.length > 0));
    });
  }

  it("is the same after it was saved and loaded", () => {
    const more = { seed: 11, fromHour: AFTER_HOURS + 5, hours: 5, hourly: HOURLY };
    assert.deepEqual(run.fork().serve(traffic(more)), run.fork().fork().serve(traffic(more)));
  });

  it("refuses what another model's monitor saved", () => {
    const other = trainModel(ordinaryEvents(1, 300), { seed: 5 });
    const monitor = new DriftMonitor({ model: other, budget: () => 0.01, seed: 5 });
    assert.throws(
      () => monitor.load(run.saved()),
      (error) => error instanceof WatchfloorError && error.code === "model_unreadable",
    );
  });

  it("sets the cut above what three of four stable windows ever reached", () => {
    const random = seededRandom(1);
    const psis = Array.from({ length: 168 }, () =>
      Float64Array.from({ length: 18 }, () => 0.05 * (random.next() + random.next() - 1)),
    );
    const { means, spreads, cut } = calibrateCut(psis, seededRandom(2));
    const largest = psis.map((psi) =>
      Math.max(...psi.map((value, i) => (value - means[i]!) / spreads[i]!)),
    );
    const sustained = largest
      .slice(3)
      .map((_, i) => largest.slice(i, i + 4).toSorted((a, b) => b - a)[2]!);
    assert.ok(cut >= Math.max(...sustained) && cut < 2 * Math.max(...largest));
  });
});
