/**
 * The boundary of: what Falco says and what it means. A rule's name and its tags as ATT&CK
 * techniques; everything here is data and look-up, nothing decides.
 *
 * A rule's own tags are checked, not copied: some pair a technique with a tactic it does not belong
 * to, some name a tactic alone, and ids age.
 */
import { TACTICS, isKnown, techniqueOf } from "./attack.ts";
import type { Meaning } from "./impact.ts";
import { RULE_ROWS } from "./mapping-data.ts";

/** Rule names differ in case and in what became of `+` and `_` on the way; letters and digits stay. */
function ruleKey(rule: string): string {
  return rule
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim();
}

const RULES: ReadonlyMap<string, Meaning> = new Map(
  RULE_ROWS.map(([name, techniques, impact, response]) => [
    ruleKey(name),
    { techniques: techniques.split(" "), impact, response },
  ]),
);

export function meaningOfRule(rule: string): Meaning | null {
  return RULES.get(ruleKey(rule)) ?? null;
}

/** Names of the rules of the table, as their authors write them. */
export const KNOWN_RULES: readonly string[] = RULE_ROWS.map(([name]) => name);

const TECHNIQUE_TAG = /^T\d{4}(\.\d{3})?$/;

/**
 * Techniques in the tags of an event that the table has, and that belong to a tactic of the same
 * tags where there is one. Anything else in the tags is not looked at.
 */
export function techniquesOfTags(tags: readonly string[]): string[] {
  const tactics = new Set<string>(tags.flatMap(tacticOfTag));
  const fits = (id: string): boolean =>
    tactics.size === 0 || (techniqueOf(id)?.tactics.some((tactic) => tactics.has(tactic)) ?? false);
  return [...new Set(tags.filter((tag) => TECHNIQUE_TAG.test(tag) && isKnown(tag) && fits(tag)))];
}

const TACTIC_NAMES: ReadonlySet<string> = new Set(Object.values(TACTICS));

/** `mitre_credential_access` and `TA0006` name the same tactic. */
function tacticOfTag(tag: string): string[] {
  const named = /^mitre_([a-z_]{1,40})$/.exec(tag)?.[1]?.replaceAll("_", "-");
  if (named !== undefined) return TACTIC_NAMES.has(named) ? [named] : [];
  const code = /^TA00(\d\d)$/.exec(tag)?.[1];
  const tactic = code === undefined ? undefined : TACTICS[code as keyof typeof TACTICS];
  return tactic === undefined ? [] : [tactic];
}
