/**
 * The boundary of: something done somewhere, and the line Falco writes of it: sorted keys, a null
 * for what is not known, and a time of nine digits that no JavaScript number can hold.
 */
import type { Dice } from "./dice.ts";
import type { Place } from "./places.ts";
import { SAMPLE_RULES, type SampleRule } from "./rules.ts";

type Value = string | number | boolean | null;

export interface Deed {
  readonly rule: SampleRule;
  /** `evt.type` */
  readonly call: string;
  readonly proc: string;
  /** Without the process name; defaults to `/usr/bin`. */
  readonly dir?: string;
  readonly cmd: string;
  readonly parent: string | null;
  readonly grand?: string;
  /** Defaults to the place's. */
  readonly user?: Place["user"];
  readonly loginUid?: number;
  /** Number of the terminal; none means none. */
  readonly terminal?: number;
  /** The file that was opened, written or removed. */
  readonly file?: string;
  readonly to?: readonly [ip: string, port: number, protocol?: "tcp" | "udp"];
  readonly flags?: string;
  /** The executable was not in the image. */
  readonly dropped?: boolean;
  readonly more?: Readonly<Record<string, Value>>;
  /** The container was too young for its runtime to name it. */
  readonly unnamed?: boolean;
}

/** Device number of the first pseudo-terminal. */
const PTS = 34_816;
/** By call, and whether the executable was dropped into the container. */
const DEFAULT_FLAGS: Readonly<Record<string, string>> = {
  "execve/false": "EXE_WRITABLE|EXE_LOWER_LAYER",
  "execve/true": "EXE_WRITABLE|EXE_UPPER_LAYER",
  "openat/false": "O_RDONLY|O_CLOEXEC|FD_LOWER_LAYER",
  "openat/true": "O_RDONLY|O_CLOEXEC|FD_UPPER_LAYER",
};

/** `ms` since the epoch and the nanoseconds within that millisecond. */
export interface Instant {
  readonly ms: number;
  readonly ns: number;
}

export function falcoLine(deed: Deed, place: Place, at: Instant, dice: Dice): string {
  const [priority, tags] = SAMPLE_RULES[deed.rule];
  const time = timeText(at);
  const fields = fieldsOf(deed, place, dice);
  const event = {
    hostname: place.node,
    output: outputText(deed, priority, fields, time),
    output_fields: deed.more === undefined ? fields : sorted({ ...fields, ...deed.more }),
    priority,
    rule: deed.rule,
    source: "syscall",
    tags: tags.split(" "),
    time,
  };
  return withTime(JSON.stringify(event), at);
}

/** One of Falco's own messages: it has a rule and a source, but nothing happened to anybody. */
export function internalLine(
  rule: string,
  priority: string,
  node: string,
  fields: Readonly<Record<string, Value>>,
  at: Instant,
): string {
  const event = {
    hostname: node,
    output: rule,
    output_fields: sorted({ ...fields, "evt.time": 0 }),
    priority,
    rule,
    source: "internal",
    tags: [],
    time: timeText(at),
  };
  return withTime(JSON.stringify(event), at);
}

/** ISO 8601 with nine digits, as Falco writes it. */
function timeText({ ms, ns }: Instant): string {
  return `${new Date(ms).toISOString().slice(0, -1)}${String(ns).padStart(6, "0")}Z`;
}

/** Nineteen digits no number here can hold: they take the place of a zero once the rest is text. */
function withTime(text: string, { ms, ns }: Instant): string {
  return text.replace('"evt.time":0', `"evt.time":${ms}${String(ns).padStart(6, "0")}`);
}

type Fields = Readonly<Record<string, Value | undefined>>;

function sorted(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * In the order of their names, which is Falco's: a day has too many events to sort each. A field
 * that this kind of event does not have is undefined, and so is not written; null is written.
 */
function fieldsOf(deed: Deed, place: Place, dice: Dice): Fields {
  const { container } = place;
  const named = deed.unnamed === true ? null : container;
  const [user, uid] = deed.user ?? place.user;
  const fd = fdOf(deed, place, dice);
  return {
    "container.id": container?.id ?? "host",
    "container.image.repository": named?.repository ?? null,
    "container.image.tag": named?.tag ?? null,
    "container.name": named?.name ?? (container === null ? "host" : null),
    "container.privileged": named?.privileged ?? null,
    "evt.arg.flags": deed.flags ?? DEFAULT_FLAGS[`${deed.call}/${deed.dropped === true}`],
    "evt.time": 0,
    "evt.type": deed.call,
    "fd.directory": fd.directory,
    "fd.l4proto": fd.protocol,
    "fd.lport": fd.ownPort,
    "fd.name": fd.name,
    "fd.rip": deed.to?.[0],
    "fd.rport": deed.to?.[1],
    "fd.sip": deed.to?.[0],
    "fd.type": fd.type,
    "k8s.ns.name": named?.namespace ?? null,
    "k8s.pod.name": named?.pod ?? null,
    "proc.aname[2]": deed.grand ?? null,
    "proc.cmdline": deed.cmd,
    "proc.exepath": `${deed.dir ?? "/usr/bin"}/${deed.proc}`,
    "proc.is_exe_upper_layer": deed.dropped ?? false,
    "proc.name": deed.proc,
    "proc.pname": deed.parent,
    "proc.tty": deed.terminal === undefined ? 0 : PTS + deed.terminal,
    "user.loginuid": deed.loginUid ?? -1,
    "user.name": user,
    "user.uid": uid,
  };
}

/** What a file or a connection is called; a deed has one of them or none. */
function fdOf(
  { file, to }: Deed,
  place: Place,
  dice: Dice,
): {
  readonly type?: string;
  readonly name?: string;
  readonly directory?: string;
  readonly protocol?: string;
  readonly ownPort?: number;
} {
  if (file !== undefined) {
    return { type: "file", name: file, directory: file.slice(0, file.lastIndexOf("/")) || "/" };
  }
  if (to === undefined) return {};
  const [ip, port, protocol = "tcp"] = to;
  const ownPort = dice.between(32_768, 60_999);
  return { type: "ipv4", name: `${place.ip}:${ownPort}->${ip}:${port}`, protocol, ownPort };
}

/** The sentence for people; what is not known reads `<NA>` in it. */
function outputText(deed: Deed, priority: string, fields: Fields, time: string): string {
  const shown = OUTPUT_FIELDS.map(([label, name]) => `${label}=${fields[name] ?? "<NA>"}`);
  return `${time.slice(11, -1)}: ${priority} ${deed.rule} | ${shown.join(" ")}`;
}

const OUTPUT_FIELDS = [
  ["evt_type", "evt.type"],
  ["user", "user.name"],
  ["user_uid", "user.uid"],
  ["process", "proc.name"],
  ["parent", "proc.pname"],
  ["command", "proc.cmdline"],
  ["terminal", "proc.tty"],
  ["fd", "fd.name"],
  ["container_id", "container.id"],
  ["container_name", "container.name"],
  ["k8s_ns", "k8s.ns.name"],
  ["k8s_pod_name", "k8s.pod.name"],
] as const;
