/**
 * The boundary of: records of a topic and events. What is a Falco event goes on; what is none becomes
 * a dead letter, byte for byte as it lay there, with where it lay and why it was refused.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import { EVENT_BYTES_MAX, parseFalcoLine } from "../falco/parse.ts";
import type { LogRecord } from "./event-log.ts";

interface DeadRecord {
  readonly record: Omit<LogRecord, "offset">;
  readonly error: WatchfloorError;
}

export interface Sorted {
  readonly events: readonly FalcoEvent[];
  readonly dead: readonly DeadRecord[];
}

/** Headers that a dead letter has beside those of its record. */
const HEADER = {
  code: "watchfloor-cause",
  text: "watchfloor-cause-text",
  topic: "watchfloor-topic",
  partition: "watchfloor-partition",
  offset: "watchfloor-offset",
} as const;

/** Never rejects a batch for one record of it. */
export function sortRecords(
  topic: string,
  partition: number,
  records: readonly LogRecord[],
): Sorted {
  const events: FalcoEvent[] = [];
  const dead: DeadRecord[] = [];
  for (const record of records) {
    try {
      events.push(eventOf(record));
    } catch (error) {
      if (!(error instanceof WatchfloorError)) throw error;
      dead.push({ record: deadLetter(topic, partition, record, error), error });
    }
  }
  return { events, dead };
}

/** @throws `not_json`, `not_falco`, `line_too_long`; the line is the offset. */
function eventOf({ offset, value }: LogRecord): FalcoEvent {
  const line = Number(offset);
  if (value === null) {
    const fields = { line, field: "the record", rule: "must have a value" };
    throw new WatchfloorError("not_falco", fields);
  }
  if (value.length > EVENT_BYTES_MAX) {
    const fields = { line, bytes: value.length, limit: EVENT_BYTES_MAX };
    throw new WatchfloorError("line_too_long", fields);
  }
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  return parseFalcoLine(bytes.toString("utf8"), line);
}

function deadLetter(
  topic: string,
  partition: number,
  { offset, key, value, headers }: LogRecord,
  { code, message }: WatchfloorError,
): Omit<LogRecord, "offset"> {
  return {
    key,
    value,
    headers: {
      ...headers,
      [HEADER.code]: code,
      [HEADER.text]: message.replace(/^line \d+: /, ""),
      [HEADER.topic]: topic,
      [HEADER.partition]: String(partition),
      [HEADER.offset]: offset,
    },
  };
}
