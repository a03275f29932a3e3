/**
 * The boundary of: a queue that grows and the alerts it may cost. Under load less may be forwarded,
 * so that what is most unusual is still worked in time; it never falls to nothing.
 */
export interface Shedding {
  /** Events that wait; up to here the whole budget may be spent. */
  readonly depthFrom: number;
  /** From here on only the least share of it. */
  readonly depthTo: number;
  /** Of the budget, in (0, 1]; 1 sheds nothing. */
  readonly shareMin: number;
}

/** The budget left at this depth. Falls evenly on a logarithmic scale between the two depths. */
export function shedBudget(
  budget: number,
  { depthFrom, depthTo, shareMin }: Shedding,
  depth: number,
): number {
  if (depth <= depthFrom) return budget;
  const way = Math.min(1, (depth - depthFrom) / (depthTo - depthFrom));
  return budget * shareMin ** way;
}
