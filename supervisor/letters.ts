/**
 * The boundary of: an input that cannot be applied and the people who must hear of it. Pure: what a
 * dead letter says, whom it escalates to, and who is told that no answer will come.
 */
import { errorMessage, toFailure, WatchfloorError } from "../machines/errors.ts";
import { sha256 } from "../machines/digest.ts";
import type { FailureData } from "../machines/protocol.ts";
import { askFailure } from "./calls.ts";
import type { ApplyContext, Item } from "./item.ts";
import type { DeadLetter, TurnInput } from "./record.ts";
import { replyDraft, type Draft } from "./turn.ts";

export function refusals(item: Item): Draft[] {
  const replyTo = item.input.input === "envelope" ? item.input.envelope.replyTo : null;
  return replyTo ? [replyDraft({ to: replyTo, error: askFailure("ask_dead", item.actor, 0) })] : [];
}

export function senderOf(item: Item): {
  readonly case: string | null;
  readonly traceparent: string;
} {
  return item.input.input === "envelope"
    ? item.input.envelope
    : { case: null, traceparent: traceOf(eventName(item.input)) };
}

export function deadLetter(context: ApplyContext, item: Item, cause: FailureData): DeadLetter {
  const caseId = item.input.input === "envelope" ? item.input.envelope.case : null;
  const id = `dl-${sha256(`${item.actor}|${JSON.stringify(item.source)}`).slice(0, 12)}`;
  return {
    id,
    actor: item.actor,
    case: caseId,
    input: item.input,
    event: eventName(item.input),
    cause,
    at: context.at,
  };
}

/** A dead letter always reaches people: as a case for its actor, unless such a case is what failed. */
export function escalation(context: ApplyContext, item: Item, letter: DeadLetter): Draft[] {
  if (item.actor.startsWith("coordinator/fault-")) return [];
  const fault = `fault-${sha256(item.actor).slice(0, 12)}`;
  const data = {
    letter: letter.id,
    actor: item.actor,
    case: letter.case,
    code: letter.cause.code,
    at: context.at,
  };
  return [{ to: `coordinator/${fault}`, type: "case.fault", case: fault, data, replyTo: null }];
}

export function eventName(input: TurnInput): string {
  if (input.input === "envelope") return input.envelope.type;
  return input.input === "timer" ? input.timer.name : `result of ${input.call.src}`;
}

export function failureOf(item: Item, error: unknown): FailureData {
  if (error instanceof WatchfloorError) return toFailure(error, item.actor);
  const why = error instanceof Error ? error.name : "error";
  const message = errorMessage("machine_failed", {
    actor: item.actor,
    type: eventName(item.input),
    why,
  });
  return { code: "machine_failed", message, retryable: true, retryAfterMs: null, data: null };
}

function traceOf(id: string): string {
  return `00-${sha256(id).slice(0, 32)}-${sha256(id).slice(32, 48)}-01`;
}
