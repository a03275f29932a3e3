/**
 * The boundary of: an event's fields and what they show. A field is compared with closed lists and
 * anchored patterns; the result is ids and enums, never a piece of the field.
 *
 * Words of a command line are the attacker's to choose, so they only add a technique to look at and
 * can never make a response stronger.
 */
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import { isMetadataAddress } from "./address.ts";
import type { Impact, Meaning, Response } from "./impact.ts";

type Fields = FalcoEvent["fields"];
type Signal = readonly [test: (fields: Fields) => boolean, Meaning];

const FIELD_CHARS_MAX = 4096;

function text(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value.slice(0, FIELD_CHARS_MAX) : "";
}

function flag(fields: Fields, name: string): boolean {
  return fields[name] === true || fields[name] === "true";
}

function portOf(fields: Fields): number {
  const port = Number(fields["fd.rport"] ?? fields["fd.sport"] ?? 0);
  return Number.isInteger(port) ? port : 0;
}

function matches(name: string, pattern: RegExp): (fields: Fields) => boolean {
  return (fields) => pattern.test(text(fields, name));
}

function oneOf(name: string, ...words: string[]): (fields: Fields) => boolean {
  const set = new Set(words);
  return (fields) => set.has(text(fields, name));
}

function both(
  a: (fields: Fields) => boolean,
  b: (fields: Fields) => boolean,
): (fields: Fields) => boolean {
  return (fields) => a(fields) && b(fields);
}

function meaning(techniques: string, impact: Impact, response: Response): Meaning {
  return { techniques: techniques.split(" "), impact, response };
}

/** Opened to be written, as far as the event says. */
function writes(fields: Fields): boolean {
  if (flag(fields, "evt.is_open_write")) return true;
  const flags = `${text(fields, "evt.arg.flags")}|${text(fields, "evt.arg[flags]")}`;
  return /(^|\|)(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND)(\||$)/.test(flags);
}

const SHELL = /^(ba|da|a|z|k|c|tc|fi)?sh$/;
const MINER_PORTS = new Set([
  3333, 3334, 3335, 3336, 3357, 4242, 5555, 7777, 8332, 9332, 14433, 14444, 45560, 45700,
]);
const HOME = "(/root|/home/[^/]+)";

