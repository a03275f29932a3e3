/**
 * The boundary of: hostile text and everything else. A model without tools reads it here; what comes
 * out is checked against closed lists, so that only enums, ids and numbers leave. Nothing the model
 * writes becomes a target or a parameter.
 */
import { z } from "zod";
import type { AnalystReading, ClassifyInput } from "../../machines/calls.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json, JsonObject } from "../../machines/protocol.ts";
import type { FalcoEvent, ModelUsage, TechniqueClaim } from "../../machines/vocabulary.ts";
import type { Model, ModelAnswer } from "../../transports/ports.ts";
import { ATTACK_VERSION, isKnown, tacticOf, techniqueOf } from "./attack.ts";
import { IMPACTS, RESPONSES, stronger, weaker, type Response } from "./impact.ts";
import { costOf, type Tokens } from "./prices.ts";
import { promptFor, systemFor } from "./prompt.ts";
import { proposalsFor } from "./proposals.ts";
import { assess, type Assessment } from "./rules-engine.ts";

/** All that can leave. */
export const AnswerSchema = z.strictObject({
  techniques: z.array(z.string().refine(isKnown)).max(16),
  impact: z.enum(IMPACTS),
  response: z.enum(RESPONSES),
  benign: z.boolean(),
  /** Per cent. */
  claim: z.int().min(0).max(100),
  injection: z.boolean(),
});
type Answer = z.output<typeof AnswerSchema>;

export interface QuarantineOptions {
  readonly model: Model;
  /** Id of the model, as its service knows it. */
  readonly modelId: string;
  readonly prompt: string;
  readonly outputSchema: JsonObject;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly traceparent: string;
}

/**
 * One attempt. Throws the model's own errors, and `model_bad_schema`; where tokens were used their
 * `data` is `{ usage: ModelUsage, stopReason }`, so that a bad answer is paid for too.
 */
export async function readInQuarantine(
  input: ClassifyInput,
  evidence: readonly (FalcoEvent | null)[],
  options: QuarantineOptions,
): Promise<AnalystReading> {
  const answered = await ask(input, evidence, options);
  const usage = usageOf(options.modelId, answered);
  return readingOf(input, evidence, checked(answered, usage), usage);
}

async function ask(
  input: ClassifyInput,
  evidence: readonly (FalcoEvent | null)[],
  { model, modelId, prompt, ...request }: QuarantineOptions,
): Promise<ModelAnswer> {
  try {
    return await model.complete({
      ...request,
      model: modelId,
      system: systemFor(prompt, input.repair),
      prompt: promptFor(input, evidence),
      maxTokens: input.maxTokens,
    });
  } catch (error) {
    throw priced(error, modelId);
  }
}

// ---- Cost --------------------------------------------------------------------------------------

/** Priced by the model that was asked for: the one that answers may bear a dated name. */
function usageOf(modelId: string, tokens: Tokens): ModelUsage {
  return {
    engine: "model",
    model: modelId,
    calls: 1,
    inputTokens: tokens.inputTokens,
    outputTokens: tokens.outputTokens,
    costMicroUsd: costOf(modelId, tokens),
  };
}

const SpentSchema = z.object({
  usage: z.object({ inputTokens: z.number(), outputTokens: z.number() }),
  stopReason: z.string().nullable(),
});

/** The same failure with its price, where the adapter knew the tokens. */
function priced(error: unknown, modelId: string): unknown {
  if (!(error instanceof WatchfloorError)) return error;
  const spent = SpentSchema.safeParse(error.data);
  if (!spent.success) return error;
  return new WatchfloorError(error.code, error.fields, {
    cause: error,
    data: spentOn(usageOf(modelId, spent.data.usage), spent.data.stopReason),
    ...(error.retryAfterMs === null ? {} : { retryAfterMs: error.retryAfterMs }),
  });
}

function spentOn(usage: ModelUsage, stopReason: string | null): Json {
  return { usage: { ...usage }, stopReason };
}

// ---- What leaves -------------------------------------------------------------------------------

function checked(answered: ModelAnswer, usage: ModelUsage): Answer {
  const parsed = AnswerSchema.safeParse(jsonOf(answered.text));
  if (parsed.success) return parsed.data;
  // A path of the schema holds our own names and numbers only; keys the model made up are not in it.
  const field = parsed.error.issues[0]?.path.map(String).join(".") ?? "";
  throw new WatchfloorError(
    "model_bad_schema",
    { field: field === "" ? "answer" : field },
    { data: spentOn(usage, answered.stopReason) },
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readingOf(
  input: ClassifyInput,
  evidence: readonly (FalcoEvent | null)[],
  answer: Answer,
  usage: ModelUsage,
): AnalystReading {
  const tables = assess(input, evidence);
  const injectionSuspected =
    answer.injection || input.facts.some((fact) => fact.injectionSuspected);
  const benign = answer.benign && mayBeBenign(answer, tables, injectionSuspected);
  // An answer that contradicts itself or the tables proposes nothing: a person looks.
  const doubtful = answer.benign && !benign;
  const response = doubtful ? "none" : bounded(answer.response, tables, injectionSuspected);
  return {
    attackVersion: ATTACK_VERSION,
    techniques: claims(input, answer.techniques),
    proposals: proposalsFor({
      case: input.case,
      entity: tables.entity,
      benign,
      response,
      impacts: [answer.impact],
      address: tables.address,
    }),
    claim: Math.min(answer.claim, doubtful ? DOUBTFUL_PERCENT_MAX : 100) / 100,
    benign,
    injectionSuspected,
    usage,
  };
}

const DOUBTFUL_PERCENT_MAX = 20;

/** The attacker wishes for nothing more than this word: the tables must not speak against it. */
function mayBeBenign(answer: Answer, tables: Assessment, injectionSuspected: boolean): boolean {
  const serious = stronger(tables.response, "mark") !== "mark";
  return !injectionSuspected && !serious && answer.techniques.length === 0;
}

/** Text that may speak to the model must not make it go further than the tables would. */
function bounded(wanted: Response, tables: Assessment, injectionSuspected: boolean): Response {
  return injectionSuspected ? weaker(wanted, tables.response) : wanted;
}

const EVIDENCE_MAX = 8;

function claims(input: ClassifyInput, ids: readonly string[]): TechniqueClaim[] {
  const evidence = input.facts.slice(0, EVIDENCE_MAX).map((fact) => fact.digest);
  return [...new Set(ids)].flatMap((id) => {
    const technique = techniqueOf(id);
    return technique === null
      ? []
      : [{ id, tactic: tacticOf(technique), because: "model" as const, evidence }];
  });
}
