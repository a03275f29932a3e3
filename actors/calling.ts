/**
 * The boundary of: a binding and the tool it calls. What the host says of a call, as a tool caller
 * takes it; and what a tool answered, as the machine's types name it.
 */
import type { Json, JsonObject } from "../machines/protocol.ts";
import type { ToolCallOptions } from "../transports/ports.ts";
import type { CallContext } from "./define.ts";

/** A call ends before its binding's own timeout, so that its own error is what is seen. */
const MARGIN_MS_MAX = 250;

export function callOptions(
  context: CallContext,
  idempotencyKey: string = context.idempotencyKey,
): ToolCallOptions {
  const { signal, traceparent, timeoutMs } = context;
  const marginMs = Math.min(MARGIN_MS_MAX, Math.ceil(timeoutMs / 10));
  return { signal, traceparent, idempotencyKey, timeoutMs: Math.max(1, timeoutMs - marginMs) };
}

/** Made by the kind's own machine, or checked by a schema of the same type. */
export function typed<T>(value: Json | JsonObject): T {
  return value as unknown as T;
}

export function asJson(value: object): Json {
  return value as Json;
}

export function asArguments(value: object): JsonObject {
  return value as JsonObject;
}
