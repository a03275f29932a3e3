/**
 * The boundary of: this room and its users. What is not named here is nobody else's.
 */
export {
  DriftMonitor,
  STATISTICS,
  type DriftCause,
  type DriftOptions,
  type DriftWindow,
} from "./drift.ts";
export { entityOf, safeRule, safeSource, tagTechniques, workloadKey } from "./entity.ts";
export { FEATURES } from "./features.ts";
export { influencesIn, type Teaching } from "./fitting.ts";
export { fitForest, loadForest, saveForest, type Forest, type ForestOptions } from "./forest.ts";
export type { Influence, Lesson } from "./lessons.ts";
export type { RuleGaps } from "./gaps.ts";
export { injectionSuspected } from "./injection.ts";
export {
  loadModel,
  rowsOf,
  saveModel,
  trainModel,
  type Model,
  type TrainOptions,
} from "./model.ts";
export {
  compareModels,
  fitCandidate,
  type LabelledRows,
  type ModelComparison,
  type ModelFigures,
  type RowLabel,
} from "./retrain.ts";
export { createScorer, type Scored } from "./scorer.ts";
export {
  createScreener,
  type ScoredEvent,
  type ScreenedItem,
  type Screener,
  type ScreenerOptions,
  type Screening,
  type SourceEvent,
} from "./screener.ts";
export { cutOf, pValueOf, type Calibration } from "./threshold.ts";
