/**
 * The boundary of: what the gate sees and what it saw when all was well. Rows and scores are counted
 * in hourly windows of few bins; each window is compared with the same hours of a reference week,
 * as served, by population stability index less what chance alone gives. Only what has consequences
 * pages: the score has drifted, alerts have left their budget, or a feature has broken, in three of
 * the last four windows. All else is a gauge, and names what moved.
 *
 * The cut is calibrated on the reference itself: its days are drawn again and again (a block
 * bootstrap, so that hours keep their neighbours and features one another), and the cut is where
 * stable traffic would page once in the expected time between false pages.
 */
import { ByteReader, ByteWriter } from "./bytes.ts";
import { Binning, BINS } from "./drift-bins.ts";
import { calibrateCut, RECENT, sustained } from "./drift-cut.ts";
import { COLUMNS, FEATURES } from "./features.ts";
import { scoresOf, thinned } from "./fitting.ts";
import type { Model } from "./model.ts";
import { seededRandom } from "./random.ts";

export interface DriftOptions {
  /** Whose rows make the bins, and whose scores are watched. */
  readonly model: Model;
  /** Share of events that may be forwarded, asked when a window closes. */
  readonly budget: () => number;
  /** Of event time, after which the reference is complete; default 7 days. */
  readonly referenceMs?: number;
  /** Of the bootstrap's draws. */
  readonly seed: number;
}

export type DriftCause = "score" | "alerts" | "broken";

/** One closed window. */
export interface DriftWindow {
  readonly fromMs: number;
  readonly events: number;
  readonly alerts: number;
  /** PSI above chance of each feature and, last, of the score; null while the reference is learnt. */
  readonly psi: readonly number[] | null;
  /** The same in units of what the reference itself varies by. */
  readonly deviations: readonly number[] | null;
  /** Above this a deviation is drift; null while the reference is learnt. */
  readonly cut: number | null;
  readonly page: {
    readonly causes: readonly DriftCause[];
    /** Names of features that drifted or broke, most first. */
    readonly moved: readonly string[];
  } | null;
}

export const STATISTICS: readonly string[] = [...FEATURES.map(({ name }) => name), "score"];
const SCORE = COLUMNS;
/** The edges of 16 bins need no more, and a runner that starts scores them before its first event. */
const ROWS_BINNED_MAX = 1_500;

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
/** A window of fewer events stays open: too few to say anything. */
const EVENTS_MIN = 100;
/** Nor has an hour of the reference with fewer than these. */
const CLASS_MIN = 150;
/** Hours of a weekday, and of a day of the weekend. */
const CLASSES = 48;
/**
 * So much more of a window's values in one bin than in any window of the reference: the feature is
 * broken, whether it is stuck, its field is gone, or it has left all that it ever was.
 */
const BROKEN_SHARE = 0.35;
/** Chance of so many alerts within the budget, under which a window's alerts are off it. */
const ALERT_CHANCE = 1e-3;
/** Windows of reference that are kept: what the cut is calibrated on. */
const REFERENCE_WINDOWS_MAX = 24 * 14;
const FORMAT = { kind: "DRFT", version: 1 };

interface Closed {
  readonly hour: number;
  readonly events: number;
  readonly counts: Uint16Array;
}

interface Cut {
  readonly means: Float64Array;
  readonly spreads: Float64Array;
  readonly cut: number;
}

export class DriftMonitor {
  private readonly options: Required<DriftOptions>;
  private readonly binning: Binning;
  private reference: Closed[] = [];
  private totals = new Float64Array(CLASSES * STATISTICS.length * BINS);
  private classEvents = new Float64Array(CLASSES);
  private calibrated: Cut | null = null;
  /** Of each bin: the largest share of a reference window's values that were in it. */
  private sharesMax = new Float64Array(STATISTICS.length * BINS);
  private firstHour = -1;
  private hour = -1;
  private events = 0;
  private alerts = 0;
  private counts = new Uint16Array(STATISTICS.length * BINS);
  /** Of the last windows: whether each cause held. */
  private recent: Record<DriftCause, boolean[]> = { score: [], alerts: [], broken: [] };

  constructor(options: DriftOptions) {
    this.options = { referenceMs: WEEK_MS, ...options };
    const { rows, full } = options.model;
    const seen = thinned(rows, ROWS_BINNED_MAX);
    this.binning = Binning.of(seen, scoresOf(full.forest, seen));
  }

