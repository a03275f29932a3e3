/**
 * The boundary of: Falco's JSON and ours. One line of Falco, or one payload of falcosidekick, comes
 * in as text of unknown origin; a typed, bounded FalcoEvent goes out, or a named refusal.
 */
import { sha256 } from "../../machines/digest.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import {
  asUntrusted,
  PRIORITIES,
  type FalcoEvent,
  type FieldValue,
  type Priority,
  type Untrusted,
} from "../../machines/vocabulary.ts";
import { nanosecondsOf } from "./time.ts";

/** Bytes of one event as it arrives; more is refused before it is parsed. */
export const EVENT_BYTES_MAX = 64 * 1024;
const FIELDS_MAX = 256;
const FIELD_NAME_CHARS_MAX = 256;
const STRING_CHARS_MAX = 4096;
const TAGS_MAX = 64;
const CUT_MARKER = " [cut]";

/** Rules of Falco's own messages: drops, output trouble, metrics snapshots. */
const INTERNAL_RULE = /^Falco internal:/i;
const INTERNAL_SOURCE = "internal";
/** What Falco calls system calls, and what falcosidekick writes where a source is missing. */
const DEFAULT_SOURCE = "syscall";
const SIDEKICK_DEFAULT_SOURCE = "syscalls";
/** A number over 2^53 in Falco: its digits are already lost in JSON, and `time` says the same. */
const LOSSY_FIELD = "evt.time";
const ANY_SURROGATE = /[\ud800-\udfff]/;
const LONE_SURROGATE = /\p{Surrogate}/gu;

/**
 * Reads one event.
 *
 * @param line where it stood in its source, from 1; for the error alone.
 * @throws WatchfloorError `line_too_long` over 64 KiB, `not_json`, or `not_falco` with the field
 *   that is wrong and the rule it breaks. Never with text of the event.
 */
export function parseFalcoLine(text: string, line: number): FalcoEvent {
  assertLength(text, line);
  const top = objectOf(text, line);
  const refuse: Refuse = (field, rule) => {
    throw new WatchfloorError("not_falco", { line, field, rule });
  };
  const rule = textOf(top["rule"], "rule", refuse);
  if (rule === "") refuse("rule", "is missing");
  const timeText = textOf(top["time"], "time", refuse);
  if (timeText === "") refuse("time", "is missing");
  const timeNs =
    nanosecondsOf(timeText) ??
    refuse("time", "must be an RFC 3339 time between the years 2000 and 2200");
  const source = sourceOf(textOf(top["source"], "source", refuse));
  const hostname = textOf(top["hostname"], "hostname", refuse);
  const { fields, canonical } = readFields(top["output_fields"], refuse);
  return {
    digest: digestOfEvent({ hostname, canonicalFields: canonical, rule, source, timeNs }),
    timeNs,
    rule: bounded(rule),
    priority: priorityOf(top["priority"], refuse),
    source: bounded(source),
    hostname: bounded(hostname),
    tags: tagsOf(top["tags"], refuse),
    output: bounded(textOf(top["output"], "output", refuse)),
    fields,
    internal: INTERNAL_RULE.test(rule) || source === INTERNAL_SOURCE,
  };
}

/** Throws `not_falco` for a field and the rule it breaks. */
type Refuse = (field: string, rule: string) => never;

function assertLength(text: string, line: number): void {
  // No character takes more than three bytes, so most lines are measured without being encoded.
  if (text.length * 3 <= EVENT_BYTES_MAX) return;
  const bytes = Buffer.byteLength(text);
  if (bytes <= EVENT_BYTES_MAX) return;
  throw new WatchfloorError("line_too_long", { line, bytes, limit: EVENT_BYTES_MAX });
}

function objectOf(text: string, line: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which is not ours to repeat.
    throw new WatchfloorError("not_json", { line });
  }
  if (isObject(value)) return value;
  throw new WatchfloorError("not_falco", { line, field: "the line", rule: "must be one object" });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A text that may be absent: null, `"<NA>"` and `""` say so in Falco. */
function textOf(value: unknown, field: string, refuse: Refuse): string {
  if (value === undefined || value === null || value === "<NA>") return "";
  return typeof value === "string" ? wellFormed(value) : refuse(field, "must be a string");
}

/** Text that UTF-8 cannot carry becomes what every re-encoder makes of it, so digests agree. */
function wellFormed(text: string): string {
  return ANY_SURROGATE.test(text) ? text.replace(LONE_SURROGATE, "\uFFFD") : text;
}

