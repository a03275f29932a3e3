/**
 * The boundary of: the notifier's machine and wherever people read. `retry`: a sink knows a repeat
 * by the notice's id.
 */
import type { NoticeSink } from "../../transports/ports.ts";
import { typed } from "../calling.ts";
import type { ToolBinding } from "../define.ts";

const TIMEOUT_MS = 15_000;
const CONCURRENCY_MAX = 8;

export function createNotifierCalls(sink: NoticeSink): Record<"deliverNotice", ToolBinding> {
  return {
    deliverNotice: {
      call: "tool",
      recovery: "retry",
      timeoutMs: TIMEOUT_MS,
      concurrencyMax: CONCURRENCY_MAX,
      run: async (input) => {
        await sink.deliver(typed(input));
        return null;
      },
    },
  };
}
