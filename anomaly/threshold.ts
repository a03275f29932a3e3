/**
 * The boundary of: how unusual a score is. A conformal p-value against held-out scores of ordinary
 * events, and the cut that spends an alert budget. p-values keep their meaning over retraining;
 * raw scores do not.
 *
 * Among n held-out scores the finest p-value is 1 / (n + 1). Beyond the highest of them a tail is
 * fitted to the largest (generalised Pareto, by probability-weighted moments) and says how much
 * rarer still a score is, down to a twentieth of that and no further: scores are bounded and step-
 * wise, and no fit to some dozens of them knows more.
 */

/** Of scores above `from`: how fast they thin out. `share` of all scores lie above it. */
interface Tail {
  readonly from: number;
  readonly share: number;
  readonly shape: number;
  readonly scale: number;
}

export interface Calibration {
  /** Held-out scores, ascending. */
  readonly scores: Float32Array;
  /** null where there are too few scores, or too many equal ones, to fit anything to. */
  readonly tail: Tail | null;
}

const TAIL_SHARE = 0.05;
const TAIL_SCORES_MIN = 25;
const TAIL_SCORES_MAX = 500;
/** A p-value is never finer than this part of what the held-out scores can tell. */
const TAIL_REACH = 1 / 20;
const SHAPE_MAX = 0.5;

export function calibrate(scores: Float32Array): Calibration {
  const ascending = scores.toSorted();
  return { scores: ascending, tail: tailOf(ascending) };
}

/**
 * (1 + number of held-out scores at least this high) / (n + 1), in (0, 1]; for a score above all of
 * them what the tail says, if that is less. Never rises with the score.
 */
export function pValueOf({ scores, tail }: Calibration, score: number): number {
  // Compare as what is stored: a score that equals a held-out one must count as equal.
  const wanted = Math.fround(score);
  let low = 0;
  let high = scores.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (scores[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  const finest = 1 / (scores.length + 1);
  if (low < scores.length || tail === null) return (1 + scores.length - low) / (scores.length + 1);
  return Math.max(finest * TAIL_REACH, Math.min(finest, beyond(tail, wanted)));
}

/**
 * The largest p-value that is novel under a budget (share of ordinary events that may be
 * forwarded). A budget finer than any p-value can be becomes the finest there is, since a cut that
 * nothing can pass would silently switch the gate's alarms off.
 */
export function cutOf({ scores, tail }: Calibration, budget: number): number {
  const finest = 1 / (scores.length + 1);
  return Math.max(budget, tail === null ? finest : finest * TAIL_REACH);
}

/** Share of scores that lie above one in the tail. */
function beyond({ from, share, shape, scale }: Tail, score: number): number {
  const reach = (score - from) / scale;
  if (Math.abs(shape) < 1e-6) return share * Math.exp(-reach);
  return share * Math.max(0, 1 + shape * reach) ** (-1 / shape);
}

function tailOf(ascending: Float32Array): Tail | null {
  const n = ascending.length;
  const count = Math.min(TAIL_SCORES_MAX, Math.floor(n * TAIL_SHARE));
  if (count < TAIL_SCORES_MIN) return null;
  const from = ascending[n - count - 1]!;
  let mean = 0;
  let weighted = 0;
  for (let i = 0; i < count; i += 1) {
    const excess = ascending[n - count + i]! - from;
    mean += excess / count;
    weighted += (excess * (1 - (i + 0.65) / count)) / count;
  }
  const rest = mean - 2 * weighted;
  if (!(weighted > 0 && rest > 0)) return null;
  const shape = Math.max(-SHAPE_MAX, Math.min(SHAPE_MAX, 2 - mean / rest));
  // With the shape held within bounds, the scale that keeps the mean.
  return { from, share: count / n, shape, scale: mean * (1 - shape) };
}
