/**
 * The boundary of: months of traffic and the drift monitor. Stable ones must not page; each change
 * must, soon, and name what moved.
 */
import { DriftRun } from "../../anomaly/drift-run.ts";
import { CHANGES, traffic } from "../../anomaly/traffic.ts";
import type { Bound, Table } from "../suite.ts";

const RUNS = 20;
const HOURLY = 200;
const MONTH_HOURS = 30 * 24;
const AFTER_HOURS = 2 * 7 * 24 + 1;
const WINDOWS_MAX = 4;

export function measureDrift(say: (line: string) => void): {
  table: Table;
  bounds: readonly Bound[];
} {
  let windows = 0;
  let pages = 0;
  for (let seed = 1; seed <= RUNS; seed += 1) {
    say(`drift: stable month ${seed} of ${RUNS}`);
    const month = traffic({
      seed: seed + 2000,
      fromHour: AFTER_HOURS,
      hours: MONTH_HOURS,
      hourly: HOURLY,
    });
    const served = DriftRun.begun(seed, HOURLY).serve(month);
    windows += served.length;
    pages += served.filter(({ page }) => page !== null).length;
  }
  const before = DriftRun.begun(RUNS + 1, HOURLY);
  const changes = CHANGES.map((change) => {
    const after = before
      .fork()
      .serve(traffic({ seed: 5, fromHour: AFTER_HOURS + 10, hours: 8, hourly: HOURLY, change }));
    // The first window that closes may have begun before the change.
    const at = after.findIndex(({ page }) => page !== null);
    return { change, at: at < 0 ? null : at + 1, page: after[at]?.page ?? null };
  });
  const late = changes.filter(({ at }) => at === null || at > WINDOWS_MAX + 1);
  return {
    table: {
      title: "Drift: windows until a page",
      columns: ["change", "windows", "because of", "moved most"],
      rows: changes.map(({ change, at, page }) => [
        change,
        at === null ? "none" : String(at),
        page?.causes.join(", ") ?? "-",
        page?.moved.slice(0, 4).join(", ") ?? "-",
      ]),
    },
    bounds: [
      {
        what: `no page in ${RUNS} stable months`,
        measured: `${pages} in ${windows} windows`,
        holds: pages === 0,
      },
      {
        what: `each change is paged within ${WINDOWS_MAX} windows`,
        measured: late.length === 0 ? "all" : `not ${late.map(({ change }) => change).join(", ")}`,
        holds: late.length === 0,
      },
    ],
  };
}
