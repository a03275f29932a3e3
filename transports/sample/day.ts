/**
 * The boundary of: the sample and whoever replays it. Lines of Falco JSON in order of time, made as
 * they are asked for: the days before, to learn what is ordinary, and a day with attacks in it.
 */
import { createDice, type Dice } from "./dice.ts";
import { INVENTORY } from "./inventory.ts";
import { falcoLine, internalLine, type Instant } from "./line.ts";
import { APP_HABITS, type Habit } from "./ordinary-apps.ts";
import { PLATFORM_HABITS } from "./ordinary-platform.ts";
import { SAMPLE_DAY_START_MS } from "./rhythm.ts";
import { attackLines } from "./scenarios.ts";

const HABITS: readonly Habit[] = [...APP_HABITS, ...PLATFORM_HABITS];
const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const DAY_MINUTES = 24 * HOUR_MINUTES;
const DAY_MS = DAY_MINUTES * MINUTE_MS;
const ORDINARY_EVENTS = 20_000;
const BASELINE_EVENTS = 6_000;

/**
 * Ordinary events of the days before, about 6,000. They are stretches of whole minutes at the rate
 * the day has, not a thinned day: a rate learnt from a thinned one would be wrong. Every hour of
 * the same weekday a week before has its stretch, and every hour of yesterday.
 *
 * @param dayStartMs start of the sample day, UTC midnight; the baseline lies before it.
 */
export function* generateBaseline(
  seed: number,
  dayStartMs: number = SAMPLE_DAY_START_MS,
): Generator<string, void> {
  const minutes = [
    ...stretches(dayStartMs - 7 * DAY_MS, 0, 12),
    ...stretches(dayStartMs - DAY_MS, 30, 6),
  ];
  const dice = createDice(seed, "baseline");
  for (const { text } of ordinaryEvents(dice, minutes, BASELINE_EVENTS)) yield text;
}

/**
 * One day: `ordinary` ordinary events, the 40 scenarios of SCENARIOS, a dozen repeats (some as
 * falcosidekick sends them) and a few messages of Falco about itself.
 */
export function* generateSampleDay(
  seed: number,
  options: { readonly ordinary?: number; readonly dayStartMs?: number } = {},
): Generator<string, void> {
  const { ordinary = ORDINARY_EVENTS, dayStartMs = SAMPLE_DAY_START_MS } = options;
  const extras = [...attackLines(seed, dayStartMs), ...internalLines(seed, dayStartMs)].toSorted(
    (a, b) => compare(a.at, b.at),
  );
  const dice = createDice(seed, "day");
  const repeats = createDice(seed, "repeats");
  const repeatChance = REPEATS / ordinary;
  let next = 0;
  for (const event of ordinaryEvents(dice, stretches(dayStartMs, 0, HOUR_MINUTES), ordinary)) {
    for (let extra = extras[next]; extra !== undefined; extra = extras[next]) {
      if (compare(extra.at, event.at) > 0) break;
      yield extra.text;
      next += 1;
    }
    yield event.text;
    if (repeats.next() < repeatChance) {
      yield repeats.next() < 0.5 ? event.text : asSidekick(event.text, repeats);
    }
  }
  for (const { text } of extras.slice(next)) yield text;
}

/** Repeats expected in a day. */
const REPEATS = 12;

interface Line {
  readonly at: Instant;
  readonly text: string;
}

function compare(a: Instant, b: Instant): number {
  return a.ms - b.ms || a.ns - b.ns;
}

/** Starts of the minutes `first` to `first + count` of each hour of a day. */
function stretches(startMs: number, first: number, count: number): readonly number[] {
  return Array.from({ length: DAY_MINUTES }, (_, minute) => minute)
    .filter((minute) => minute % HOUR_MINUTES >= first && minute % HOUR_MINUTES < first + count)
    .map((minute) => startMs + minute * MINUTE_MS);
}

