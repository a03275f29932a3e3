/**
 * The boundary of: back-off arithmetic. Pure; the random number comes in with the event.
 */

export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attemptsMax: number;
  readonly delayMsMin: number;
  readonly delayMsMax: number;
}

/**
 * Exponential back-off with full jitter in its upper half: attempt 1 waits `delayMsMin` at most.
 * A server's own `retry-after` is a floor, not a hint, and is itself bounded by ten times
 * `delayMsMax` so that a hostile or broken server cannot park a case for a day.
 */
export function backoffMs(
  policy: RetryPolicy,
  attempt: number,
  random: number,
  retryAfterMs: number | null = null,
): number {
  const ceiling = Math.min(policy.delayMsMax, policy.delayMsMin * 2 ** Math.max(0, attempt - 1));
  const jittered = ceiling / 2 + (ceiling / 2) * random;
  const floor = Math.min(retryAfterMs ?? 0, policy.delayMsMax * 10);
  return Math.round(Math.max(jittered, floor));
}

export function mayRetry(policy: RetryPolicy, attempts: number, retryable: boolean): boolean {
  return retryable && attempts < policy.attemptsMax;
}
