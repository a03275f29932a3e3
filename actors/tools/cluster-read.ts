/**
 * The boundary of: agents that look and the cluster. Read-only; what leaves is names, numbers and
 * enums of the cluster's own objects.
 */
import { z } from "zod";
import type { Cluster, ToolDefinition, ToolServerSpec } from "../../transports/ports.ts";
import {
  ActionSchema,
  NodeFactsSchema,
  PerformedEffectSchema,
  PodFactsSchema,
  TargetSchema,
  TargetStateSchema,
  WorkloadFactsSchema,
} from "../schemas.ts";
import { readTool } from "./define.ts";

/** The newest effects are told; older ones are in the log. */
const EFFECTS_MAX = 50;

const NamespacedSchema = z.strictObject({
  namespace: z.string().min(1).max(253),
  name: z.string().min(1).max(253),
});

export function clusterReadServer(cluster: Cluster): ToolServerSpec {
  return {
    name: "cluster-read",
    version: "1",
    tools: [describeTarget(cluster), ...objectTools(cluster), listEffects(cluster)],
  };
}

function describeTarget(cluster: Cluster): ToolDefinition {
  return readTool({
    name: "describe_target",
    description:
      "The target of an action as it is now, how far the action would reach, and what it would change.",
    input: z.strictObject({ action: ActionSchema }),
    output: TargetStateSchema,
    handle: ({ action }) => cluster.describe(action),
  });
}

function objectTools(cluster: Cluster): ToolDefinition[] {
  return [
    readTool({
      name: "get_pod",
      description: "One pod: its node, workload, controller and isolation; null if there is none.",
      input: NamespacedSchema,
      output: z.strictObject({ pod: PodFactsSchema.nullable() }),
      handle: async ({ namespace, name }) => ({ pod: await cluster.pod(namespace, name) }),
    }),
    readTool({
      name: "get_workload",
      description:
        "One workload: its replicas, services, owner and network policies; null if there is none.",
      input: NamespacedSchema,
      output: z.strictObject({ workload: WorkloadFactsSchema.nullable() }),
      handle: async ({ namespace, name }) => ({
        workload: await cluster.workload(namespace, name),
      }),
    }),
    readTool({
      name: "get_node",
      description: "One node: whether it is cordoned and what runs on it; null if there is none.",
      input: z.strictObject({ name: z.string().min(1).max(253) }),
      output: z.strictObject({ node: NodeFactsSchema.nullable() }),
      handle: async ({ name }) => ({ node: await cluster.node(name) }),
    }),
  ];
}

function listEffects(cluster: Cluster): ToolDefinition {
  return readTool({
    name: "list_effects",
    description: "What the platform did to a target, oldest first.",
    input: z.strictObject({ target: TargetSchema }),
    output: z.strictObject({ effects: z.array(PerformedEffectSchema).max(EFFECTS_MAX) }),
    handle: async ({ target }) => ({ effects: (await cluster.log(target)).slice(-EFFECTS_MAX) }),
  });
}
