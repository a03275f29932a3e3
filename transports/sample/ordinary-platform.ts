/**
 * The boundary of: the platform's ordinary noise: builds, ingress, monitoring, nodes, and the
 * operators who look into a container a few times a day.
 */
import type { Dice } from "./dice.ts";
import type { Deed } from "./line.ts";
import { SERVICE_ADDRESSES, type Habit } from "./ordinary-apps.ts";
import { nodePlaces, placesOf } from "./places.ts";
import { daily, office, scheduled, steady } from "./rhythm.ts";

const KNOWN = "Estate: connection to known service";
const LOG_READ = "Estate: log file read by collector";
const CONFIG = "Estate: configuration file read";
const TOKEN_READ = "Estate: service account token read";
const API_CONTACT = "Contact K8S API Server From Container";
const TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const PACKAGE_MIRROR = "203.0.113.50";

const runner = placesOf("ci", "runner");
const ingress = placesOf("edge", "ingress-nginx");
const prometheus = placesOf("monitoring", "prometheus");
const grafana = placesOf("monitoring", "grafana");
const logAgent = placesOf("monitoring", "log-agent");
const kubeProxy = placesOf("kube-system", "kube-proxy");
const watchfloor = placesOf("watchfloor", "watchfloor");
const nodes = nodePlaces();

/** A young build container is not always named by its runtime yet. */
function builds(dice: Dice, deed: Deed): Deed {
  return dice.next() < 0.15 ? { ...deed, unnamed: true } : deed;
}

const PACKAGE_COMMANDS = [
  ["npm", "node", "npm ci --no-audit --no-fund"],
  ["npm", "node", "npm install --omit=dev"],
  ["apt-get", "sh", "apt-get install -y --no-install-recommends build-essential"],
  ["apt-get", "sh", "apt-get update"],
  ["pip3", "sh", "pip3 install -r requirements.txt"],
] as const;

const BUILD_HABITS: readonly Habit[] = [
  {
    rhythm: office(7),
    places: runner,
    deed: (dice) => {
      const [proc, parent, cmd] = dice.pick(PACKAGE_COMMANDS);
      const rule = "Launch Package Management Process in Container";
      return builds(dice, { rule, call: "execve", proc, cmd, parent, grand: "bash" });
    },
  },
  {
    rhythm: office(3),
    places: runner,
    deed: (dice) => {
      const tool = dice.pick(["make", "cmake", "protoc", "helm"]);
      return builds(dice, {
        rule: "Launch Ingress Remote File Copy Tools in Container",
        call: "execve",
        proc: "curl",
        cmd: `curl -fsSL -o /tmp/${tool}.tar.gz https://mirror.example/tools/${tool}.tar.gz`,
        parent: "bash",
        grand: "Runner.Worker",
      });
    },
  },
  {
    rhythm: office(3),
    places: runner,
    deed: () => ({
      rule: "Network Connection outside Local Subnet",
      call: "connect",
      proc: "node",
      cmd: "node /usr/lib/node_modules/npm/bin/npm-cli.js ci",
      parent: "bash",
      to: [PACKAGE_MIRROR, 443],
    }),
  },
  {
    rhythm: office(2),
    places: runner,
    deed: (dice) => {
      const file = `/home/runner/work/${dice.pick(["shop", "payments", "reports"])}/.npmrc`;
      return {
        rule: "Create Hidden Files or Directories",
        call: "openat",
        proc: "npm",
        cmd: "npm ci --no-audit --no-fund",
        parent: "bash",
        flags: "O_CREAT|O_WRONLY|O_TRUNC|O_CLOEXEC",
        file,
      };
    },
  },
  {
    rhythm: office(1.5),
    places: runner,
    deed: () => ({
      rule: "Read ssh information",
      call: "openat",
      proc: "ssh",
      cmd: "ssh -o StrictHostKeyChecking=yes git@git.example git-upload-pack shop/storefront.git",
      parent: "git",
      grand: "bash",
      file: "/root/.ssh/known_hosts",
    }),
  },
  {
    rhythm: office(1),
    places: runner,
    deed: () => ({
      rule: "Update Package Repository",
      call: "openat",
      proc: "apt-get",
      cmd: "apt-get update",
      parent: "sh",
      flags: "O_CREAT|O_RDWR|O_CLOEXEC",
      file: "/etc/apt/sources.list.d/mirror.list",
    }),
  },
];