/** Exactly `total` events over the minutes given, as many in each as its habits weigh. */
function* ordinaryEvents(
  dice: Dice,
  minutes: readonly number[],
  total: number,
): Generator<Line, void> {
  const weights = minutes.map((ms) => weightsAt((ms / MINUTE_MS) % DAY_MINUTES));
  const sums = weights.map((row) => row.reduce((sum, weight) => sum + weight, 0));
  const whole = sums.reduce((sum, weight) => sum + weight, 0);
  let passed = 0;
  let made = 0;
  for (const [index, startMs] of minutes.entries()) {
    passed += sums[index] ?? 0;
    // The last minute takes what rounding left, so that the count is exact.
    const due = index === minutes.length - 1 ? total : Math.floor((total * passed) / whole);
    yield* minuteOf(dice, startMs, due - made, weights[index] ?? []);
    made = due;
  }
}

function weightsAt(minute: number): readonly number[] {
  return HABITS.map(({ rhythm }) => rhythm(minute));
}

function* minuteOf(
  dice: Dice,
  startMs: number,
  count: number,
  weights: readonly number[],
): Generator<Line, void> {
  const instants = Array.from({ length: count }, () => ({
    ms: startMs + dice.between(0, MINUTE_MS - 1),
    ns: dice.between(0, 999_999),
  })).toSorted(compare);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (const at of instants) {
    const habit = habitAt(weights, dice.next() * sum);
    const place = dice.pick(habit.places);
    yield { at, text: falcoLine(habit.deed(dice), place, at, dice) };
  }
}

function habitAt(weights: readonly number[], point: number): Habit {
  let left = point;
  const index = weights.findIndex((weight) => (left -= weight) < 0);
  const habit = HABITS[Math.max(index, 0)];
  if (habit === undefined) throw new RangeError("there are no habits");
  return habit;
}

// ---- What is no event of anybody's ---------------------------------------------------------------

/** Falco on itself: four snapshots of its metrics a day, and two spells in which it lost calls. */
function internalLines(seed: number, dayStartMs: number): readonly Line[] {
  const dice = createDice(seed, "internal");
  const nodes = INVENTORY.nodes.map(({ name }) => name);
  const at = (minute: number): Instant => ({
    ms: dayStartMs + minute * MINUTE_MS,
    ns: dice.between(0, 999_999),
  });
  const snapshots = [15, 375, 735, 1095].map((minute) =>
    internal("Falco internal: metrics snapshot", "Informational", dice.pick(nodes), at(minute), {
      "evt.source": "syscall",
      "falco.container_memory_used_mb": dice.between(60, 90),
      "falco.cpu_usage_perc": dice.between(1, 6),
      "falco.version": "0.44.0",
      "scap.n_evts": dice.between(1_000_000, 9_000_000),
    }),
  );
  const drops = [622, 940].map((minute) =>
    internal("Falco internal: syscall event drop", "Debug", dice.pick(nodes), at(minute), {
      ebpf_enabled: "1",
      n_drops: String(dice.between(1, 400)),
      n_evts: String(dice.between(100_000, 900_000)),
    }),
  );
  return [...snapshots, ...drops];
}

function internal(
  rule: string,
  priority: string,
  node: string,
  at: Instant,
  fields: Readonly<Record<string, string | number>>,
): Line {
  return { at, text: internalLine(rule, priority, node, fields, at) };
}

const TRAILING_ZEROS = /\.?0+Z$/;

/** The same event as falcosidekick hands it on: a uuid for the receipt, trimmed zeros, other order. */
function asSidekick(line: string, dice: Dice): string {
  const event = JSON.parse(line) as Record<string, unknown>;
  const digits = Array.from({ length: 32 }, () => dice.between(0, 15).toString(16)).join("");
  const uuid = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const { output, priority, rule, time, output_fields, source, tags, hostname } = event;
  const trimmed = String(time).replace(TRAILING_ZEROS, "Z");
  const body = {
    uuid,
    output,
    priority,
    rule,
    time: trimmed,
    output_fields,
    source,
    tags,
    hostname,
  };
  return JSON.stringify(body);
}
