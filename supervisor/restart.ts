/**
 * The boundary of: what to do after a failed turn. Pure; the shard does what it says.
 */
import { backoffMs, type RetryPolicy } from "../machines/retry.ts";

export interface RestartPolicy extends RetryPolicy {
  /** More failures of one actor than this within the period, and it is set aside. */
  readonly intensityMax: number;
  readonly periodMs: number;
}

export const RESTART: RestartPolicy = {
  attemptsMax: 3,
  delayMsMin: 100,
  delayMsMax: 5_000,
  intensityMax: 10,
  periodMs: 60_000,
};

export type RestartAction =
  | { readonly do: "retry"; readonly delayMs: number }
  | { readonly do: "dead_letter" }
  | { readonly do: "set_aside" };

/**
 * @param failedAt times (ms) of the actor's failures, this one last.
 * @param attempts how often this envelope was tried, this time included.
 */
export function decideRestart(
  policy: RestartPolicy,
  failedAt: readonly number[],
  attempts: number,
  retryable: boolean,
  random: number,
): RestartAction {
  const now = failedAt.at(-1) ?? 0;
  const recent = failedAt.filter((at) => at > now - policy.periodMs).length;
  if (recent > policy.intensityMax) return { do: "set_aside" };
  if (!retryable || attempts >= policy.attemptsMax) return { do: "dead_letter" };
  return { do: "retry", delayMs: backoffMs(policy, attempts, random) };
}

/** Failures worth remembering: those within the period, and no more than decide anything. */
export function rememberFailure(
  policy: RestartPolicy,
  failedAt: readonly number[],
  now: number,
): number[] {
  return [...failedAt.filter((at) => at > now - policy.periodMs), now].slice(
    -(policy.intensityMax + 1),
  );
}
