/**
 * The boundary of: a file or stdin, and numbered lines. Memory stays bounded by one chunk and one
 * line, whatever is in the file: a line over the limit is counted and skipped, not held.
 */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { WatchfloorError } from "../../machines/errors.ts";
import { EVENT_BYTES_MAX } from "./parse.ts";

/** One line that is not blank. `text` is null where it was over the limit; `bytes` says by how much. */
export interface SourceLine {
  /** From 1, blank lines counted. */
  readonly line: number;
  readonly text: string | null;
  readonly bytes: number;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const BYTE_ORDER_MARK = "\uFEFF";

/** Why a file cannot be read, in words for its owner; other codes speak for themselves. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  EPERM: "this user may not read it",
  EISDIR: "it is a directory",
  EMFILE: "too many files are open",
};

/**
 * Reads lines ended by LF or CRLF; the last one may lack its end.
 *
 * @param source the path of a file, or a stream such as stdin.
 * @throws WatchfloorError `config_unreadable` when the source cannot be opened or read on.
 */
export async function* readLines(source: string | Readable): AsyncGenerator<SourceLine, void> {
  const path = typeof source === "string" ? source : "standard input";
  const stream = typeof source === "string" ? createReadStream(source) : source;
  const assembler = createAssembler();
  try {
    for await (const chunk of stream) yield* assembler.push(bytesOf(chunk));
  } catch (error) {
    throw unreadable(path, error);
  }
  yield* assembler.end();
}

function bytesOf(chunk: Buffer | string): Buffer {
  return typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}

function unreadable(path: string, error: unknown): WatchfloorError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "reading failed";
  const why = REASONS[code] ?? code;
  return new WatchfloorError("config_unreadable", { path, why }, { cause: error });
}

interface Assembler {
  push(chunk: Buffer): Iterable<SourceLine>;
  end(): Iterable<SourceLine>;
}

/** Cuts chunks into lines. A line without its end is kept as slices of the chunks it came in. */
function createAssembler(): Assembler {
  let line = 0;
  let held: Buffer[] = [];
  let bytes = 0;
  let lastByte = 0;

  const add = (part: Buffer): void => {
    bytes += part.length;
    lastByte = part.at(-1) ?? lastByte;
    // One byte more than the limit is kept, for it may be the CR of a line that fits.
    if (bytes <= EVENT_BYTES_MAX + 1) held.push(part);
    else held = [];
  };
  const finish = (): SourceLine | null => {
    line += 1;
    const ended = bytes > 0 && lastByte === CARRIAGE_RETURN;
    const found = toLine(held, ended ? bytes - 1 : bytes, line);
    held = [];
    bytes = 0;
    return found;
  };
  return {
    *push(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
        add(chunk.subarray(from, at));
        from = at + 1;
        const found = finish();
        if (found !== null) yield found;
      }
      // A copy: a slice would keep the whole chunk alive for the sake of its tail.
      if (from < chunk.length) add(Buffer.from(chunk.subarray(from)));
    },
    *end() {
      const found = bytes > 0 ? finish() : null;
      if (found !== null) yield found;
    },
  };
}

/** The first `bytes` bytes of what was held as a line; null for a blank one. */
function toLine(held: readonly Buffer[], bytes: number, line: number): SourceLine | null {
  if (bytes > EVENT_BYTES_MAX) return { line, text: null, bytes };
  const whole = held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held);
  const text = whole.toString("utf8", 0, bytes);
  const clean = line === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  return clean.trim() === "" ? null : { line, text: clean, bytes };
}
