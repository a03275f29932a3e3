/**
 * The boundary of: the notices that wait to be told. In order, each once, and bounded: beyond the
 * bound new ones join the last, which says how many it stands for.
 */
import type { CaseNotice } from "./calls.ts";

export const QUEUE_MAX = 1_000;
/** Together with the notices themselves this keeps the record of a turn small. */
export const QUEUE_CHARS_MAX = 100_000;
const LINES_MAX = 60;
const LINE_CHARS_MAX = 300;
/** Ids of notices that were delivered, by which a repeat is known. */
const DELIVERED_MAX = 64;

export interface Queued {
  readonly notice: CaseNotice;
  /** Notices this one stands for, itself included. */
  readonly stands: number;
}

/** The queue with one more notice; a repeat changes nothing. */
export function enqueued(
  queue: readonly Queued[],
  delivered: readonly string[],
  notice: CaseNotice,
): readonly Queued[] {
  if (delivered.includes(notice.id) || queue.some((item) => item.notice.id === notice.id))
    return queue;
  const item: Queued = { notice: trimmed(notice), stands: 1 };
  const last = queue.at(-1);
  // The first may be on its way already: it is never changed.
  if (last === undefined || queue.length < 2 || !isFull(queue, item)) return [...queue, item];
  return [...queue.slice(0, -1), joined(last, item)];
}

export function remembered(delivered: readonly string[], id: string): readonly string[] {
  return [...delivered, id].slice(-DELIVERED_MAX);
}

/** What is delivered: a notice that stands for others says so. */
export function spoken({ notice, stands }: Queued): CaseNotice {
  if (stands === 1) return notice;
  return {
    ...notice,
    lines: [`${stands} notices in one, of which this is the latest:`, ...notice.lines],
  };
}

function isFull(queue: readonly Queued[], item: Queued): boolean {
  const chars = [...queue, item].reduce((sum, { notice }) => sum + charsOf(notice), 0);
  return queue.length >= QUEUE_MAX || chars > QUEUE_CHARS_MAX;
}

function joined(last: Queued, next: Queued): Queued {
  return { notice: next.notice, stands: last.stands + next.stands };
}

function charsOf(notice: CaseNotice): number {
  return notice.lines.reduce((sum, line) => sum + line.length, notice.id.length + 80);
}

function trimmed(notice: CaseNotice): CaseNotice {
  const lines = notice.lines.slice(0, LINES_MAX).map((line) => line.slice(0, LINE_CHARS_MAX));
  return { ...notice, lines };
}
