/**
 * The boundary of: the simulated estate. The sample day happens to these workloads, and the
 * simulated cluster acts on the same ones, so that a verdict of the sample has a target.
 */

interface SamplePod {
  readonly name: string;
  readonly node: string;
}

interface SampleContainer {
  readonly name: string;
  /** `repository:tag` */
  readonly image: string;
}

interface SampleWorkload {
  readonly namespace: string;
  readonly name: string;
  readonly kind: "Deployment" | "StatefulSet" | "DaemonSet";
  readonly replicas: number;
  readonly pods: readonly SamplePod[];
  readonly containers: readonly SampleContainer[];
  readonly serviceAccount: string;
  /** Services whose endpoints these pods are. */
  readonly services: readonly string[];
  readonly criticality: "low" | "medium" | "high";
  readonly owner: string;
  readonly customerFacing: boolean;
}

interface SampleNode {
  readonly name: string;
  /** `namespace/name` of the pods placed on it. */
  readonly pods: readonly string[];
}

export interface SampleInventory {
  readonly nodes: readonly SampleNode[];
  readonly workloads: readonly SampleWorkload[];
}

const CONTROL_NODE = "control-1";
const WORKER_NODES = ["worker-1", "worker-2", "worker-3", "worker-4"] as const;
const ALL_NODES = [CONTROL_NODE, ...WORKER_NODES] as const;

/** The letters Kubernetes makes its suffixes of: no vowels, nothing that reads like another. */
const SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

/** FNV-1a, then a xorshift a letter: names come from the workload's own name, so they stay over releases. */
function suffixOf(seed: string, length: number): string {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(seed)) state = Math.imul(state ^ byte, 0x01000193);
  let suffix = "";
  while (suffix.length < length) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    suffix += SUFFIX_LETTERS[(state >>> 0) % SUFFIX_LETTERS.length] ?? "b";
  }
  return suffix;
}

type Plan = Omit<SampleWorkload, "replicas" | "pods"> & { readonly on: readonly string[] };

function podName(plan: Plan, index: number): string {
  const seed = `${plan.namespace}/${plan.name}`;
  if (plan.kind === "StatefulSet") return `${plan.name}-${index}`;
  const own = suffixOf(`${seed}#${index}`, 5);
  return plan.kind === "DaemonSet"
    ? `${plan.name}-${own}`
    : `${plan.name}-${suffixOf(seed, 9)}-${own}`;
}

function place({ on, ...facts }: Plan): SampleWorkload {
  const pods = on.map((node, index) => ({ name: podName({ on, ...facts }, index), node }));
  return { ...facts, replicas: pods.length, pods };
}

const [W1, W2, W3, W4] = WORKER_NODES;

const SHOP: readonly Plan[] = [
  {
    namespace: "shop",
    name: "storefront",
    kind: "Deployment",
    on: [W1, W2, W3],
    containers: [{ name: "storefront", image: "registry.example/shop/storefront:4.12.1" }],
    serviceAccount: "storefront",
    services: ["storefront"],
    criticality: "high",
    owner: "team-shop",
    customerFacing: true,
  },
  {
    namespace: "shop",
    name: "cart",
    kind: "Deployment",
    on: [W2, W3],
    containers: [{ name: "cart", image: "registry.example/shop/cart:2.8.0" }],
    serviceAccount: "cart",
    services: ["cart"],
    criticality: "medium",
    owner: "team-shop",
    customerFacing: true,
  },
  {
    namespace: "shop",
    name: "catalogue",
    kind: "Deployment",
    on: [W1, W4],
    containers: [{ name: "catalogue", image: "registry.example/shop/catalogue:3.3.7" }],
    serviceAccount: "catalogue",
    services: ["catalogue"],
    criticality: "medium",
    owner: "team-shop",
    customerFacing: true,
  },
  {
    namespace: "shop",
    name: "session-cache",
    kind: "StatefulSet",
    on: [W4],
    containers: [{ name: "redis", image: "docker.io/library/redis:7.2.5" }],
    serviceAccount: "default",
    services: ["session-cache"],
    criticality: "medium",
    owner: "team-shop",
    customerFacing: false,
  },
];

const PAYMENTS: readonly Plan[] = [
  {
    namespace: "payments",
    name: "payments-api",
    kind: "Deployment",
    on: [W1, W2, W4],
    containers: [
      { name: "payments-api", image: "registry.example/payments/api:7.1.4" },
      { name: "envoy", image: "docker.io/envoyproxy/envoy:v1.31.2" },
    ],
    serviceAccount: "payments-api",
    services: ["payments-api", "payments-callback"],
    criticality: "high",
    owner: "team-payments",
    customerFacing: true,
  },
  {
    namespace: "payments",
    name: "ledger-db",
    kind: "StatefulSet",
    on: [W3, W4],
    containers: [{ name: "postgres", image: "docker.io/library/postgres:16.4" }],
    serviceAccount: "ledger-db",
    services: ["ledger-db"],
    criticality: "high",
    owner: "team-payments",
    customerFacing: false,
  },
];

