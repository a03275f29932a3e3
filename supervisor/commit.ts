/**
 * The boundary of: an append and the certainty of its outcome. An append that failed without an
 * answer may still land, so the same bytes are sent with the same expectation until they are
 * acknowledged or refused; a refusal is then settled by reading the tail back.
 */
import { WatchfloorError } from "../machines/errors.ts";
import { backoffMs } from "../machines/retry.ts";
import { LIMITS } from "./limits.ts";
import type { Clock, Journal, Position, Random } from "../transports/ports.ts";

const RETRY = { attemptsMax: 12, delayMsMin: 20, delayMsMax: 2_000 };

export interface Committer {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  /** Nobody waits for the outcome any more. */
  ended(): boolean;
}

/** The last position once all are in the journal. Throws `fenced` when another owner appended. */
export async function appendSurely(
  committer: Committer,
  shard: string,
  expected: Position,
  texts: readonly string[],
): Promise<Position> {
  const { journal, clock, random } = committer;
  for (let attempt = 1; ; attempt++) {
    try {
      const result = await journal.append(shard, expected, texts);
      if (result.appended) return result.last;
      if (attempt > 1 && (await isOurs(journal, shard, expected, texts)))
        return expected + texts.length;
      throw new WatchfloorError("fenced", { shard });
    } catch (error) {
      if (!isUnknown(error) || attempt >= RETRY.attemptsMax || committer.ended()) throw error;
      const delayMs = backoffMs(RETRY, attempt, random());
      await new Promise<void>((resolve) => void clock.after(delayMs, resolve));
    }
  }
}

/** A definite refusal of the transport (fenced, disk full, unusable) is no unknown outcome. */
function isUnknown(error: unknown): boolean {
  return !(error instanceof WatchfloorError) || error.code === "append_unanswered";
}

async function isOurs(
  journal: Journal,
  shard: string,
  expected: Position,
  texts: readonly string[],
): Promise<boolean> {
  const found = await journal.read(shard, expected + 1, texts.length);
  return (
    found.length === texts.length && found.every((record, index) => record.text === texts[index])
  );
}

/** Packs are cut to what the runtime wants and the transport takes in one append. */
export function packBytesMax({ appendBytesMax }: Journal): number {
  return Math.min(LIMITS.packBytesMax, appendBytesMax ?? Infinity);
}

/** What is appended together: turns and notes, or where that is too much the turns first. */
export function cutAppends(
  turns: readonly string[],
  notes: readonly string[],
  bytesMax: number,
): (readonly string[])[] {
  const all = [...turns, ...notes];
  const bytes = all.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const appends = bytes <= bytesMax ? [all] : [turns, notes];
  return appends.filter((texts) => texts.length > 0);
}
