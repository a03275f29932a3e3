/**
 * The boundary of: the two ends of the control socket. Where it is, what is said, and what both sides
 * hold each other to.
 */
import { relative } from "node:path";
import { z } from "zod";
import { WatchfloorError } from "../machines/errors.ts";
import type { Json } from "../machines/protocol.ts";
import { CommandSchema } from "./commands.ts";
import { ModelOrderSchema } from "./model-orders.ts";

export const CONTROL_LIMITS = {
  lineBytesMax: 64 * 1024,
  connectionsMax: 16,
  /** From the connection to its request's last byte; then again for the answer. */
  requestMs: 5_000,
  answerMs: 30_000,
} as const;

export const SOCKET = "control.sock";
/** Of `sun_path`, less its end; the smallest of the systems we run on. */
const SOCKET_PATH_BYTES_MAX = 103;
export const PROTOCOL = 1;

/** Of a change of parameters: why it is made. */
export const WHY_CHARS_MAX = 500;

/** The shorter way to write the path: a longer one than the system takes would be cut silently. */
export function socketAddress(path: string): string {
  const candidates = [path, relative(process.cwd(), path)];
  const address = candidates.find(
    (candidate) => Buffer.byteLength(candidate) <= SOCKET_PATH_BYTES_MAX,
  );
  if (address !== undefined) return address;
  const why = `its path is too long for a socket (limit ${SOCKET_PATH_BYTES_MAX} bytes); choose a shorter --data`;
  throw new WatchfloorError("data_unusable", { path, why });
}

/** JSON of any shape. zod's own type lacks the absent values that ours allows. */
const JsonSchema = z.json() as unknown as z.ZodType<Json, Json>;

export const RequestSchema = z.discriminatedUnion("op", [
  z.strictObject({
    op: z.literal("publish"),
    command: CommandSchema,
    as: z.string().max(64).nullable().default(null),
  }),
  z.strictObject({ op: z.literal("status") }),
  z.strictObject({
    op: z.literal("parameters"),
    changes: z
      .array(z.strictObject({ path: z.string().min(1).max(256), value: JsonSchema }))
      .min(1)
      .max(64)
      .readonly(),
    why: z.string().min(1).max(WHY_CHARS_MAX),
    as: z.string().max(64).nullable().default(null),
  }),
  z.strictObject({
    op: z.literal("model"),
    order: ModelOrderSchema,
    why: z.string().min(1).max(WHY_CHARS_MAX),
    as: z.string().max(64).nullable().default(null),
  }),
]);

export type ControlRequest = z.input<typeof RequestSchema>;
