/**
 * The boundary of: what was found and what follows from it. Closed lists that both engines speak;
 * nothing outside them leaves the quarantine.
 */

/** What happened, in the order in which one outweighs another. */
export const IMPACTS = [
  "none",
  "discovery",
  "execution",
  "collection",
  "persistence",
  "defense_evasion",
  "lateral_movement",
  "privilege_escalation",
  "command_and_control",
  "dropped_binary",
  "credential_access",
  "exfiltration",
  "destruction",
  "fileless",
  "mining",
  "token_theft",
  "node_escape",
] as const;
export type Impact = (typeof IMPACTS)[number];

/** How far a response goes, weakest first. */
export const RESPONSES = ["none", "mark", "contain", "disrupt"] as const;
export type Response = (typeof RESPONSES)[number];

export function weaker(a: Response, b: Response): Response {
  return RESPONSES.indexOf(a) < RESPONSES.indexOf(b) ? a : b;
}

export function stronger(a: Response, b: Response): Response {
  return weaker(a, b) === a ? b : a;
}

/** What a rule or a field stands for. */
export interface Meaning {
  /** Best first. */
  readonly techniques: readonly string[];
  readonly impact: Impact;
  readonly response: Response;
}
