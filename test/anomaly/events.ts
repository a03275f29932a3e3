/**
 * The boundary of: events for the gate's tests. A small ordinary world of three workloads with
 * habits, and single events that are easy to change.
 */
import { sha256 } from "../../machines/digest.ts";
import type { Envelope } from "../../machines/protocol.ts";
import { asUntrusted, type FalcoEvent, type Priority } from "../../machines/vocabulary.ts";
import { seededRandom, wholeBetween } from "../kit/seeded-random.ts";

/** 2026-01-05T00:00:00Z, a Monday. */
export const START_MS = 1_767_571_200_000;

export interface EventSpec {
  readonly atMs?: number;
  readonly rule?: string;
  readonly priority?: Priority;
  readonly hostname?: string;
  readonly tags?: readonly string[];
  readonly output?: string;
  readonly internal?: boolean;
  readonly fields?: Readonly<Record<string, string | number | boolean | null>>;
}

export function falcoEvent(spec: EventSpec = {}): FalcoEvent {
  const { atMs = START_MS, rule = "Read config", hostname = "worker-1", fields = {} } = spec;
  const typed = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? asUntrusted(value) : value,
  ]);
  return {
    digest: sha256(JSON.stringify(spec)),
    timeNs: `${atMs}000000`,
    rule: asUntrusted(rule),
    priority: spec.priority ?? "notice",
    source: asUntrusted("syscall"),
    hostname: asUntrusted(hostname),
    tags: (spec.tags ?? []).map(asUntrusted),
    output: asUntrusted(spec.output ?? ""),
    fields: Object.fromEntries(typed) as FalcoEvent["fields"],
    internal: spec.internal ?? false,
  };
}

/** Fields of a process in a container of the workload `shop/<name>`. */
export function inPod(
  name: string,
  more: EventSpec["fields"] = {},
): NonNullable<EventSpec["fields"]> {
  return {
    "container.id": `c0ffee${name}`,
    "container.name": name,
    "container.image.repository": `registry.example/shop/${name}`,
    "k8s.ns.name": "shop",
    "k8s.pod.name": `${name}-7c9d4f5b6-x2x4z`,
    "user.uid": 1000,
    "proc.tty": 0,
    ...more,
  };
}

const HABITS = [
  { rule: "Read config", proc: "node", parent: "sh", path: "/app/config/main.json" },
  { rule: "Write cache", proc: "node", parent: "sh", path: "/var/cache/app/page.html" },
  {
    rule: "Contact service",
    proc: "curl",
    parent: "node",
    connection: "10.0.0.4:41000->10.0.0.9:5432",
  },
  { rule: "Rotate log", proc: "logrotate", parent: "cron", path: "/app/log/today.log" },
] as const;

/** Ordinary events of the workloads web, api and jobs: one about every 20 s of event time. */
export function ordinaryEvents(
  seed: number,
  count: number,
  fromMs: number = START_MS,
): FalcoEvent[] {
  const random = seededRandom(seed);
  let atMs = fromMs;
  return Array.from({ length: count }, () => {
    atMs += wholeBetween(random, 1_000, 40_000);
    const habit = HABITS[Math.min(wholeBetween(random, 0, 4), 3)]!;
    const workload = ["web", "api", "jobs"][wholeBetween(random, 0, 2)]!;
    return ordinaryEvent(workload, habit, atMs, wholeBetween(random, 1, 40));
  });
}

function ordinaryEvent(
  workload: string,
  habit: (typeof HABITS)[number],
  atMs: number,
  n: number,
): FalcoEvent {
  const name = "path" in habit ? habit.path : habit.connection;
  return falcoEvent({
    atMs,
    rule: habit.rule,
    priority: n % 4 === 0 ? "informational" : "notice",
    fields: inPod(workload, {
      "proc.name": habit.proc,
      "proc.pname": habit.parent,
      "proc.cmdline": `${habit.proc} --job ${n} --verbose`,
      "proc.exepath": `/usr/bin/${habit.proc}`,
      "fd.name": name,
      "evt.type": "openat",
    }),
  });
}

/** Classic attacks by the name of what they do, on the workload `shop/<name>`. */
export function attackEvents(name: string, atMs: number): FalcoEvent[] {
  const attack = (rule: string, priority: Priority, fields: EventSpec["fields"]): FalcoEvent =>
    falcoEvent({ atMs, rule, priority, fields: inPod(name, { "user.uid": 0, ...fields }) });
  const shell = { "proc.name": "bash", "proc.pname": "runc", "proc.exepath": "/usr/bin/bash" };
  return [
    attack("Terminal shell in container", "notice", {
      ...shell,
      "proc.tty": 34816,
      "proc.cmdline": "bash -i",
    }),
    attack("Read sensitive file untrusted", "warning", {
      "proc.name": "cat",
      "proc.pname": "bash",
      "proc.cmdline": "cat /etc/shadow",
      "fd.name": "/etc/shadow",
    }),
    attack("Contact EC2 Instance Metadata Service From Container", "notice", {
      "proc.name": "curl",
      "proc.pname": "bash",
      "proc.cmdline": "curl http://169.254.169.254/latest/meta-data/iam",
      "fd.name": "10.0.0.4:41000->169.254.169.254:80",
    }),
    attack("Drop and execute new binary in container", "critical", {
      "proc.name": "x",
      "proc.pname": "bash",
      "proc.exepath": "/tmp/x",
      "proc.is_exe_upper_layer": true,
      "proc.cmdline": "/tmp/x",
    }),
  ];
}

export function envelopeOf(event: FalcoEvent, traceId: string = "ab".repeat(16)): Envelope {
  return {
    id: event.digest,
    from: "edge/test",
    to: "ingest/0",
    type: "event",
    data: { event, origin: "live" } as unknown as Envelope["data"],
    traceparent: `00-${traceId}-${"cd".repeat(8)}-01`,
    case: null,
    cause: null,
    replyTo: null,
    shard: null,
    seq: null,
  };
}
