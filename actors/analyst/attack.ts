/**
 * The boundary of: technique ids and what they mean. Ids from anywhere (a rule's tags, a model) count
 * only when this table has them; the version goes into every record, so that a later table can be
 * told from this one.
 */
import { ATTACK_ROWS } from "./attack-data.ts";

export const ATTACK_VERSION = "18.1";

/** Must go with every copy of the table; the README shows it. */
export const ATTACK_NOTICE =
  "© 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation.";

export const TACTICS = {
  "01": "initial-access",
  "02": "execution",
  "03": "persistence",
  "04": "privilege-escalation",
  "05": "defense-evasion",
  "06": "credential-access",
  "07": "discovery",
  "08": "lateral-movement",
  "09": "collection",
  "10": "exfiltration",
  "11": "command-and-control",
  "40": "impact",
} as const;
type Tactic = (typeof TACTICS)[keyof typeof TACTICS];

export interface Technique {
  /** `T####` or `T####.###` */
  readonly id: string;
  readonly name: string;
  /** In the order of the kill chain; never empty. */
  readonly tactics: readonly Tactic[];
}

const TECHNIQUES: ReadonlyMap<string, Technique> = new Map(
  ATTACK_ROWS.trim()
    .split("\n")
    .flatMap(readFamily)
    .map((technique) => [technique.id, technique]),
);

function readFamily(line: string): Technique[] {
  const cells = line.split("; ").map((cell) => cell.split("|"));
  const parent = cells[0]?.[0] ?? "";
  return cells.map(([id = "", name = "", tactics = ""]) => ({
    id: id.startsWith(".") ? parent + id : id,
    name,
    tactics: tactics.split(",").map((code) => TACTICS[code as keyof typeof TACTICS]),
  }));
}

/** All ids of the table. */
export const TECHNIQUE_IDS: readonly string[] = [...TECHNIQUES.keys()];

/** The technique, or null where the table has none of this id. */
export function techniqueOf(id: string): Technique | null {
  return TECHNIQUES.get(id) ?? null;
}

export function isKnown(id: string): boolean {
  return TECHNIQUES.has(id);
}

/** The technique a sub-technique belongs to; null for a technique, and for what is unknown. */
export function parentOf(id: string): string | null {
  return isKnown(id) && id.includes(".") ? id.slice(0, id.indexOf(".")) : null;
}

/** The same technique, or one the other's parent: what counts as agreement. */
export function sameFamily(a: string, b: string): boolean {
  return a.split(".")[0] === b.split(".")[0];
}

/** The tactic a technique is reported under: the wished one if it is its own, else its first. */
export function tacticOf(technique: Technique, wished?: string): string {
  return (
    technique.tactics.find((tactic) => tactic === wished) ?? technique.tactics[0] ?? "execution"
  );
}
