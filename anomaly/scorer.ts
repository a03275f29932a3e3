/**
 * The boundary of: a model and events that nobody works. Each event with its score, its p-value and
 * what drove it, in the order given; the model's memory goes along and is forgotten in the end.
 */
import type { FalcoEvent, FeatureContribution } from "../machines/vocabulary.ts";
import { entityOf } from "./entity.ts";
import { atMsOf, COLUMNS, FEATURES, FeatureExtractor } from "./features.ts";
import type { Model } from "./model.ts";
import { pValueOf } from "./threshold.ts";

export interface Scored {
  /** In (0, 1); higher is more anomalous. */
  readonly score: number;
  /** In (0, 1]: of ordinary events, the share that scores as high. */
  readonly pValue: number;
  /** Those that drove the score most, largest first; contributions in [-1, 1]. */
  readonly features: readonly FeatureContribution[];
}

const TOP_FEATURES = 5;

/** Scores events one after another; Falco's messages about itself have no score. */
export function createScorer(model: Model): (event: FalcoEvent) => Scored | null {
  const extractor = new FeatureExtractor(model.seed);
  extractor.load(model.memory);
  const row = new Float32Array(COLUMNS);
  const { forest, calibration } = model.full;
  return (event) => {
    if (event.internal) return null;
    extractor.measure(event, entityOf(event), atMsOf(event), row);
    const score = forest.scoreOne(row);
    const contributions = forest.explain(row);
    extractor.learn();
    const features = FEATURES.map(({ name }, i) => ({
      name,
      value: rounded(row[i]!),
      contribution: rounded(contributions[i]!),
    }));
    return {
      score: rounded(score),
      pValue: pValueOf(calibration, score),
      features: features.toSorted((a, b) => b.contribution - a.contribution).slice(0, TOP_FEATURES),
    };
  };
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
