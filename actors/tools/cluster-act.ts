/**
 * The boundary of: the remediator and the cluster. The one server that changes anything; it is
 * called from `actors/remediator/effects.ts`, which takes nothing but what the policy allowed.
 */
import { z } from "zod";
import { digestOf } from "../../machines/digest.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type {
  Cluster,
  ToolContext,
  ToolDefinition,
  ToolServerSpec,
} from "../../transports/ports.ts";
import { ActionSchema, DryRunSchema, ReceiptSchema, VerificationSchema } from "../schemas.ts";
import { effectTool, readTool } from "./define.ts";

const deadline = z.number().nonnegative();
const decisionId = z.string().min(1).max(256);

const PerformSchema = z.strictObject({
  action: ActionSchema,
  actionDigest: z.string().regex(/^[0-9a-f]{64}$/),
  versionExpected: z.string().min(1).max(256),
  decisionId,
  deadline,
});

const RevertSchema = z.strictObject({ receipt: ReceiptSchema, decisionId, deadline });

export function clusterActServer(cluster: Cluster): ToolServerSpec {
  return {
    name: "cluster-act",
    version: "1",
    tools: [...lookingTools(cluster), perform(cluster), revert(cluster)],
  };
}

function lookingTools(cluster: Cluster): ToolDefinition[] {
  return [
    readTool({
      name: "dry_run",
      description:
        "What an action would change now, without changing it. Fails where performing would.",
      input: z.strictObject({ action: ActionSchema }),
      output: DryRunSchema,
      handle: ({ action }) => cluster.dryRun(action),
    }),
    readTool({
      name: "verify",
      description: "Whether what a receipt proves still holds.",
      input: z.strictObject({ receipt: ReceiptSchema }),
      output: VerificationSchema,
      handle: ({ receipt }) => cluster.verify(receipt),
    }),
    readTool({
      name: "lookup",
      description:
        "The receipt of the effect with an idempotency key; null if it never took effect.",
      input: z.strictObject({ key: z.string().min(1).max(512) }),
      output: z.strictObject({ receipt: ReceiptSchema.nullable() }),
      handle: async ({ key }) => ({ receipt: await cluster.lookup(key) }),
    }),
  ];
}

function perform(cluster: Cluster): ToolDefinition {
  return effectTool({
    name: "perform",
    description: "Performs an allowed action once for its idempotency key, before its deadline.",
    input: PerformSchema,
    output: ReceiptSchema,
    handle: async ({ deadline: until, ...request }, context) => {
      if (digestOf(request.action) !== request.actionDigest) {
        throw badInput("perform", "actionDigest");
      }
      const idempotencyKey = keyOf("perform", context);
      return cluster.perform(request, { idempotencyKey, deadline: until });
    },
  });
}

function revert(cluster: Cluster): ToolDefinition {
  return effectTool({
    name: "revert",
    description: "Undoes what a receipt proves, once for its idempotency key, and nothing else.",
    input: RevertSchema,
    output: ReceiptSchema,
    handle: async ({ receipt, ...terms }, context) =>
      cluster.revert(receipt, {
        idempotencyKey: keyOf("revert", context),
        decisionId: terms.decisionId,
        deadline: terms.deadline,
      }),
  });
}

/** An effect without a key could happen twice: it is refused. */
function keyOf(tool: string, { idempotencyKey }: ToolContext): string {
  if (idempotencyKey === null || idempotencyKey === "") throw badInput(tool, "idempotencyKey");
  return idempotencyKey;
}

function badInput(tool: string, field: string): WatchfloorError {
  return new WatchfloorError("tool_bad_input", { tool, field });
}
