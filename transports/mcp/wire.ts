/**
 * The boundary of: our failures and a tool result. A failure travels beside the text, under `_meta`,
 * and not as structured content: a client that has read the tool's output schema checks structured
 * content against it even of an error, and would throw the failure away.
 */
import { z } from "zod";
import { ERRORS, WatchfloorError, type ErrorCode } from "../../machines/errors.ts";

export const ERROR_META = "watchfloor.dev/error";
export const IDEMPOTENCY_META = "idempotencyKey";
export const TRACEPARENT_META = "traceparent";

const WireErrorSchema = z.object({
  code: z.string(),
  message: z.string(),
  fields: z.record(z.string(), z.union([z.string().max(300), z.number()])),
  retryAfterMs: z.number().nonnegative().nullable(),
});
type WireError = z.output<typeof WireErrorSchema>;

/** What of an error may leave the server: its code and the fields of its message. */
export function toWire(error: WatchfloorError): WireError {
  const { code, message, fields, retryAfterMs } = error;
  return { code, message, fields: { ...fields }, retryAfterMs };
}

/** The server's own error again, or `tool_error` when it sent none that we know. */
export function fromWire(tool: string, meta: Record<string, unknown> | undefined): WatchfloorError {
  const parsed = WireErrorSchema.safeParse(meta?.[ERROR_META]);
  if (!parsed.success || !isErrorCode(parsed.data.code)) {
    return new WatchfloorError("tool_error", { tool });
  }
  const { code, fields, retryAfterMs } = parsed.data;
  return new WatchfloorError(code, fields, retryAfterMs === null ? {} : { retryAfterMs });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** The place of the first fault, as a path; never the value that was there. */
export function faultPath(error: z.ZodError): string {
  return error.issues[0]?.path.map(String).join(".").slice(0, 100) || "(root)";
}
