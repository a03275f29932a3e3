/**
 * The boundary of: the detector's machine and what is known of its case. It adds measurements up and
 * asks the history for counts; it never reads an event's text. `retry`: it changes nothing.
 */
import type { GatherInput, RuleCount } from "../../machines/calls.ts";
import type { Json } from "../../machines/protocol.ts";
import {
  PRIORITIES,
  type DetectorReport,
  type EventFacts,
  type FeatureContribution,
  type Priority,
} from "../../machines/vocabulary.ts";
import type { ToolCaller } from "../../transports/ports.ts";
import { asJson, callOptions, typed } from "../calling.ts";
import type { CallContext, ToolBinding } from "../define.ts";
import type { PastCases } from "../tools/history.ts";

export interface DetectorDeps {
  readonly history: ToolCaller;
  /** Events of one case from which on it is a storm; 100 when absent. */
  readonly stormEventsMin?: number;
}

const TIMEOUT_MS = 10_000;
const CONCURRENCY_MAX = 32;
const STORM_EVENTS_MIN = 100;
const FEATURES_MAX = 8;

export function createDetectorCalls(deps: DetectorDeps): Record<"gatherEvidence", ToolBinding> {
  return {
    gatherEvidence: {
      call: "tool",
      recovery: "retry",
      timeoutMs: TIMEOUT_MS,
      concurrencyMax: CONCURRENCY_MAX,
      run: (input, context) => gather(deps, typed(input), context),
    },
  };
}

async function gather(
  { history, stormEventsMin = STORM_EVENTS_MIN }: DetectorDeps,
  input: GatherInput,
  context: CallContext,
): Promise<Json> {
  const request = { entity: input.entity.key, except: input.case };
  const past = typed<PastCases>(await history.call("past_cases", request, callOptions(context)));
  return asJson(reportOf(input, past.cases, stormEventsMin));
}

/** The case as its most unusual event shows it. Without facts nothing is unusual. */
function reportOf(
  { facts, counts }: GatherInput,
  priorCases: number,
  stormEventsMin: number,
): DetectorReport {
  const rarest = rarestOf(facts);
  return {
    pValue: rarest?.pValue ?? 1,
    score: facts.reduce((highest, { score }) => Math.max(highest, score), 0),
    features: strongest(rarest?.features ?? []),
    counts,
    priorCases,
    storm: eventsOf(counts) >= stormEventsMin,
    learning: facts.some(({ learning }) => learning),
    priority: gravest(facts),
  };
}

/** The least p-value; of equals the higher score. */
function rarestOf(facts: readonly EventFacts[]): EventFacts | undefined {
  return facts.toSorted((a, b) => a.pValue - b.pValue || b.score - a.score)[0];
}

function strongest(features: readonly FeatureContribution[]): readonly FeatureContribution[] {
  return features
    .toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
    .slice(0, FEATURES_MAX);
}

function eventsOf(counts: readonly RuleCount[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0);
}

function gravest(facts: readonly EventFacts[]): Priority {
  return PRIORITIES.find((priority) => facts.some((fact) => fact.priority === priority)) ?? "debug";
}
