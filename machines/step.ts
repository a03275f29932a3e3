/**
 * The boundary of: one tool call with its retries, as the machines count it. A step is plain data in
 * the context; the states around a call (`assessing`, `backingOff`, `timedOut`) only read it.
 */
import type { ActorAddress, CallFailure, FailureData, Json, ReplyTo } from "./protocol.ts";
import { ERRORS, errorMessage, type ErrorCode, type ErrorFields } from "./errors.ts";
import { backoffMs, mayRetry, type RetryPolicy } from "./retry.ts";

export interface Step {
  /** Attempts that failed so far. */
  readonly attempts: number;
  /** What the next wait lasts. */
  readonly delayMs: number;
  readonly failure: FailureData | null;
}

export const FRESH_STEP: Step = { attempts: 0, delayMs: 0, failure: null };

/** For tools inside the platform: the policy, the cluster, the history, the model of the gate. */
export const TOOL_RETRY: RetryPolicy = { attemptsMax: 4, delayMsMin: 500, delayMsMax: 30_000 };

/** The step after one more failure. */
export function stepFailed(policy: RetryPolicy, step: Step, error: CallFailure): Step {
  const attempts = step.attempts + 1;
  return {
    attempts,
    delayMs: backoffMs(policy, attempts, error.random, error.retryAfterMs),
    failure: failureData(error),
  };
}

/** May the call that failed last be made once more? */
export function stepMayRetry(policy: RetryPolicy, step: Step): boolean {
  return step.failure !== null && mayRetry(policy, step.attempts, step.failure.retryable);
}

export function stepTimedOut(step: Step): boolean {
  return step.failure?.code === "call_timeout";
}

/** What an `onDone` and an `onError` event carry. */
export interface Answered<V> {
  readonly output: { readonly value: V };
}
export interface Failed {
  readonly error: unknown;
}

export function failureOf(event: Failed): CallFailure {
  return event.error as CallFailure;
}

/** A failure without the host's meta, as it is stored and sent. */
export function failureData(error: FailureData): FailureData {
  const { code, message, retryable, retryAfterMs, data } = error;
  return { code, message, retryable, retryAfterMs, data };
}

/** A failure that a machine found by itself. */
export function ownFailure(code: ErrorCode, fields: ErrorFields): FailureData {
  const { retryable } = ERRORS[code];
  return { code, message: errorMessage(code, fields), retryable, retryAfterMs: null, data: null };
}

/** The failure of an exhausted step; a step that never failed is a fault of the machine. */
export function lastFailure(step: Step, tool: string): FailureData {
  return step.failure ?? ownFailure("call_failed", { tool, why: "no attempt was made" });
}

/** Where answers go before anyone asked: to oneself, under a call id that is never outstanding. */
export function nobody(address: ActorAddress): ReplyTo {
  return { actor: address, callId: "" };
}

/** A typed value as JSON. Every type of this room is plain JSON; the tests of the machines hold it to that. */
export function asJson(value: object | string | number | boolean | null): Json {
  return value as Json;
}

/** The code of a step's last failure, as a reason. */
export function reasonOf(step: Step): string {
  return step.failure?.code ?? "call_failed";
}
