/**
 * The boundary of: what one event says by itself. Pure measures of its fields, each null-safe and
 * bounded; what needs memory is in features.ts.
 */
import { Memo } from "./memo.ts";
import { PRIORITIES, type FalcoEvent } from "../machines/vocabulary.ts";

type Fields = FalcoEvent["fields"];

const COMMAND_CHARS_MAX = 4096;
/** Shorter and simpler commands than these are all alike: only long and dense ones say something. */
const COMMAND_CHARS_MIN = 24;
const ENTROPY_MIN = 3.5;
const PATH_CHARS_MAX = 1024;

/** A field as text; null when absent. Numbers and flags are text too: types vary by Falco version. */
export function textOf(fields: Fields, name: string): string | null {
  const value = fields[name];
  if (typeof value === "string") return value;
  return value === null || value === undefined ? null : String(value);
}

/** A field as a number; null when absent or not one. */
function numberOf(fields: Fields, name: string): number | null {
  const value = fields[name];
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "string" || !/^-?\d{1,15}$/.test(value)) return null;
  return Number(value);
}

function flagOf(fields: Fields, name: string): boolean {
  const value = fields[name];
  return value === true || value === "true";
}

/** 0 (debug) to 7 (emergency). */
export function priorityOf(event: FalcoEvent): number {
  return PRIORITIES.length - 1 - PRIORITIES.indexOf(event.priority);
}

const WRITABLE = /^(?:\/tmp\/|\/var\/tmp\/|\/dev\/shm\/|\/run\/shm\/|memfd:)/;

/** 2: runs from a directory anyone may write to, or from memory. 1: added to its image since start. */
export function exeWritable(fields: Fields): number {
  const path = textOf(fields, "proc.exepath") ?? "";
  if (WRITABLE.test(path)) return 2;
  const flags = textOf(fields, "evt.arg.flags") ?? "";
  if (flags.includes("EXE_FROM_MEMFD")) return 2;
  if (flagOf(fields, "proc.is_exe_from_memfd")) return 2;
  if (flagOf(fields, "proc.is_exe_upper_layer")) return 1;
  return flags.includes("EXE_UPPER_LAYER") ? 1 : 0;
}

export interface CommandShape {
  /** log1p of characters, 24 to 4096. */
  readonly length: number;
  /** Bits a byte, at least 3.5. */
  readonly entropy: number;
  /** log1p of pipes, redirects, substitutions, encoders and addresses. */
  readonly meta: number;
}

const WORDS_OF_SHELL = /base64|https?:\/\/|\/dev\/(?:tcp|udp)\/|\beval\b|\bxxd\b|\bopenssl enc\b/g;
const counts = new Uint16Array(256);

const shapes = new Memo<CommandShape>();

export function commandShape(command: string): CommandShape {
  return shapes.of(command, () => shapeOf(command));
}

function shapeOf(command: string): CommandShape {
  const length = Math.min(command.length, COMMAND_CHARS_MAX);
  counts.fill(0);
  for (let i = 0; i < length; i += 1) counts[command.charCodeAt(i) & 255]! += 1;
  let entropy = 0;
  for (let code = 0; code < 256; code += 1) {
    const count = counts[code]!;
    if (count > 0) entropy -= (count / length) * Math.log2(count / length);
  }
  let marks = 0;
  for (const mark of "|<>;`$&") marks += counts[mark.charCodeAt(0)]!;
  const words = command.slice(0, length).match(WORDS_OF_SHELL)?.length ?? 0;
  return {
    length: Math.log1p(Math.max(length, COMMAND_CHARS_MIN)),
    entropy: Math.max(entropy, ENTROPY_MIN),
    meta: Math.log1p(marks + 2 * words),
  };
}