const PATHS: readonly Signal[] = [
  [
    matches("fd.name", /^\/etc\/(g?shadow|security\/opasswd)-?$/),
    meaning("T1003.008", "credential_access", "contain"),
  ],
  [
    matches("fd.name", /^\/etc\/(sudoers(\.d\/|$)|pam\.(conf|d\/))/),
    meaning("T1548.003 T1556.003", "credential_access", "mark"),
  ],
  [
    matches("fd.name", new RegExp(`^${HOME}/\\.ssh/authorized_keys`)),
    meaning("T1098.004", "persistence", "contain"),
  ],
  [
    matches("fd.name", new RegExp(`^${HOME}/\\.ssh/`)),
    meaning("T1552.004", "credential_access", "contain"),
  ],
  [
    matches("fd.name", /(^|\/)(id_(rsa|dsa|ecdsa|ed25519)|[^/]*key[^/]*\.pem)$/),
    meaning("T1552.004", "credential_access", "contain"),
  ],
  [
    matches("fd.name", new RegExp(`^${HOME}/\\.(aws|azure|config/gcloud|docker|kube)/`)),
    meaning("T1552.001", "credential_access", "contain"),
  ],
  [
    matches(
      "fd.name",
      /^(\/var)?\/run\/secrets\/(kubernetes\.io|eks\.amazonaws\.com|azure)\/.*token$/,
    ),
    meaning("T1528 T1552.007", "token_theft", "contain"),
  ],
  [
    matches("fd.name", /^\/(etc\/kubernetes|var\/lib\/(kubelet\/pki|etcd))\//),
    meaning("T1552.004 T1611", "credential_access", "contain"),
  ],
  [
    matches("fd.name", /^(\/var)?\/run\/(docker|containerd\/containerd|crio\/crio)\.sock$/),
    meaning("T1611 T1609", "node_escape", "contain"),
  ],
  [
    matches("fd.name", /(^|\/)(release_agent|core_pattern|uevent_helper)$/),
    meaning("T1611", "node_escape", "disrupt"),
  ],
  [
    matches("fd.name", /^\/dev\/(sd|vd|xvd|nvme|dm-|mapper\/)/),
    meaning("T1611", "node_escape", "contain"),
  ],
  [
    matches("fd.name", /^\/proc\/[^/]+\/(environ|mem|maps)$/),
    meaning("T1003.007", "credential_access", "mark"),
  ],
  [
    matches("fd.name", /^(\/etc\/cron|\/var\/spool\/cron)/),
    meaning("T1053.003", "persistence", "contain"),
  ],
  [
    matches("fd.name", /\/\.(bash|zsh|ash|sh)_history$/),
    meaning("T1070.003", "defense_evasion", "mark"),
  ],
  [
    both(
      matches(
        "fd.name",
        /(\/\.(bashrc|bash_profile|profile|zshrc|zshenv|cshrc)|^\/etc\/(profile|bash\.bashrc|zshrc))/,
      ),
      writes,
    ),
    meaning("T1546.004", "persistence", "mark"),
  ],
  [
    matches("fd.name", /^\/etc\/ld\.so\.preload$/),
    meaning("T1574.006", "privilege_escalation", "contain"),
  ],
  [
    both(matches("fd.name", /^(\/etc|\/usr\/lib|\/lib)\/systemd\/system\//), writes),
    meaning("T1543.002", "persistence", "contain"),
  ],
  [
    both(matches("fd.name", /^(\/usr(\/local)?)?\/s?bin\//), writes),
    meaning("T1554", "persistence", "contain"),
  ],
  [
    both(matches("fd.name", /^\/var\/log\//), (fields) =>
      /O_TRUNC/.test(text(fields, "evt.arg.flags")),
    ),
    meaning("T1070.002", "defense_evasion", "mark"),
  ],
];

const PROCESSES: readonly Signal[] = [
  [
    oneOf(
      "proc.name",
      "xmrig",
      "xmr-stak",
      "minerd",
      "cpuminer",
      "ccminer",
      "ethminer",
      "nbminer",
      "lolMiner",
      "t-rex",
      "kinsing",
      "kdevtmpfsi",
    ),
    meaning("T1496.001", "mining", "disrupt"),
  ],
  [oneOf("proc.name", "nmap", "masscan", "zmap"), meaning("T1046", "discovery", "mark")],
  [
    oneOf("proc.name", "tcpdump", "tshark", "dsniff"),
    meaning("T1040", "credential_access", "mark"),
  ],
  [
    oneOf("proc.name", "nc", "ncat", "netcat", "socat"),
    meaning("T1095 T1059.004", "command_and_control", "mark"),
  ],
  [
    oneOf("proc.name", "kubectl", "oc", "crictl", "ctr", "docker", "nerdctl"),
    meaning("T1609 T1613", "execution", "mark"),
  ],
  [oneOf("proc.name", "debugfs", "nsenter"), meaning("T1611", "node_escape", "contain")],
  [oneOf("proc.name", "insmod", "modprobe"), meaning("T1547.006", "node_escape", "contain")],
  [
    oneOf("proc.name", "useradd", "adduser", "usermod", "groupadd", "passwd", "chpasswd"),
    meaning("T1136.001 T1098", "persistence", "mark"),
  ],
  [oneOf("proc.name", "shred", "mkfs", "wipefs"), meaning("T1485", "destruction", "contain")],
  [oneOf("proc.name", "scp", "sftp", "rsync", "rclone"), meaning("T1048", "exfiltration", "mark")],
  [oneOf("proc.name", "base64", "base32", "xxd"), meaning("T1140", "defense_evasion", "mark")],
  [
    both(
      matches("proc.name", SHELL),
      matches("proc.pname", /^(nginx|apache2|httpd|php-fpm|tomcat|java)$/),
    ),
    meaning("T1505.003 T1059.004", "execution", "contain"),
  ],
  [
    both(matches("proc.name", SHELL), (fields) => Number(fields["proc.tty"] ?? 0) > 0),
    meaning("T1059.004", "execution", "mark"),
  ],
  [matches("proc.exepath", /^\/?memfd:/), meaning("T1620", "fileless", "disrupt")],
  [(fields) => flag(fields, "proc.is_exe_from_memfd"), meaning("T1620", "fileless", "disrupt")],
  [
    (fields) => flag(fields, "proc.is_exe_upper_layer"),
    meaning("T1105", "dropped_binary", "contain"),
  ],
  [
    matches("proc.exepath", /^(\/tmp|\/var\/tmp|\/dev\/shm)\//),
    meaning("T1059.004 T1105", "dropped_binary", "mark"),
  ],
];

const CALLS: readonly Signal[] = [
  [
    oneOf("evt.type", "init_module", "finit_module"),
    meaning("T1547.006 T1014", "node_escape", "disrupt"),
  ],
  [oneOf("evt.type", "bpf"), meaning("T1014", "persistence", "mark")],
  [oneOf("evt.type", "setns", "unshare"), meaning("T1611", "privilege_escalation", "mark")],
  [oneOf("evt.type", "ptrace"), meaning("T1055.008", "privilege_escalation", "mark")],
  [oneOf("evt.type", "userfaultfd"), meaning("T1068", "privilege_escalation", "contain")],
  [oneOf("evt.type", "memfd_create"), meaning("T1620", "fileless", "contain")],
  [
    oneOf("evt.type", "setuid", "seteuid", "setresuid"),
    meaning("T1548.001", "privilege_escalation", "mark"),
  ],
  [matches("evt.arg.mode", /S_IS[UG]ID/), meaning("T1548.001", "privilege_escalation", "contain")],
  [oneOf("evt.type", "mount"), meaning("T1611", "node_escape", "mark")],
];

const NETWORK: readonly Signal[] = [
  [
    (fields) =>
      isMetadataAddress(text(fields, "fd.rip")) || isMetadataAddress(text(fields, "fd.sip")),
    meaning("T1552.005", "credential_access", "contain"),
  ],
  [(fields) => MINER_PORTS.has(portOf(fields)), meaning("T1496.001", "mining", "contain")],
];

/** What a command line mentions. Evidence for a reader; without impact and response. */
const WORDS: readonly Signal[] = [
  [matches("proc.cmdline", /stratum\+(tcp|ssl|udp):\/\//), meaning("T1496.001", "none", "none")],
  [matches("proc.cmdline", /\/dev\/(tcp|udp)\//), meaning("T1059.004", "none", "none")],
  [matches("proc.cmdline", /\bbase64\s+(-d|--decode)\b/), meaning("T1140", "none", "none")],
  [matches("proc.cmdline", /169\.254\.169\.254/), meaning("T1552.005", "none", "none")],
  [matches("proc.cmdline", /\b(curl|wget)\s.*\|\s*(ba|da)?sh\b/), meaning("T1105", "none", "none")],
];

const SIGNALS = [...PATHS, ...PROCESSES, ...CALLS, ...NETWORK, ...WORDS];

/** What the fields of an event show, in the order of the tables. */
export function meaningsOfFields(event: FalcoEvent): Meaning[] {
  return SIGNALS.filter(([test]) => test(event.fields)).map(([, shown]) => shown);
}

/** Every technique a field can lead to. */
export const FIELD_TECHNIQUES: readonly string[] = [
  ...new Set(SIGNALS.flatMap(([, shown]) => shown.techniques)),
];