  /** Takes one scored event, in order of time. The window that it closed, if it did. */
  observe(row: Float32Array, score: number, atMs: number, alerted: boolean): DriftWindow | null {
    const hour = Math.floor(atMs / HOUR_MS);
    if (this.firstHour < 0) this.firstHour = hour;
    if (this.hour < 0) this.hour = hour;
    const over = hour > this.hour && this.events >= EVENTS_MIN;
    const closed = over ? this.close(hour) : null;
    if (over) this.hour = hour;
    this.binning.count(row, score, this.counts);
    this.events += 1;
    if (alerted) this.alerts += 1;
    return closed;
  }

  private close(nextHour: number): DriftWindow {
    const closed = { hour: this.hour, events: this.events, counts: this.counts };
    const window = this.calibrated === null ? this.learn(closed, nextHour) : this.judge(closed);
    this.counts = new Uint16Array(STATISTICS.length * BINS);
    this.events = 0;
    this.alerts = 0;
    return window;
  }

  private learn(closed: Closed, nextHour: number): DriftWindow {
    this.reference.push(closed);
    if (this.reference.length > REFERENCE_WINDOWS_MAX) this.reference.shift();
    if ((nextHour - this.firstHour) * HOUR_MS >= this.options.referenceMs) this.calibrate();
    const alertsOff = this.alertsOff(closed.events);
    return this.windowOf(
      closed,
      null,
      null,
      { score: false, alerts: alertsOff, broken: false },
      [],
    );
  }

  private calibrate(): void {
    for (const window of this.reference) this.add(window, 1);
    const psis = this.reference.map((window) => {
      // Each is compared with all the others: a window must not be its own precedent.
      this.add(window, -1);
      const psi = this.psiOf(window);
      this.add(window, +1);
      return psi;
    });
    const shares = this.reference.map(sharesOf);
    this.sharesMax = this.sharesMax.map((_, i) =>
      shares.reduce((most, window) => Math.max(most, window[i]!), 0),
    );
    this.calibrated = calibrateCut(psis, seededRandom(this.options.seed));
  }

  private add({ hour, events, counts }: Closed, sign: 1 | -1): void {
    const at = classOf(hour) * counts.length;
    for (let i = 0; i < counts.length; i += 1) this.totals[at + i]! += sign * counts[i]!;
    this.classEvents[classOf(hour)]! += sign * events;
  }

  private psiOf({ hour, events, counts }: Closed): Float64Array {
    const expected = this.expectedFor(hour);
    return Float64Array.from(STATISTICS, (_, statistic) => {
      const from = statistic * BINS;
      return stability(
        counts.subarray(from, from + BINS),
        events,
        expected.counts.subarray(from, from + BINS),
        expected.events,
      );
    });
  }

  /** The same hour of the reference; of any day, or all of it, where that has too little. */
  private expectedFor(hour: number): { readonly counts: Float64Array; readonly events: number } {
    const own = classOf(hour);
    const any = Array.from({ length: CLASSES }, (_, one) => one);
    const sameHour = any.filter((one) => one % 24 === own % 24);
    const enough = [[own], sameHour, any].find((classes) => this.eventsOf(classes) >= CLASS_MIN);
    const classes = enough ?? any;
    const size = STATISTICS.length * BINS;
    const counts = new Float64Array(size);
    for (const one of classes) {
      for (let i = 0; i < size; i += 1) counts[i]! += this.totals[one * size + i]!;
    }
    return { counts, events: this.eventsOf(classes) };
  }

  private eventsOf(classes: readonly number[]): number {
    return classes.reduce((sum, one) => sum + this.classEvents[one]!, 0);
  }

  private judge(closed: Closed): DriftWindow {
    const { means, spreads, cut } = this.calibrated!;
    const psi = this.psiOf(closed);
    const deviations = psi.map((value, i) => (value - means[i]!) / spreads[i]!);
    const broken = this.brokenIn(closed);
    const held = {
      score: deviations[SCORE]! > cut,
      alerts: this.alertsOff(closed.events),
      broken: broken.length > 0,
    };
    const drifted = [...deviations.keys()]
      .filter((i) => i !== SCORE && deviations[i]! > cut)
      .toSorted((a, b) => deviations[b]! - deviations[a]!);
    const moved = [...new Set([...broken, ...drifted])].map((i) => STATISTICS[i]!);
    return this.windowOf(closed, psi, deviations, held, moved);
  }

