/**
 * The boundary of: what verdicts teach. A candidate is fitted to the baseline and recent rows
 * without those that people called attacks, and serves only if it is no worse than what serves now.
 */
import { WatchfloorError } from "../machines/errors.ts";
import { COLUMNS } from "./features.ts";
import { fitRows, pickRows, scoresOf, type Fitted, type Teaching } from "./fitting.ts";
import type { ForestOptions } from "./forest.ts";
import type { Model } from "./model.ts";
import { calibrate, cutOf, pValueOf } from "./threshold.ts";

/** What a person's answer says of one row; null when nobody answered. */
export type RowLabel = "attack" | "benign" | null;

export interface LabelledRows {
  /** One after another. */
  readonly rows: Float32Array;
  /** One for each row. */
  readonly labels: readonly RowLabel[];
}

export interface ModelFigures {
  /** Share of rows not labelled attack that would be forwarded. */
  readonly alertRate: number;
  /** Mean share of the other rows that an attack row scores above; null without attack rows. */
  readonly attackRank: number | null;
}

export interface ModelComparison {
  readonly serving: ModelFigures;
  readonly candidate: ModelFigures;
  readonly worse: boolean;
}

/** A candidate may lose this much of the mean rank before it counts as worse: noise of the draw. */
const RANK_LOSS_MAX = 0.01;
/** And may alert this many times as often as the larger of the budget and what serves now. */
const ALERT_GAIN_MAX = 1.5;

/**
 * The serving model's memory and workloads with a new forest, which is taught all that people said:
 * the lessons of every retrain before are given again.
 * @throws `row_width`, and what fitting throws
 */
export function fitCandidate(
  serving: Model,
  recent: LabelledRows,
  options: ForestOptions,
  teaching?: Teaching,
): Model {
  checkLabels(recent);
  const kept = recent.labels.flatMap((label, i) => (label === "attack" ? [] : [i]));
  const fresh = pickRows(recent.rows, kept);
  const rows = new Float32Array(serving.rows.length + fresh.length);
  rows.set(serving.rows);
  rows.set(fresh, serving.rows.length);
  return { ...serving, ...fitRows(rows, options, teaching) };
}

/** Both models on the same rows. @throws `row_width` */
export function compareModels(
  serving: Fitted,
  candidate: Fitted,
  on: LabelledRows,
  budget: number,
): ModelComparison {
  checkLabels(on);
  const figures = {
    serving: figuresOf(serving, on, budget),
    candidate: figuresOf(candidate, on, budget),
  };
  const rankLoss = (figures.serving.attackRank ?? 0) - (figures.candidate.attackRank ?? 0);
  const alertsMax = ALERT_GAIN_MAX * Math.max(budget, figures.serving.alertRate);
  const worse = rankLoss > RANK_LOSS_MAX || figures.candidate.alertRate > alertsMax;
  return { ...figures, worse };
}

function figuresOf(model: Fitted, { rows, labels }: LabelledRows, budget: number): ModelFigures {
  const scores = scoresOf(model.full.forest, rows);
  const others = calibrate(scores.filter((_, i) => labels[i] !== "attack"));
  const attacks = scores.filter((_, i) => labels[i] === "attack");
  const cut = cutOf(model.full.calibration, budget);
  const alerts = others.scores.filter(
    (score) => pValueOf(model.full.calibration, score) <= cut,
  ).length;
  // The p-value against the other rows is one minus the rank among them, but for the row itself.
  const ranks = Array.from(attacks, (score) => 1 - pValueOf(others, score));
  const sum = ranks.reduce((total, rank) => total + rank, 0);
  return {
    alertRate: others.scores.length === 0 ? 0 : alerts / others.scores.length,
    attackRank: ranks.length === 0 ? null : sum / ranks.length,
  };
}

function checkLabels({ rows, labels }: LabelledRows): void {
  if (rows.length === labels.length * COLUMNS) return;
  throw new WatchfloorError("row_width", { found: rows.length, wanted: labels.length * COLUMNS });
}
