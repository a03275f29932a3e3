/**
 * The boundary of: the hours of a day and how much of something happens in them. A rhythm gives a
 * weight to each minute of the day; only ratios between weights mean something.
 */

export type Rhythm = (minuteOfDay: number) => number;

/** Machines' work: the same at any hour. */
export function steady(weight: number): Rhythm {
  return () => weight;
}

/** Customers' work: least at four in the morning, most at four in the afternoon. */
export function daily(weight: number): Rhythm {
  return (minute) => weight * (0.7 - 0.3 * Math.cos((2 * Math.PI * (minute - 240)) / 1440));
}

/** People's work: from eight to six. */
export function office(weight: number): Rhythm {
  return (minute) => (minute >= 480 && minute < 1080 ? weight : weight / 20);
}

/** Work of the first minutes of every `hours`th hour. */
export function scheduled(weight: number, hours: number, minutes: number): Rhythm {
  return (minute) => (minute % (hours * 60) < minutes ? weight : 0);
}

/** Wednesday, 14 October 2026: the sample's day where no other is asked for. */
export const SAMPLE_DAY_START_MS = Date.UTC(2026, 9, 14);
