/**
 * The boundary of: the ingest actor and the gate. The gate's memory is the actor's companion; the
 * events it forwards are kept as evidence before any turn speaks of them.
 */
import type { Screener, ScreenedItem, SourceEvent } from "../../anomaly/index.ts";
import type { Envelope, Json } from "../../machines/protocol.ts";
import type { Companion } from "../define.ts";

export function ingestCompanion(screener: Screener): Companion {
  let kept: readonly { readonly key: string; readonly value: Json }[] = [];
  return {
    restore: (checkpoint) => screener.restore(checkpoint),
    checkpoint: () => screener.checkpoint(),
    apply: (envelopes, known) => {
      const screening = screener.apply(envelopes, known);
      kept = screening.items.flatMap((item, index) => evidenceOf(item, envelopes[index]!));
      return screening;
    },
    keep: () => kept,
  };
}

function evidenceOf(item: ScreenedItem, envelope: Envelope): { key: string; value: Json }[] {
  if (!item.forward) return [];
  const { event } = envelope.data as unknown as SourceEvent;
  return [{ key: item.digest, value: event as unknown as Json }];
}