  private windowOf(
    { hour, events }: Closed,
    psi: Float64Array | null,
    deviations: Float64Array | null,
    held: Readonly<Record<DriftCause, boolean>>,
    moved: readonly string[],
  ): DriftWindow {
    const causes = (["score", "alerts", "broken"] as const).filter((cause) => {
      const recent = [...this.recent[cause], held[cause]].slice(-RECENT);
      this.recent[cause] = recent;
      return held[cause] && sustained(recent);
    });
    return {
      fromMs: hour * HOUR_MS,
      events,
      alerts: this.alerts,
      psi: psi && Array.from(psi),
      deviations: deviations && Array.from(deviations),
      cut: deviations === null ? null : (this.calibrated?.cut ?? null),
      page: causes.length === 0 ? null : { causes, moved },
    };
  }

  /** Features that say one thing far more often than they ever did in the reference. */
  private brokenIn(closed: Closed): number[] {
    const shares = sharesOf(closed);
    return FEATURES.flatMap((_, feature) => {
      const from = feature * BINS;
      const own = shares.subarray(from, from + BINS);
      const broken = own.some((share, bin) => share >= this.sharesMax[from + bin]! + BROKEN_SHARE);
      return broken ? [feature] : [];
    });
  }

  /** More alerts than the budget gives but by the rarest chance (a Poisson tail). */
  private alertsOff(events: number): boolean {
    const mean = events * this.options.budget();
    let term = Math.exp(-mean);
    let below = 0;
    for (let k = 0; k < this.alerts; k += 1) {
      below += term;
      term *= mean / (k + 1);
    }
    return this.alerts > 1 && 1 - below < ALERT_CHANCE;
  }

  save(): Uint8Array {
    const writer = new ByteWriter();
    for (const value of [this.firstHour, this.hour, this.events, this.alerts]) writer.f64(value);
    writer.f32s(this.binning.edges);
    writer.u16s(this.counts);
    for (const cause of Object.values(this.recent)) writer.block(Uint8Array.from(cause, Number));
    writer.u32(this.calibrated === null ? 0 : 1);
    writer.u32(this.reference.length);
    for (const { hour, events, counts } of this.reference) {
      writer.f64(hour);
      writer.u32(events);
      writer.u16s(counts);
    }
    return writer.seal(FORMAT);
  }

  /** @throws `model_unreadable`, also if another model was watched; the monitor stays as it was */
  load(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes, FORMAT);
    const next = new DriftMonitor(this.options);
    next.firstHour = reader.f64();
    next.hour = reader.f64();
    next.events = reader.f64();
    next.alerts = reader.f64();
    if (!next.binning.equals(reader.f32s())) throw reader.broken("another model made its bins");
    next.counts = countsIn(reader);
    for (const cause of ["score", "alerts", "broken"] as const)
      next.recent[cause] = Array.from(reader.block(), (held) => held === 1).slice(-RECENT);
    const calibrated = reader.u32() === 1;
    const windows = reader.u32();
    if (windows > REFERENCE_WINDOWS_MAX) throw reader.broken("it holds too many windows");
    for (let i = 0; i < windows; i += 1) {
      const [hour, events] = [reader.f64(), reader.u32()];
      next.reference.push({ hour, events, counts: countsIn(reader) });
    }
    reader.end();
    if (calibrated) next.calibrate();
    Object.assign(this, next);
  }
}

function countsIn(reader: ByteReader): Uint16Array<ArrayBuffer> {
  const counts = reader.u16s();
  if (counts.length !== STATISTICS.length * BINS) throw reader.broken("a window has another size");
  return counts.slice();
}

/** Of each bin: the share of a window's values that are in it. */
function sharesOf({ counts, events }: Closed): Float64Array {
  return Float64Array.from(counts, (count) => count / events);
}

function classOf(hour: number): number {
  // Day 0 of the epoch was a Thursday.
  const weekday = (Math.floor(hour / 24) + 4) % 7;
  return (hour % 24) + (weekday === 0 || weekday === 6 ? 24 : 0);
}

/**
 * Population stability index of two histograms, less its expectation under chance: a bin more to
 * choose from, or an event less to judge by, each make it larger with nothing changed.
 */
function stability(
  counts: ArrayLike<number>,
  events: number,
  expected: ArrayLike<number>,
  expectedEvents: number,
): number {
  let psi = 0;
  let used = 0;
  for (let bin = 0; bin < BINS; bin += 1) {
    if (counts[bin] === 0 && expected[bin] === 0) continue;
    used += 1;
    const share = (counts[bin]! + 0.5) / (events + 1);
    const wanted = (expected[bin]! + 0.5) / (expectedEvents + 1);
    psi += (share - wanted) * Math.log(share / wanted);
  }
  return psi - Math.max(0, used - 1) * (1 / events + 1 / expectedEvents);
}