const EDGE_HABITS: readonly Habit[] = [
  {
    rhythm: daily(9),
    places: ingress,
    deed: () => ({
      rule: KNOWN,
      call: "connect",
      proc: "nginx",
      cmd: "nginx: worker process",
      parent: "nginx",
      grand: "nginx-ingress-c",
      to: [SERVICE_ADDRESSES.storefront, 8080],
    }),
  },
  {
    rhythm: steady(1.5),
    places: ingress,
    deed: () => ({
      rule: API_CONTACT,
      call: "connect",
      proc: "nginx-ingress-c",
      dir: "",
      cmd: "nginx-ingress-c --publish-service=edge/ingress-nginx",
      parent: "dumb-init",
      to: [SERVICE_ADDRESSES.apiServer, 443],
    }),
  },
  {
    rhythm: office(0.8),
    places: ingress,
    deed: () => ({
      rule: "Write below etc",
      call: "openat",
      proc: "nginx-ingress-c",
      dir: "",
      cmd: "nginx-ingress-c --publish-service=edge/ingress-nginx",
      parent: "dumb-init",
      flags: "O_TRUNC|O_CREAT|O_WRONLY|O_CLOEXEC",
      file: "/etc/nginx/nginx.conf",
    }),
  },
];

const MONITORING_HABITS: readonly Habit[] = [
  {
    rhythm: steady(7),
    places: prometheus,
    deed: (dice) => ({
      rule: KNOWN,
      call: "connect",
      proc: "prometheus",
      dir: "/bin",
      cmd: "prometheus --config.file=/etc/prometheus/prometheus.yml",
      parent: "containerd-shim",
      to: [`10.42.${dice.between(0, 4)}.${dice.between(2, 250)}`, dice.pick([8080, 9090, 9100])],
    }),
  },
  {
    rhythm: steady(1.5),
    places: prometheus,
    deed: () => ({
      rule: API_CONTACT,
      call: "connect",
      proc: "prometheus",
      dir: "/bin",
      cmd: "prometheus --config.file=/etc/prometheus/prometheus.yml",
      parent: "containerd-shim",
      to: [SERVICE_ADDRESSES.apiServer, 443],
    }),
  },
  {
    rhythm: steady(0.8),
    places: [...prometheus, ...ingress],
    deed: () => ({
      rule: TOKEN_READ,
      call: "openat",
      proc: "token-refresh",
      dir: "/bin",
      cmd: "token-refresh --every 10m",
      parent: "containerd-shim",
      file: TOKEN_FILE,
    }),
  },
  {
    rhythm: daily(2),
    places: grafana,
    deed: () => ({
      rule: KNOWN,
      call: "connect",
      proc: "grafana",
      dir: "/usr/share/grafana/bin",
      cmd: "grafana server --homepath=/usr/share/grafana",
      parent: "run.sh",
      to: [SERVICE_ADDRESSES.prometheus, 9090],
    }),
  },
  {
    rhythm: steady(1),
    places: grafana,
    deed: (dice) => ({
      rule: CONFIG,
      call: "openat",
      proc: "grafana",
      dir: "/usr/share/grafana/bin",
      cmd: "grafana server --homepath=/usr/share/grafana",
      parent: "run.sh",
      file: `/etc/grafana/provisioning/${dice.pick(["datasources", "dashboards"])}/estate.yaml`,
    }),
  },
  {
    rhythm: daily(6),
    places: logAgent,
    deed: (dice) => ({
      rule: LOG_READ,
      call: "openat",
      proc: "log-agent",
      cmd: "log-agent -c /etc/log-agent/agent.conf",
      parent: "containerd-shim",
      file: `/var/log/containers/${dice.pick(["storefront", "cart", "catalogue", "payments-api", "ingress-nginx"])}.log`,
    }),
  },
  {
    rhythm: scheduled(6, 1, 5),
    places: logAgent,
    deed: () => ({
      rule: "Clear Log Activities",
      call: "openat",
      proc: "logrotate",
      dir: "/usr/sbin",
      cmd: "logrotate /etc/logrotate.d/containers",
      parent: "crond",
      flags: "O_TRUNC|O_WRONLY",
      file: "/var/log/containers/rotated.log",
    }),
  },
];

