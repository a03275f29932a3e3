/**
 * The boundary of: the inventory and where a sample event happens. A place is one container of one
 * pod, or a node itself.
 */
import { sha256 } from "../../machines/digest.ts";
import { INVENTORY } from "./inventory.ts";

export interface Place {
  readonly node: string;
  readonly ip: string;
  /** Who its processes run as; Falco has no name for an id the image does not list. */
  readonly user: readonly [name: string | null, uid: number];
  /** null on the node itself. */
  readonly container: {
    readonly id: string;
    readonly name: string;
    readonly repository: string;
    readonly tag: string;
    readonly privileged: boolean;
    readonly namespace: string;
    readonly pod: string;
    readonly workload: string;
  } | null;
}

const ROOT: Place["user"] = ["root", 0];
const USERS: Readonly<Record<string, Place["user"]>> = {
  storefront: ["node", 1000],
  cart: [null, 10001],
  catalogue: ["app", 1001],
  redis: ["redis", 999],
  "payments-api": [null, 10001],
  envoy: ["envoy", 101],
  postgres: ["postgres", 70],
  controller: ["www-data", 101],
  prometheus: ["nobody", 65534],
  grafana: ["grafana", 472],
  coredns: [null, 65532],
  watchfloor: [null, 10001],
};
/** Containers that need the node: builds, collectors, and what the cluster itself is made of. */
const PRIVILEGED = new Set(["runner", "log-agent", "kube-proxy", "falco"]);

/** The container's place in every pod of its workload. */
export function placesOf(
  namespace: string,
  workload: string,
  container?: string,
): readonly Place[] {
  const facts = INVENTORY.workloads.find(
    (known) => known.namespace === namespace && known.name === workload,
  );
  const found = facts?.containers.find(({ name }) => container === undefined || name === container);
  if (facts === undefined || found === undefined) {
    throw new RangeError(`the inventory has no ${namespace}/${workload}`);
  }
  const cut = found.image.lastIndexOf(":");
  return facts.pods.map((pod) => ({
    node: pod.node,
    ip: addressOf(pod.node, pod.name),
    user: USERS[found.name] ?? ROOT,
    container: {
      id: sha256(`${pod.name}/${found.name}`).slice(0, 12),
      name: found.name,
      repository: found.image.slice(0, cut),
      tag: found.image.slice(cut + 1),
      privileged: PRIVILEGED.has(found.name),
      namespace,
      pod: pod.name,
      workload,
    },
  }));
}

export function nodePlaces(): readonly Place[] {
  return INVENTORY.nodes.map(({ name }, index) => ({
    node: name,
    ip: `10.0.1.${10 + index}`,
    user: ROOT,
    container: null,
  }));
}

/** `namespace/workload/container`, or `host/<node>`. */
export function entityOf({ node, container }: Place): string {
  if (container === null) return `host/${node}`;
  return `${container.namespace}/${container.workload}/${container.name}`;
}

/** Pods have an address of their node's range; the last number comes of the name. */
function addressOf(node: string, pod: string): string {
  const range = INVENTORY.nodes.findIndex(({ name }) => name === node);
  return `10.42.${range}.${2 + (Number.parseInt(sha256(pod).slice(0, 4), 16) % 250)}`;
}
