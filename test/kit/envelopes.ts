/**
 * The boundary of: tests that need an envelope and do not care what is in it.
 */
import type { Envelope } from "../../machines/protocol.ts";

export function anEnvelope(id: string, changes: Partial<Envelope> = {}): Envelope {
  return {
    id,
    from: "edge/test",
    to: "coordinator/c-1",
    type: "case.event",
    data: { id },
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    case: null,
    cause: null,
    replyTo: null,
    shard: null,
    seq: null,
    ...changes,
  };
}