const NODE_HABITS: readonly Habit[] = [
  {
    rhythm: steady(4),
    places: kubeProxy,
    deed: (dice) => {
      const proc = dice.pick(["iptables-restore", "iptables-save"]);
      const cmd = `${proc} -w 5${proc === "iptables-restore" ? " --noflush" : " -t nat"}`;
      const rule = "Estate: packet filter changed";
      return { rule, call: "execve", proc, dir: "/usr/sbin", cmd, parent: "kube-proxy" };
    },
  },
  {
    rhythm: steady(1.5),
    places: watchfloor,
    deed: (dice) => {
      const toApi = dice.next() < 0.5;
      return {
        rule: toApi ? API_CONTACT : KNOWN,
        call: "connect",
        proc: "node",
        dir: "/usr/local/bin",
        cmd: "node /app/supervisor/main.js run",
        parent: "containerd-shim",
        to: toApi ? [SERVICE_ADDRESSES.apiServer, 443] : [SERVICE_ADDRESSES.chat, 8065],
      };
    },
  },
  {
    rhythm: scheduled(8, 1, 5),
    places: nodes,
    deed: (dice) => ({
      rule: "Estate: cron job run",
      call: "execve",
      proc: "sh",
      dir: "/bin",
      cmd: `sh -c ${dice.pick(["run-parts /etc/cron.hourly", "/usr/lib/sysstat/sa1 1 1"])}`,
      parent: "cron",
      grand: "cron",
    }),
  },
  {
    // Shifts change at any hour: an operator's login reads the password file, as it must.
    rhythm: office(1.2),
    places: nodes,
    deed: () => ({
      rule: "Read sensitive file trusted after startup",
      call: "openat",
      proc: "sshd",
      dir: "/usr/sbin",
      cmd: "sshd: ops [priv]",
      parent: "sshd",
      file: "/etc/shadow",
    }),
  },
  {
    rhythm: steady(0.6),
    places: [...placesOf("shop", "session-cache"), ...runner],
    deed: () => ({
      rule: "Container Run as Root User",
      call: "execve",
      proc: "tini",
      dir: "/sbin",
      cmd: "tini -- entrypoint.sh",
      parent: "containerd-shim",
      user: ["root", 0],
    }),
  },
];

/** An operator with a terminal: rare, and by daylight. */
const OPERATOR_HABITS: readonly Habit[] = [
  {
    rhythm: office(0.3),
    places: [...placesOf("shop", "storefront"), ...placesOf("shop", "catalogue")],
    deed: (dice) => ({
      rule: "Terminal shell in container",
      call: "execve",
      proc: "sh",
      dir: "/bin",
      cmd: "sh",
      parent: "containerd-shim",
      terminal: dice.between(0, 2),
    }),
  },
];

export const PLATFORM_HABITS: readonly Habit[] = [
  ...BUILD_HABITS,
  ...EDGE_HABITS,
  ...MONITORING_HABITS,
  ...NODE_HABITS,
  ...OPERATOR_HABITS,
];
