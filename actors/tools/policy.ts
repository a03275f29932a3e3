/**
 * The boundary of: whoever needs a verdict and the policy. Read-only: asking changes nothing, and the
 * answer is an escalation whenever the policy cannot give one.
 */
import { z } from "zod";
import type { DecisionPoint } from "../../policies/decision-point.ts";
import { MODES } from "../../machines/vocabulary.ts";
import type { ToolServerSpec } from "../../transports/ports.ts";
import { DecisionSchema, EvaluateInputSchema } from "../schemas.ts";
import { readTool } from "./define.ts";

export interface PolicyServerOptions {
  readonly point: DecisionPoint;
}

const InfoSchema = z.strictObject({
  revision: z.string(),
  parameters: z.string(),
  parametersRevision: z.string(),
  mode: z.enum(MODES),
  killSwitch: z.boolean(),
});

export function policyServer({ point }: PolicyServerOptions): ToolServerSpec {
  return {
    name: "policy",
    version: "1",
    tools: [
      readTool({
        name: "evaluate_action",
        description: "The verdict on one proposed action: auto_execute, auto_reject or escalate.",
        input: EvaluateInputSchema,
        output: DecisionSchema,
        handle: (input, { traceparent }) => point.decide(input, { by: "reviewer", traceparent }),
      }),
      readTool({
        name: "policy_info",
        description: "Which policy and parameters are in force, and in which mode.",
        input: z.strictObject({}),
        output: InfoSchema,
        handle: async () => {
          const { revision, parameters } = point.engine();
          const { mode, killSwitch } = parameters.spec;
          return {
            revision,
            parameters: parameters.name,
            parametersRevision: parameters.revision,
            mode,
            killSwitch,
          };
        },
      }),
    ],
  };
}
