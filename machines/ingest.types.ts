/**
 * The boundary of: the gate's verdict on one event. The screener makes it, the ingest machine turns
 * it into a recorded fate and a message.
 */
import type { EventFacts } from "./vocabulary.ts";

export interface ScreenedItem {
  readonly digest: string;
  /** Safe to show. */
  readonly rule: string;
  /** Event time, ms since the epoch. */
  readonly at: number;
  readonly traceId: string;
  readonly gate: "scored" | "duplicate" | "internal";
  /** Of scored items. */
  readonly facts: EventFacts | null;
  /** Unusual enough for a case. */
  readonly forward: boolean;
  /** On the event that starts its workload's learning window. */
  readonly learning: { readonly workload: string; readonly untilMs: number } | null;
}

/** Data of `batch`. */
export interface Screening {
  readonly items: readonly ScreenedItem[];
}
