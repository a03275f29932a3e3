/**
 * The boundary of: confidence. Computed by code from what the agents reported, never supplied by a
 * model, and only one of the numbers the policy weighs.
 *
 *     calibrated = claim x CALIBRATION[engine]
 *     confidence = calibrated x (1 - AGREEMENT_SHARE x (1 - agreement)) x one penalty for each doubt
 *
 * Agreement is how far the numbers of the gate support the analyst's reading: a rare event of high
 * priority supports "attack" and contradicts "benign".
 */
import type { ReviewFlags } from "./calls.ts";
import { PRIORITIES, type AnalystReport, type ModelUsage, type Priority } from "./vocabulary.ts";

/** How much of a claim of 1 is believed. The table of rules claims by construction, a model by habit. */
const CALIBRATION: Readonly<Record<ModelUsage["engine"], number>> = {
  rules: 1,
  model: 0.95,
};
/** What an analyst that contradicts every number loses. */
const AGREEMENT_SHARE = 0.4;
/** Factors, each for a doubt that code found. */
const PENALTY = {
  evidenceMissing: 0.7,
  schemaRepaired: 0.9,
  identityPartial: 0.9,
  identityMissing: 0.6,
};

/** At or below this a p-value alone calls an event extreme. */
const P_EXTREME = 0.001;

export interface Evidence {
  readonly priority: Priority;
  /** The smallest of the case. */
  readonly pValue: number;
  /** In its learning window novelty says little. */
  readonly learning: boolean;
  readonly identity: "complete" | "partial" | "missing";
}

/** In [0, 1], to three decimals; 0 without a report. */
export function confidenceOf(
  report: AnalystReport | null,
  evidence: Evidence,
  flags: Pick<ReviewFlags, "evidenceMissing" | "schemaRepaired">,
): number {
  if (report === null) return 0;
  const calibrated = unit(report.claim) * CALIBRATION[report.usage.engine];
  const agreement = agreementOf(report.benign, evidence);
  const doubts = [
    flags.evidenceMissing ? PENALTY.evidenceMissing : 1,
    flags.schemaRepaired ? PENALTY.schemaRepaired : 1,
    identityFactor(evidence.identity),
  ];
  const agreed = calibrated * (1 - AGREEMENT_SHARE * (1 - agreement));
  return round(doubts.reduce((product, factor) => product * factor, agreed));
}

/** How far the numbers support the reading, in [0, 1]. */
export function agreementOf(benign: boolean, evidence: Evidence): number {
  const alarm = Math.max(rarityOf(evidence), severityOf(evidence.priority));
  return benign ? 1 - alarm : alarm;
}

/** The analyst and the numbers say opposite things: a person's business, whatever the confidence. */
export function disagree(report: AnalystReport | null, evidence: Evidence): boolean {
  if (report === null) return false;
  const extreme = evidence.pValue <= P_EXTREME && !evidence.learning;
  if (report.benign) return extreme || severityOf(evidence.priority) >= severityOf("critical");
  return evidence.pValue > 0.5 && severityOf(evidence.priority) <= severityOf("informational");
}

/** 0 for an ordinary event, 1 for one in a thousand. */
function rarityOf({ pValue, learning }: Evidence): number {
  const rarity = pValue > 0 ? unit(Math.log10(pValue) / Math.log10(P_EXTREME)) : 1;
  return learning ? rarity / 2 : rarity;
}

/** 1 for emergency, 0 for debug, in equal steps. */
function severityOf(priority: Priority): number {
  return 1 - PRIORITIES.indexOf(priority) / (PRIORITIES.length - 1);
}

function identityFactor(identity: Evidence["identity"]): number {
  if (identity === "complete") return 1;
  return identity === "partial" ? PENALTY.identityPartial : PENALTY.identityMissing;
}

function unit(value: number): number {
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0;
}

function round(value: number): number {
  return Math.round(unit(value) * 1_000) / 1_000;
}
