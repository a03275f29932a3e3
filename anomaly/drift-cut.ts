/**
 * The boundary of: how much stable traffic varies and what is too much. Days of the reference are
 * drawn again and again; over all that traffic a page may fall once in so many days.
 */
import type { SeededRandom } from "./random.ts";

/** Windows that are looked back on, and how many of them must agree. */
export const RECENT = 4;
const AGREEING = 3;
/** Expected time between false pages. */
const FALSE_PAGE_WINDOWS = 90 * 24;
const BLOCK_WINDOWS = 24;
const DRAWN_BLOCKS = 900;
/** Of drawn windows, those beyond which the tail is taken to thin out exponentially. */
const TAIL_SHARE = 0.02;
/** No statistic varies by less than this: a constant one must not page for one odd event. */
const SPREAD_MIN = 0.01;
/** In units of spread; a short or quiet reference must not make the gate nervous. */
const CUT_MIN = 3;

export function sustained(held: readonly boolean[]): boolean {
  return held.filter(Boolean).length >= AGREEING;
}

/** Of windows by statistics: PSI above chance, each window against the others. */
export function calibrateCut(
  psis: readonly Float64Array[],
  random: SeededRandom,
): { means: Float64Array; spreads: Float64Array; cut: number } {
  const width = psis[0]?.length ?? 0;
  const means = new Float64Array(width);
  const spreads = new Float64Array(width);
  for (let i = 0; i < width; i += 1) {
    const own = psis.map((psi) => psi[i]!);
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
    const variance = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length;
    means[i] = mean;
    spreads[i] = Math.max(SPREAD_MIN, Math.sqrt(variance));
  }
  // The largest of all statistics at once: they move together, and are not counted one by one.
  const largest = psis.map((psi) =>
    psi.reduce((most, value, i) => Math.max(most, (value - means[i]!) / spreads[i]!), 0),
  );
  return { means, spreads, cut: Math.max(CUT_MIN, quantileOf(drawn(largest, random))) };
}

/** What must be exceeded by three of four windows, over days drawn with replacement. */
function drawn(largest: readonly number[], random: SeededRandom): number[] {
  const sequence: number[] = [];
  for (let block = 0; block < DRAWN_BLOCKS; block += 1) {
    const from = random.below(Math.max(1, largest.length - BLOCK_WINDOWS + 1));
    sequence.push(...largest.slice(from, from + BLOCK_WINDOWS));
  }
  return sequence.flatMap((_, i) =>
    i + 1 < RECENT
      ? []
      : [sequence.slice(i + 1 - RECENT, i + 1).toSorted((a, b) => b - a)[AGREEING - 1]!],
  );
}

/** The value exceeded once in the expected time, along an exponential tail where none was. */
function quantileOf(values: readonly number[]): number {
  const descending = values.toSorted((a, b) => b - a);
  const count = Math.max(1, Math.floor(descending.length * TAIL_SHARE));
  const from = descending[count] ?? 0;
  const excess = descending.slice(0, count).reduce((sum, value) => sum + value - from, 0) / count;
  return from + excess * Math.log(TAIL_SHARE * FALSE_PAGE_WINDOWS);
}
