/**
 * The boundary of: an attack as a story and its deeds. Modelled on the actions that the public
 * event generator performs, one rule or a few each; the words and addresses are the estate's.
 */
import type { Deed } from "./line.ts";
import type { Place } from "./places.ts";
import type { SampleRule } from "./rules.ts";

export interface Attack {
  readonly id: string;
  readonly title: string;
  /** The rule that names the attack; other steps may fire others. */
  readonly rule: SampleRule;
  /** ATT&CK v18.1. */
  readonly technique: string;
  /** Other ids that a careful analyst may give just as well. */
  readonly alsoRight: readonly string[];
  /** What kind of text in it is meant to steer a reader or a terminal. */
  readonly hostile: "instructions" | "escapes" | "line_breaks" | null;
  readonly places: readonly Place[];
  readonly steps: readonly Deed[];
}

type More = Partial<Deed>;

/** A program is started; the process is named by the first word of its command. */
export function runs(rule: SampleRule, parent: string, cmd: string, more: More = {}): Deed {
  return { rule, call: "execve", proc: firstWord(cmd), cmd, parent, ...more };
}

/** A program opens a file. */
export function opens(
  rule: SampleRule,
  parent: string,
  cmd: string,
  file: string,
  more: More = {},
): Deed {
  return { rule, call: "openat", proc: firstWord(cmd), cmd, parent, file, ...more };
}

/** A program reaches for the network. */
export function dials(
  rule: SampleRule,
  parent: string,
  cmd: string,
  to: NonNullable<Deed["to"]>,
  more: More = {},
): Deed {
  return { rule, call: "connect", proc: firstWord(cmd), cmd, parent, to, ...more };
}

/** Falco's process names end at 15 characters, as the kernel's do. */
function firstWord(cmd: string): string {
  const word = cmd.split(" ", 1)[0] ?? cmd;
  return word.slice(word.lastIndexOf("/") + 1).slice(0, 15);
}

export const WRITES = "O_CREAT|O_WRONLY|O_TRUNC|O_CLOEXEC";
/** Addresses of the attackers: of a range that is nobody's. */
export const ATTACKER = "198.51.100.23";
export const ATTACKER_STORE = "198.51.100.77";
export const METADATA_ADDRESS = "169.254.169.254";
