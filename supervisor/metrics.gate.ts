/**
 * The boundary of: the gate and Prometheus. Rules are named by events, so here alone a label is not
 * of a closed set: names are checked, and beyond the first 256 all are counted as one.
 */
import { Gauge, type Registry } from "prom-client";
import type { RuleGaps } from "../anomaly/index.ts";

/** By rule and field: events since start, of all gates of this runner, that lacked it. */
export function watchFieldGaps(
  registry: Registry,
  gaps: () => readonly Readonly<Record<string, RuleGaps>>[],
): void {
  const gauge = new Gauge({
    name: "watchfloor_missing_fields",
    help: "Events since start that lacked a field the gate measures by, by rule and field.",
    labelNames: ["rule", "field"],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const byRule of gaps()) {
        for (const [rule, { missing }] of Object.entries(byRule)) {
          for (const [field, events] of Object.entries(missing)) {
            if (events > 0) gauge.inc({ rule, field }, events);
          }
        }
      }
    },
  });
}
