/**
 * The boundary of: a tool with its own types and the port that carries any tool. The schemas decide
 * the handler's types, so a handler that answers outside its schema does not compile.
 */
import type { z } from "zod";
import type { JsonObject } from "../../machines/protocol.ts";
import type { ToolContext, ToolDefinition } from "../../transports/ports.ts";

interface TypedTool<I extends z.ZodObject, O extends z.ZodObject> {
  readonly name: string;
  readonly description: string;
  readonly input: I;
  readonly output: O;
  handle(args: z.output<I>, context: ToolContext): Promise<ReadonlyDeep<z.output<O>>>;
}

/** What the vocabulary says of a value: the same, and not to be written to. */
type ReadonlyDeep<T> = JsonObject extends T
  ? T
  : T extends object
    ? { readonly [K in keyof T]: ReadonlyDeep<T[K]> }
    : T;

/** A tool that changes nothing. */
export function readTool<I extends z.ZodObject, O extends z.ZodObject>(
  tool: TypedTool<I, O>,
): ToolDefinition {
  return erased(tool, { readOnly: true, idempotent: true, destructive: false });
}

/** A tool that changes the world once for each idempotency key. */
export function effectTool<I extends z.ZodObject, O extends z.ZodObject>(
  tool: TypedTool<I, O>,
): ToolDefinition {
  return erased(tool, { readOnly: false, idempotent: true, destructive: true });
}

type Hints = Pick<ToolDefinition, "readOnly" | "idempotent" | "destructive">;

/** The server checks arguments against `input` before the handler sees them. */
function erased<I extends z.ZodObject, O extends z.ZodObject>(
  tool: TypedTool<I, O>,
  hints: Hints,
): ToolDefinition {
  return {
    ...tool,
    ...hints,
    handle: async (args, context) =>
      (await tool.handle(args as z.output<I>, context)) as unknown as JsonObject,
  };
}
