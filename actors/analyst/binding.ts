/**
 * The boundary of: the analyst's machine and its two engines. Both are `retry`: a reading has no
 * effect, and asking twice costs tokens and nothing else.
 */
import type { ClassifyInput } from "../../machines/calls.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Json } from "../../machines/protocol.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import type { Model } from "../../transports/ports.ts";
import type { CallContext, ToolBinding } from "../define.ts";
import { schemaOf, tighten, type AgentResource } from "../resources.ts";
import { readInQuarantine } from "./quarantine.ts";
import { classifyByRules } from "./rules-engine.ts";

export interface AnalystOptions {
  /** Events by digest, in order; null for one that is no longer kept. */
  readonly evidence: (digests: readonly string[]) => Promise<(FalcoEvent | null)[]>;
  /** Null where no model is configured: then `classify` fails with `model_absent`. */
  readonly model: Model | null;
  readonly resource: AgentResource;
  /** Takes the place of the resource's model. */
  readonly modelId?: string | null;
  /** Of one call of the model; it can only be shorter than the tool's and the resource's own. */
  readonly modelTimeoutMs?: number;
}

const CLASSIFY_TIMEOUT_MS = 60_000;
const RULES_TIMEOUT_MS = 10_000;
/** A hung answer holds one of these until its timeout; the others go on. */
const MODEL_CALLS_MAX = 64;
const RULES_CALLS_MAX = 16;
/** The attempt ends before its call does, so that its own error, with its cost, is what is seen. */
const MARGIN_MS_MAX = 500;

export function createAnalystCalls(
  options: AnalystOptions,
): Record<"classify" | "classifyByRules", ToolBinding> {
  const { resource } = options;
  return {
    classify: tighten(
      "classify",
      {
        call: "tool",
        recovery: "retry",
        timeoutMs: Math.min(CLASSIFY_TIMEOUT_MS, options.modelTimeoutMs ?? CLASSIFY_TIMEOUT_MS),
        concurrencyMax: MODEL_CALLS_MAX,
        run: (input, context) => classify(options, asInput(input), context),
      },
      resource,
    ),
    classifyByRules: tighten(
      "classifyByRules",
      {
        call: "tool",
        recovery: "retry",
        timeoutMs: RULES_TIMEOUT_MS,
        concurrencyMax: RULES_CALLS_MAX,
        run: (input) => byRules(options, asInput(input)),
      },
      resource,
    ),
  };
}

/** Made by the analyst's own machine, whose types say so. */
function asInput(input: Json): ClassifyInput {
  return input as unknown as ClassifyInput;
}

async function byRules({ evidence }: AnalystOptions, input: ClassifyInput): Promise<Json> {
  return asJson(classifyByRules(input, await eventsOf(evidence, input)));
}

async function classify(
  { evidence, model, resource, modelId }: AnalystOptions,
  input: ClassifyInput,
  { timeoutMs, signal, traceparent }: CallContext,
): Promise<Json> {
  const outputSchema = schemaOf(resource);
  if (model === null || resource.model === null) throw new WatchfloorError("model_absent");
  if (resource.prompt === null || outputSchema === null) throw lacking(resource);
  const tokensMax = resource.limits.tokens ?? Infinity;
  const reading = await readInQuarantine(
    { ...input, maxTokens: Math.min(input.maxTokens, tokensMax) },
    await eventsOf(evidence, input),
    {
      model,
      modelId: modelId ?? resource.model.id,
      prompt: resource.prompt,
      outputSchema,
      timeoutMs: Math.max(1, timeoutMs - Math.min(MARGIN_MS_MAX, Math.ceil(timeoutMs / 10))),
      signal,
      traceparent,
    },
  );
  return asJson(reading);
}

function eventsOf(
  evidence: AnalystOptions["evidence"],
  input: ClassifyInput,
): Promise<(FalcoEvent | null)[]> {
  return evidence(input.facts.map((fact) => fact.digest));
}

function lacking(resource: AgentResource): WatchfloorError {
  const field = resource.prompt === null ? "spec.prompt" : "spec.outputSchema";
  return new WatchfloorError("resource_invalid", {
    path: resource.path,
    field,
    rule: "is needed beside spec.model",
  });
}

function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
