/**
 * The boundary of: Falco's time text and nanoseconds. Falco writes nine digits and `Z`;
 * falcosidekick trims trailing zeros; either may come with an offset.
 */

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d))?$/;
const YEAR_MIN = 2000;
const YEAR_MAX = 2200;

/**
 * Nanoseconds since the epoch as decimal digits, or null for anything that is no time of an event:
 * another format, a day that does not exist, a year outside 2000 to 2200. Text without an offset
 * is UTC. The value passes 2^53, so it is put together as text and never as a number.
 */
export function nanosecondsOf(text: string): string | null {
  return secondOf(text) ?? anyTime(text);
}

function anyTime(text: string): string | null {
  const match = RFC3339.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(Number);
  if (year < YEAR_MIN || year > YEAR_MAX) return null;
  if (hour > 23 || minute > 59 || second > 59) return null;
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  // Date.UTC carries 31 April over into May; a real date comes back as it went in.
  const date = new Date(ms);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const offset = offsetSeconds(match[8], match[9], match[10]);
  if (offset === null) return null;
  return `${ms / 1000 - offset}${(match[7] ?? "").padEnd(9, "0")}`;
}

const SECOND_CHARS = 19;
const FRACTION_OF_UTC = /^\.(\d{1,9})[Zz]$/;
/** The second that was read last: events come many to a second. */
const last = { text: "", seconds: "" };

/** Of a time in UTC within a second that is known to exist; null for any other. */
function secondOf(text: string): string | null {
  const fraction = FRACTION_OF_UTC.exec(text.slice(SECOND_CHARS))?.[1];
  if (fraction === undefined) return null;
  const second = text.slice(0, SECOND_CHARS);
  if (second !== last.text) {
    const whole = anyTime(`${second}Z`);
    if (whole === null) return null;
    last.text = second;
    // Without the nine zeros of its fraction.
    last.seconds = whole.slice(0, -9);
  }
  return `${last.seconds}${fraction.padEnd(9, "0")}`;
}

function offsetSeconds(
  sign: string | undefined,
  hours: string | undefined,
  minutes: string | undefined,
): number | null {
  if (sign === undefined) return 0;
  if (Number(hours) > 23 || Number(minutes) > 59) return null;
  return (sign === "-" ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
}
