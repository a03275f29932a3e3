/**
 * The boundary of: the gate's benches and the events they measure with. The sample day, one day after
 * another without end, each event with a digest of its own.
 */
import type { Envelope } from "../../../machines/protocol.ts";
import type { FalcoEvent } from "../../../machines/vocabulary.ts";
import { parseFalcoLine } from "../../../transports/falco/parse.ts";
import { generateSampleDay } from "../../../transports/sample/day.ts";

const DAY_NS = 86_400_000_000_000n;

export function sampleLines(seed: number, count: number): string[] {
  return [...generateSampleDay(seed, { ordinary: count })].slice(0, count);
}

export function parsedLines(lines: readonly string[]): FalcoEvent[] {
  return lines.map((text, i) => parseFalcoLine(text, i + 1));
}

/** The same habits `days` later. */
export function later(event: FalcoEvent, days: number): FalcoEvent {
  const timeNs = String(BigInt(event.timeNs) + BigInt(days) * DAY_NS);
  const digest = days.toString(16).padStart(8, "0") + event.digest.slice(8);
  return { ...event, timeNs, digest };
}

export function envelopeOf(event: FalcoEvent): Envelope {
  return {
    id: event.digest,
    from: "edge/bench",
    to: "ingest/0",
    type: "falco.event",
    data: { event, origin: "live" } as never,
    traceparent: `00-${event.digest.slice(0, 32)}-${event.digest.slice(32, 48)}-01`,
    case: null,
    cause: null,
    replyTo: null,
    shard: null,
    seq: null,
  };
}
