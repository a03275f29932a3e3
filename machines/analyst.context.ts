/**
 * The boundary of: what an analyst knows while it reads. Attempts, their failures and what they
 * cost, as pure functions; the chart beside it says what follows from which failure.
 */
import type { AnalyseQuestion, AnalystReading, ClassifyInput } from "./calls.ts";
import type { CallFailure, FailureData, Json, Reply, ReplyTo } from "./protocol.ts";
import type { RetryPolicy } from "./retry.ts";
import { asJson, failureData, FRESH_STEP, ownFailure, stepFailed, type Step } from "./step.ts";
import { NO_USAGE, type AnalystReport, type ModelUsage } from "./vocabulary.ts";

/** Attempts at the model in all, whatever made them fail. */
export const MODEL_RETRY: RetryPolicy = { attemptsMax: 4, delayMsMin: 1_000, delayMsMax: 30_000 };
/** Answers that ask for a tool it does not have; one more, and it will not stop asking. */
const TOOL_ASKS_MAX = 2;
export const MAX_TOKENS_START = 2_048;
export const MAX_TOKENS_LIMIT = 8_192;

export interface AnalystContext {
  readonly replyTo: ReplyTo;
  readonly question: AnalyseQuestion | null;
  /** Attempts at the model. */
  readonly model: Step;
  /** Attempts at the table, which stands in for it. */
  readonly rules: Step;
  readonly maxTokens: number;
  readonly repair: boolean;
  readonly failures: readonly FailureData[];
  /** What the failed attempts cost. */
  readonly spent: ModelUsage;
}

export function analystContext(replyTo: ReplyTo): AnalystContext {
  return {
    replyTo,
    question: null,
    model: FRESH_STEP,
    rules: FRESH_STEP,
    maxTokens: MAX_TOKENS_START,
    repair: false,
    failures: [],
    spent: NO_USAGE,
  };
}

/** The input of one attempt. The engine and the budget are the analyst's business, not the model's. */
export function classifyInput(context: AnalystContext): ClassifyInput {
  const {
    engine: _engine,
    tokensMax: _tokensMax,
    ...evidence
  } = context.question as AnalyseQuestion;
  return { ...evidence, maxTokens: context.maxTokens, repair: context.repair };
}

/** A failed attempt at the model: counted, kept for the case, and paid for. */
export function modelFailed(context: AnalystContext, error: CallFailure): Partial<AnalystContext> {
  return {
    model: stepFailed(MODEL_RETRY, context.model, error),
    failures: [...context.failures, failureData(error)],
    spent: addUsage(context.spent, usageOf(error.data)),
  };
}

export function budgetSpent(context: AnalystContext): Partial<AnalystContext> {
  const what = tokensLeft(context) ? "attempts" : "tokens";
  return { failures: [...context.failures, ownFailure("budget_spent", { what })] };
}

export function toolLooped({ failures }: AnalystContext): Partial<AnalystContext> {
  return { failures: [...failures, ownFailure("model_tool_loop", { limit: TOOL_ASKS_MAX })] };
}

/** It asked for a tool again and again. */
export function loopsOverTools({ failures }: AnalystContext): boolean {
  return failures.filter(({ code }) => code === "model_tool_asked").length > TOOL_ASKS_MAX;
}

export function tokensLeft(context: AnalystContext): boolean {
  const { inputTokens, outputTokens } = context.spent;
  return inputTokens + outputTokens < (context.question?.tokensMax ?? 0);
}

export function attemptsLeft(context: AnalystContext): boolean {
  return context.model.attempts < MODEL_RETRY.attemptsMax;
}

export function mayGrow(context: AnalystContext): boolean {
  return context.maxTokens < MAX_TOKENS_LIMIT;
}

/** The answer to the coordinator: the reading, and everything it took to get it. */
export function reported(context: AnalystContext, reading: AnalystReading): Reply {
  const byModel = reading.usage.engine === "model";
  const total = addUsage(context.spent, reading.usage);
  const report: AnalystReport = {
    ...reading,
    usage: {
      ...total,
      engine: reading.usage.engine,
      model: reading.usage.model ?? context.spent.model,
    },
    schemaRepaired: byModel && context.repair,
    failures: context.failures,
  };
  return { to: context.replyTo, output: asJson(report) };
}

export function addUsage(a: ModelUsage, b: ModelUsage): ModelUsage {
  return {
    engine: b.engine,
    model: b.model ?? a.model,
    calls: a.calls + b.calls,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    costMicroUsd: a.costMicroUsd + b.costMicroUsd,
  };
}

/** `data.usage` of a failed attempt. What is absent or no number costs nothing but the call. */
function usageOf(data: Json): ModelUsage {
  const usage = member(data, "usage");
  const model = member(usage, "model");
  return {
    engine: "model",
    model: typeof model === "string" ? model : null,
    calls: 1,
    inputTokens: count(member(usage, "inputTokens")),
    outputTokens: count(member(usage, "outputTokens")),
    costMicroUsd: count(member(usage, "costMicroUsd")),
  };
}

function member(value: Json, key: string): Json {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  return (value as Readonly<Record<string, Json | undefined>>)[key] ?? null;
}

function count(value: Json): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}
