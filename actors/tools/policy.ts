/**
 * The boundary of: whoever needs a verdict and the policy. Read-only: asking changes nothing, and the
 * answer is an escalation whenever the policy cannot give one. What is asked of the policy is fixed
 * here; no caller names a path.
 */
import { z } from "zod";
import { MODES, VERDICTS } from "../../machines/vocabulary.ts";
import type { DecisionEntry } from "../../policies/decision-log.ts";
import type { Asked } from "../../policies/decision-log.ts";
import type { DecisionPoint } from "../../policies/decision-point.ts";
import { EXPLANATIONS } from "../../policies/explanations.ts";
import type { ToolServerSpec } from "../../transports/ports.ts";
import { DecisionSchema, EvaluateInputSchema } from "../schemas.ts";
import { readTool } from "./define.ts";

export interface PolicyServerOptions {
  readonly point: DecisionPoint;
  /** The entry of a decision of this log; null where it has none. */
  readonly find: (decisionId: string) => Promise<DecisionEntry | null>;
  readonly by: Asked["by"];
}

const code = z.string().max(256);

const InfoSchema = z.strictObject({
  revision: z.string(),
  bundleRevision: z.string(),
  parameters: z.string(),
  parametersRevision: z.string(),
  mode: z.enum(MODES),
  killSwitch: z.boolean(),
});

const ExplanationSchema = z.strictObject({
  found: z.boolean(),
  verdict: z.enum(VERDICTS).nullable(),
  decidedAt: z.string().nullable(),
  policyRevision: z.string().nullable(),
  reasons: z.array(z.strictObject({ code, explanation: z.string() })).max(256),
  ruleIds: z.array(code).max(256),
  parametersUsed: z.record(z.string(), z.json()),
});
type Explanation = z.output<typeof ExplanationSchema>;

const NOT_FOUND: Explanation = {
  found: false,
  verdict: null,
  decidedAt: null,
  policyRevision: null,
  reasons: [],
  ruleIds: [],
  parametersUsed: {},
};

/** What is in the log was written from a Decision. */
const logged = z.object({
  verdict: z.enum(VERDICTS),
  policyRevision: z.string(),
  reasons: z.array(code).max(256),
  ruleIds: z.array(code).max(256),
  parametersUsed: z.record(z.string(), z.json()),
});

function explained(entry: DecisionEntry | null): Explanation {
  const parsed = logged.safeParse(entry?.result);
  if (entry === null || !parsed.success) return NOT_FOUND;
  const { reasons, ...result } = parsed.data;
  return {
    found: true,
    decidedAt: entry.timestamp,
    ...result,
    reasons: reasons.map((reason) => ({
      code: reason,
      explanation: EXPLANATIONS[reason] ?? "No explanation is kept for this reason.",
    })),
  };
}

export function policyServer({ point, find, by }: PolicyServerOptions): ToolServerSpec {
  return {
    name: "policy",
    version: "1",
    tools: [
      readTool({
        name: "evaluate_action",
        description: "The verdict on one proposed action: auto_execute, auto_reject or escalate.",
        input: EvaluateInputSchema,
        output: DecisionSchema,
        handle: (input, { traceparent }) => point.decide(input, { by, traceparent }),
      }),
      readTool({
        name: "explain_decision",
        description: "Why an earlier decision was made: its reasons in words, and what it weighed.",
        input: z.strictObject({ decisionId: z.string().regex(/^[A-Za-z0-9-]{1,128}$/) }),
        output: ExplanationSchema,
        handle: async ({ decisionId }) => explained(await find(decisionId)) as never,
      }),
      readTool({
        name: "policy_info",
        description: "Which policy and parameters are in force, and in which mode.",
        input: z.strictObject({}),
        output: InfoSchema,
        handle: async () => {
          const { revision, bundleRevision, parameters } = point.engine();
          const { mode, killSwitch } = parameters.spec;
          return {
            revision,
            bundleRevision,
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
