/** A small estate with one of everything, for the cluster's tests. */
import type { Action, Target } from "../../../machines/vocabulary.ts";
import { digestOf } from "../../../machines/digest.ts";
import type { Json } from "../../../machines/protocol.ts";
import type { Clock, Cluster, EffectOptions, EffectRequest } from "../../../transports/ports.ts";
import type { EstateInventory } from "../../../transports/kubernetes/estate.ts";
import { openSimulatedCluster } from "../../../transports/kubernetes/simulated.ts";

const FACTS = {
  containers: [{ name: "app" }],
  serviceAccount: "web",
  services: ["web", "web-admin"],
  criticality: "high",
  owner: "team-a",
  customerFacing: true,
} as const;

const ESTATE: EstateInventory = {
  nodes: [{ name: "n-1" }, { name: "n-2" }],
  workloads: [
    {
      ...FACTS,
      namespace: "shop",
      name: "web",
      kind: "Deployment",
      pods: [
        { name: "web-abc-1", node: "n-1" },
        { name: "web-abc-2", node: "n-2" },
        { name: "web-abc-3", node: "n-1" },
        { name: "web-abc-4", node: "n-2" },
      ],
    },
    {
      ...FACTS,
      namespace: "shop",
      name: "cache",
      kind: "StatefulSet",
      services: ["cache"],
      criticality: "low",
      pods: [{ name: "cache-0", node: "n-1" }],
    },
    {
      ...FACTS,
      namespace: "ops",
      name: "agent",
      kind: "DaemonSet",
      services: [],
      serviceAccount: "agent",
      owner: "team-b",
      pods: [
        { name: "agent-x", node: "n-1" },
        { name: "agent-y", node: "n-2" },
      ],
    },
    {
      ...FACTS,
      namespace: "ops",
      name: "debug",
      kind: "Pod",
      services: [],
      serviceAccount: "agent",
      pods: [{ name: "debug", node: "n-2" }],
    },
  ],
};

export const POD: Target = { kind: "pod", namespace: "shop", name: "web-abc-1" };
export const WORKLOAD: Target = { kind: "workload", namespace: "shop", name: "web" };
export const NODE: Target = { kind: "node", name: "n-1" };
export const ACCOUNT: Target = { kind: "service_account", namespace: "shop", name: "web" };

export function action(
  type: Action["type"],
  target: Target,
  params: Action["params"] = {},
): Action {
  return { type, target, params };
}

export const NOON = 1_790_000_000_000;
export const NOON_CLOCK: Pick<Clock, "now"> = { now: () => NOON };

export function openEstate(path: string | null = null, clock = NOON_CLOCK): Promise<Cluster> {
  return openSimulatedCluster({ path, clock, inventory: ESTATE });
}

export function request(wanted: Action, versionExpected: string): EffectRequest {
  const actionDigest = digestOf(wanted as unknown as Json);
  return { action: wanted, actionDigest, versionExpected, decisionId: "d-1" };
}

export function keyed(idempotencyKey: string): EffectOptions & { decisionId: string } {
  return { idempotencyKey, deadline: NOON + 1_000, decisionId: "d-1" };
}

/** Describes, then performs against the version just seen. */
export async function perform(cluster: Cluster, wanted: Action, key: string) {
  const { version } = await cluster.describe(wanted);
  return cluster.perform(request(wanted, version), keyed(key));
}
