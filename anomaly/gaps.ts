/**
 * The boundary of: what the deployment's rules leave out. A field that no rule prints is a feature
 * that never speaks; these counts say which, for each rule.
 */
import type { FalcoEvent } from "../machines/vocabulary.ts";
import { safeRule } from "./entity.ts";

const RULES_MAX = 256;
const OTHER = "other";

/** Fields that concern every event; those of files and connections belong to some rules only. */
export const WATCHED_FIELDS = [
  "proc.name",
  "proc.pname",
  "proc.cmdline",
  "proc.exepath",
  "proc.tty",
  "user.uid",
  "container.id",
  "container.image.repository",
  "container.name",
  "k8s.ns.name",
  "k8s.pod.name",
] as const;

export interface RuleGaps {
  readonly events: number;
  /** Events in which the field was absent. */
  readonly missing: Readonly<Record<(typeof WATCHED_FIELDS)[number], number>>;
}

/** Counts since start; they are gauges and not part of any checkpoint. */
export class FieldGaps {
  private readonly rules = new Map<string, Uint32Array>();

  count(event: FalcoEvent): void {
    const counts = this.countsOf(event.rule);
    counts[0]! += 1;
    for (let i = 0; i < WATCHED_FIELDS.length; i += 1) {
      if ((event.fields[WATCHED_FIELDS[i]!] ?? null) === null) counts[i + 1]! += 1;
    }
  }

  /** By safe rule name; rules beyond the first 256 are counted together as `other`. */
  snapshot(): Readonly<Record<string, RuleGaps>> {
    const rules = [...this.rules].map(([rule, counts]): [string, RuleGaps] => {
      const missing = WATCHED_FIELDS.map((field, i) => [field, counts[i + 1]!]);
      return [
        rule,
        { events: counts[0]!, missing: Object.fromEntries(missing) as RuleGaps["missing"] },
      ];
    });
    return Object.fromEntries(rules);
  }

  private countsOf(rule: string): Uint32Array {
    const known = this.rules.get(rule);
    if (known !== undefined) return known;
    const name = this.rules.size < RULES_MAX ? safeRule(rule) : OTHER;
    const counts = this.rules.get(name) ?? new Uint32Array(WATCHED_FIELDS.length + 1);
    this.rules.set(name, counts);
    return counts;
  }
}
