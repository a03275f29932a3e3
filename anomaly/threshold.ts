/**
 * The boundary of: how unusual a score is. A conformal p-value against held-out scores of ordinary
 * events, and the cut that spends an alert budget. p-values keep their meaning over retraining;
 * raw scores do not.
 */

/** Held-out scores, ascending. */
export type Calibration = Float32Array;

export function calibrate(scores: Float32Array): Calibration {
  return scores.toSorted();
}

/** (1 + number of held-out scores at least this high) / (n + 1), in (0, 1]. */
export function pValueOf(calibration: Calibration, score: number): number {
  // Compare as what is stored: a score that equals a held-out one must count as equal.
  const wanted = Math.fround(score);
  let low = 0;
  let high = calibration.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (calibration[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return (1 + calibration.length - low) / (calibration.length + 1);
}

/**
 * The largest p-value that is novel under a budget (share of ordinary events that may be
 * forwarded). A budget finer than the calibration can tell becomes the finest it can, since a cut
 * that nothing can pass would silently switch the gate's alarms off.
 */
export function cutOf(calibration: Calibration, budget: number): number {
  return Math.max(budget, 1 / (calibration.length + 1));
}