const BACK_OFFICE: readonly Plan[] = [
  {
    namespace: "batch",
    name: "report-builder",
    kind: "Deployment",
    on: [W3, W4],
    containers: [{ name: "report-builder", image: "registry.example/batch/report-builder:1.9.2" }],
    serviceAccount: "report-builder",
    services: [],
    criticality: "low",
    owner: "team-data",
    customerFacing: false,
  },
  {
    namespace: "batch",
    name: "db-backup",
    kind: "Deployment",
    on: [W3],
    containers: [{ name: "db-backup", image: "registry.example/batch/db-backup:1.4.0" }],
    serviceAccount: "db-backup",
    services: [],
    criticality: "medium",
    owner: "team-data",
    customerFacing: false,
  },
  {
    namespace: "ci",
    name: "runner",
    kind: "Deployment",
    on: [W1, W3],
    containers: [{ name: "runner", image: "registry.example/ci/runner:2.320.0" }],
    serviceAccount: "ci-runner",
    services: [],
    criticality: "low",
    owner: "team-platform",
    customerFacing: false,
  },
];

const PLATFORM: readonly Plan[] = [
  {
    namespace: "edge",
    name: "ingress-nginx",
    kind: "DaemonSet",
    on: [W1, W2],
    containers: [{ name: "controller", image: "registry.example/edge/ingress-nginx:1.11.3" }],
    serviceAccount: "ingress-nginx",
    services: ["ingress-nginx"],
    criticality: "high",
    owner: "team-platform",
    customerFacing: true,
  },
  {
    namespace: "monitoring",
    name: "prometheus",
    kind: "StatefulSet",
    on: [W2],
    containers: [{ name: "prometheus", image: "registry.example/monitoring/prometheus:2.54.1" }],
    serviceAccount: "prometheus",
    services: ["prometheus"],
    criticality: "medium",
    owner: "team-platform",
    customerFacing: false,
  },
  {
    namespace: "monitoring",
    name: "grafana",
    kind: "Deployment",
    on: [W4],
    containers: [{ name: "grafana", image: "docker.io/grafana/grafana:11.2.0" }],
    serviceAccount: "grafana",
    services: ["grafana"],
    criticality: "low",
    owner: "team-platform",
    customerFacing: false,
  },
  {
    namespace: "monitoring",
    name: "log-agent",
    kind: "DaemonSet",
    on: WORKER_NODES,
    containers: [{ name: "log-agent", image: "registry.example/monitoring/log-agent:3.1.6" }],
    serviceAccount: "log-agent",
    services: [],
    criticality: "low",
    owner: "team-platform",
    customerFacing: false,
  },
];

/** What the platform and the cluster live on: an action on these always goes to a person. */
const PROTECTED: readonly Plan[] = [
  {
    namespace: "kube-system",
    name: "coredns",
    kind: "Deployment",
    on: [W1, W2],
    containers: [{ name: "coredns", image: "registry.example/kube/coredns:v1.11.3" }],
    serviceAccount: "coredns",
    services: ["kube-dns"],
    criticality: "high",
    owner: "team-platform",
    customerFacing: false,
  },
  {
    namespace: "kube-system",
    name: "kube-proxy",
    kind: "DaemonSet",
    on: ALL_NODES,
    containers: [{ name: "kube-proxy", image: "registry.example/kube/kube-proxy:v1.31.1" }],
    serviceAccount: "kube-proxy",
    services: [],
    criticality: "high",
    owner: "team-platform",
    customerFacing: false,
  },
  {
    namespace: "watchfloor",
    name: "watchfloor",
    kind: "StatefulSet",
    on: [W3, W4],
    containers: [{ name: "watchfloor", image: "registry.example/watchfloor/watchfloor:0.1.0" }],
    serviceAccount: "watchfloor",
    services: ["watchfloor"],
    criticality: "high",
    owner: "team-security",
    customerFacing: false,
  },
  {
    namespace: "watchfloor",
    name: "falco",
    kind: "DaemonSet",
    on: ALL_NODES,
    containers: [{ name: "falco", image: "docker.io/falcosecurity/falco:0.44.0" }],
    serviceAccount: "falco",
    services: [],
    criticality: "high",
    owner: "team-security",
    customerFacing: false,
  },
];

const WORKLOADS: readonly SampleWorkload[] = [
  ...SHOP,
  ...PAYMENTS,
  ...BACK_OFFICE,
  ...PLATFORM,
  ...PROTECTED,
].map(place);

function podsOn(node: string): readonly string[] {
  return WORKLOADS.flatMap(({ namespace, pods }) =>
    pods.filter((pod) => pod.node === node).map((pod) => `${namespace}/${pod.name}`),
  );
}

/** 13 ordinary workloads over six namespaces, and the four the cluster and the platform live on. */
export const INVENTORY: SampleInventory = {
  nodes: ALL_NODES.map((name) => ({ name, pods: podsOn(name) })),
  workloads: WORKLOADS,
};