function sourceOf(text: string): string {
  return text === "" || text === SIDEKICK_DEFAULT_SOURCE ? DEFAULT_SOURCE : text;
}

function priorityOf(value: unknown, refuse: Refuse): Priority {
  const text = textOf(value, "priority", refuse);
  if (text === "") refuse("priority", "is missing");
  const name = text.toLowerCase();
  if (name === "info") return "informational";
  const priority = PRIORITIES.find((known) => known === name);
  return priority ?? refuse("priority", "must be one of Falco's priorities");
}

function tagsOf(value: unknown, refuse: Refuse): readonly Untrusted[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return refuse("tags", "must be a list of strings");
  return value
    .slice(0, TAGS_MAX)
    .map((tag: unknown, index) => bounded(textOf(tag, `tags[${index}]`, refuse)));
}

interface FieldsRead {
  readonly fields: FalcoEvent["fields"];
  /** Canonical JSON of the fields that say something, before anything was cut. */
  readonly canonical: string;
}

/**
 * One pass, for an event has dozens of fields and a node thousands of events: sorted by name, the
 * absent in any spelling made null, the rest bounded, and the text their digest is taken of.
 */
function readFields(value: unknown, refuse: Refuse): FieldsRead {
  if (value === undefined || value === null) return { fields: {}, canonical: "{}" };
  if (!isObject(value)) return refuse("output_fields", "must be an object");
  const fields: Record<string, Untrusted | number | boolean | null> = {};
  let count = 0;
  let canonical = "";
  for (const name of sortedKeys(value)) {
    if (name === LOSSY_FIELD) continue;
    const field = fieldOf(value[name]);
    if (field !== null) {
      const separator = canonical === "" ? "" : ",";
      canonical += `${separator}${quoted(name)}:${typeof field === "string" ? JSON.stringify(field) : String(field)}`;
    }
    if (count === FIELDS_MAX || name.length > FIELD_NAME_CHARS_MAX) continue;
    count += 1;
    const kept = typeof field === "string" ? bounded(field) : field;
    // Not assignment: a field named `__proto__` must become a field, never a prototype.
    if (name === "__proto__") Object.defineProperty(fields, name, { ...PLAIN, value: kept });
    else fields[name] = kept;
  }
  return { fields, canonical: `{${canonical}}` };
}

const PLAIN = { enumerable: true, configurable: true, writable: true } as const;

/** Falco and falcosidekick write them sorted: then there is nothing to sort. */
function sortedKeys(value: Record<string, unknown>): readonly string[] {
  const keys = Object.keys(value);
  for (let i = 1; i < keys.length; i += 1) if (keys[i - 1]! > keys[i]!) return keys.toSorted();
  return keys;
}

/** Names of fields in quotes: rules print the same few hundred over and over. */
const QUOTED_MAX = 4_096;
const quotedNames = new Map<string, string>();

function quoted(name: string): string {
  const known = quotedNames.get(name);
  if (known !== undefined) return known;
  const text = JSON.stringify(name);
  if (quotedNames.size < QUOTED_MAX && name.length <= FIELD_NAME_CHARS_MAX)
    quotedNames.set(name, text);
  return text;
}

/** Objects and lists are not field values of Falco: what sends them is not to be trusted with depth. */
function fieldOf(value: unknown): FieldValue {
  if (typeof value === "string") return value === "" || value === "<NA>" ? null : wellFormed(value);
  if (typeof value === "boolean") return value;
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/**
 * The event's identity: the same from Falco itself and from falcosidekick, which gives each receipt
 * a new uuid and trims zeros of the time. Canonical JSON of hostname, output fields, rule, source
 * and time, and taken before anything is cut, so that two events which differ only in a cut tail
 * stay two.
 */
function digestOfEvent(event: {
  readonly hostname: string;
  readonly canonicalFields: string;
  readonly rule: string;
  readonly source: string;
  readonly timeNs: string;
}): string {
  const { hostname, canonicalFields, rule, source, timeNs } = event;
  return sha256(
    `{"hostname":${JSON.stringify(hostname)},"output_fields":${canonicalFields},` +
      `"rule":${JSON.stringify(rule)},"source":${JSON.stringify(source)},"time":"${timeNs}"}`,
  );
}

function bounded(text: string): Untrusted {
  if (text.length <= STRING_CHARS_MAX) return asUntrusted(text);
  const head = text.slice(0, STRING_CHARS_MAX - CUT_MARKER.length);
  // The cut may have halved a pair; half of one is no text.
  return asUntrusted(wellFormed(head) + CUT_MARKER);
}
