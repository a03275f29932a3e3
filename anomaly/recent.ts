/**
 * The boundary of: what the gate scored lately. A fixed number of rows that stand for about a week of
 * ordinary events: the older an event, the less likely its row is still there. What a candidate is
 * fitted to and compared on, beside the baseline.
 */
import type { FalcoEvent } from "../machines/vocabulary.ts";
import { COLUMNS } from "./features.ts";

const ROWS = 2_048;
const WEEK_MS = 7 * 86_400_000;
const SPAN_MS_MIN = 3_600_000;

export class RecentRows {
  private readonly rows = new Float32Array(ROWS * COLUMNS);
  private filled = 0;
  private seen = 0;
  private firstMs = 0;

  /** Chance is the event's own digest: equal events give equal rows. */
  offer(row: Float32Array, { digest }: FalcoEvent, atMs: number): void {
    if (this.seen === 0) this.firstMs = atMs;
    this.seen += 1;
    const at = this.filled < ROWS ? this.filled++ : this.replaced(digest, atMs);
    if (at !== null) this.rows.set(row, at * COLUMNS);
  }

  /** One after another, in no order. */
  all(): Float32Array {
    return this.rows.slice(0, this.filled * COLUMNS);
  }

  /** Of a week's events as many enter as there are rows, so that a row stays for a week on average. */
  private replaced(digest: string, atMs: number): number | null {
    const spanMs = Math.max(SPAN_MS_MIN, atMs - this.firstMs);
    const aWeek = (this.seen / spanMs) * WEEK_MS;
    const chance = Number.parseInt(digest.slice(0, 8), 16) / 2 ** 32;
    if (chance >= ROWS / aWeek) return null;
    return Number.parseInt(digest.slice(8, 16), 16) % ROWS;
  }
}