/** Whoever reads or writes one of these holds, or soon gains, somebody's credentials or the host. */
const CREDENTIALS =
  /\/etc\/(?:shadow|gshadow|sudoers|pam\.d|kubernetes\/(?:admin\.conf|pki))|\/serviceaccount\/|\/(?:docker|containerd|crio)\.sock|\/\.ssh\/|\bid_(?:rsa|dsa|ecdsa|ed25519)\b|authorized_keys|\.aws\/credentials|\.kube\/config|\.docker\/config\.json|\/proc\/(?:1|self|\d+)\/(?:environ|mem|maps)\b|release_agent|core_pattern|ld\.so\.preload|(?:passw(?:or)?d|private[ _-]key|secret)s?['"]?(?:\s|$)/i;
const CONFIGURATION =
  /\/etc\/(?:passwd|cron|profile|rc\.local|init\.d|systemd)|\/var\/spool\/cron|\/(?:root|home\/[^/]+)\/\.[a-z]|\.bash_history|\.bashrc|\/var\/run\/secrets\/|\/run\/secrets\/|\/sys\/fs\/cgroup|\/proc\/sys(?:rq-trigger)?|\/dev\/(?:sd|nvme|vd|mem|kmem|xvd)|\/usr\/lib\/modules|\/lib\/modules|\/var\/log\//i;
const SYSTEM =
  /^\/(?:etc|boot|root|bin|sbin|usr\/s?bin|lib|usr\/lib|dev(?!\/(?:null|pts|tty|urandom)))(?:\/|$)/;

/** The file an event is about, by the names that the rules of several versions use. */
function pathOf(fields: Fields): string | null {
  const path =
    textOf(fields, "fd.name") ??
    textOf(fields, "fs.path.name") ??
    textOf(fields, "evt.arg.path") ??
    textOf(fields, "evt.arg.name");
  if (path === null || !path.startsWith("/")) return null;
  return path.slice(0, PATH_CHARS_MAX);
}

/** 3: credentials and ways to the host; 2: start-up, history, logs, devices; 1: system directories. */
export function pathSensitivity(fields: Fields, command: string): number {
  const path = pathOf(fields) ?? "";
  const target = textOf(fields, "evt.arg.linkpath") ?? textOf(fields, "evt.arg.target") ?? "";
  const all = `${path} ${target.slice(0, PATH_CHARS_MAX)} ${command.slice(0, PATH_CHARS_MAX)}`;
  return sensitivities.of(`${path.length} ${all}`, () => sensitivityOf(path, all));
}

const sensitivities = new Memo<number>();

function sensitivityOf(path: string, all: string): number {
  if (CREDENTIALS.test(all)) return 3;
  if (CONFIGURATION.test(all)) return 2;
  return SYSTEM.test(path) ? 1 : 0;
}

/** The first three directories of the event's file; null without one. */
export function directoryOf(fields: Fields): string | null {
  const path = pathOf(fields);
  const directory = textOf(fields, "fd.directory") ?? path?.slice(0, path.lastIndexOf("/") + 1);
  if (directory === null || directory === undefined || !directory.startsWith("/")) return null;
  let end = 0;
  for (let depth = 0; depth < 3 && end !== -1; depth += 1) end = directory.indexOf("/", end + 1);
  return end === -1 ? directory.slice(0, PATH_CHARS_MAX) : directory.slice(0, end);
}

export interface Remote {
  /** 0 none, 1 loopback, 2 private, 3 public, 4 a cloud's metadata service. */
  readonly class: number;
  readonly port: number | null;
}

const NO_REMOTE: Remote = { class: 0, port: null };
const EPHEMERAL_FROM = 32_768;
const CONNECTION = /^\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})->\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})$/;

/**
 * The other end of a connection. The server's port names the service; where the far port is an
 * ephemeral one, the near one does.
 */
export function remoteOf(fields: Fields): Remote {
  const tuple = CONNECTION.exec(textOf(fields, "fd.name") ?? "");
  const address = textOf(fields, "fd.rip") ?? textOf(fields, "fd.sip") ?? tuple?.[3] ?? null;
  if (address === null) return NO_REMOTE;
  const far = numberOf(fields, "fd.rport") ?? numberOf(fields, "fd.sport") ?? portOf(tuple?.[4]);
  const near = numberOf(fields, "fd.lport") ?? portOf(tuple?.[2]);
  const nearServes = far !== null && far >= EPHEMERAL_FROM && near !== null && near < far;
  return { class: addressClass(address), port: nearServes ? near : far };
}

function portOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

function addressClass(address: string): number {
  const plain = address.replace(/^::ffff:/i, "");
  if (plain === "169.254.169.254" || /^fd00:ec2::254$/i.test(plain)) return 4;
  if (/^127\.|^::1$|^0\.0\.0\.0$|^::$/.test(plain)) return 1;
  const inner =
    /^10\.|^192\.168\.|^172\.(?:1[6-9]|2\d|3[01])\.|^169\.254\.|^100\.(?:6[4-9]|[789]\d|1[01]\d|12[0-7])\.|^f[cd][0-9a-f]{2}:|^fe80:/i;
  return inner.test(plain) ? 2 : 3;
}

const PRIVILEGED_CALLS = new Set([
  "setuid", "setgid", "setresuid", "setresgid", "capset", "setns", "unshare", "mount", "umount",
  "umount2", "ptrace", "bpf", "init_module", "finit_module", "userfaultfd", "pivot_root",
]); // prettier-ignore

/** 0 to 4: root, a privileged container, the host itself, a call that changes privilege. */
export function privilegeOf(fields: Fields): number {
  const root = numberOf(fields, "user.uid") === 0 || fields["user.name"] === "root";
  const privileged = flagOf(fields, "container.privileged");
  const host = fields["container.id"] === "host";
  const call = PRIVILEGED_CALLS.has(textOf(fields, "evt.type") ?? "");
  return Number(root) + Number(privileged) + Number(host) + Number(call);
}

/** 1 with a terminal: hands on a keyboard. */
export function interactiveOf(fields: Fields): number {
  return (numberOf(fields, "proc.tty") ?? 0) === 0 ? 0 : 1;
}
