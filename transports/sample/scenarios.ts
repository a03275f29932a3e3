/**
 * The boundary of: the sample's attacks and what is known of them. A test, or a benchmark, asks
 * here what the right answer would have been; the watch floor itself never does.
 */
import { parseFalcoLine } from "../falco/parse.ts";
import { EVENING_ATTACKS } from "./attacks-evening.ts";
import { MIDDAY_ATTACKS } from "./attacks-midday.ts";
import { MORNING_ATTACKS } from "./attacks-morning.ts";
import { createDice, type Dice } from "./dice.ts";
import { falcoLine, type Instant } from "./line.ts";
import { entityOf, type Place } from "./places.ts";
import { SAMPLE_DAY_START_MS } from "./rhythm.ts";
import type { Attack } from "./scenario.ts";

const ATTACKS: readonly Attack[] = [...MORNING_ATTACKS, ...MIDDAY_ATTACKS, ...EVENING_ATTACKS];

export interface Scenario extends Attack {
  /** `namespace/workload/container`, or `host/<node>`. */
  readonly entity: string;
}

/** Forty, in the order of the day. Technique ids are those of ATT&CK v18.1. */
export const SCENARIOS: readonly Scenario[] = ATTACKS.map((attack) => {
  const [place] = attack.places;
  if (place === undefined) throw new RangeError(`${attack.id} has no place`);
  return { ...attack, entity: entityOf(place) };
});

const MINUTE_MS = 60_000;
/** The first attack comes this early, so that whoever watches sees a verdict soon. */
const FIRST_MS = 5 * MINUTE_MS;
const APART_MS = 35.5 * MINUTE_MS;
const JITTER_MS = 10 * MINUTE_MS;

export interface AttackLine {
  readonly at: Instant;
  readonly scenario: string;
  readonly text: string;
}

/** Every attack line of a day in order of time. Depends on seed and day alone, not on the noise. */
export function attackLines(
  seed: number,
  dayStartMs: number = SAMPLE_DAY_START_MS,
): readonly AttackLine[] {
  return SCENARIOS.flatMap((scenario, index) => {
    const dice = createDice(seed, `attack/${scenario.id}`);
    const jitterMs = index === 0 ? 0 : dice.between(0, JITTER_MS);
    const startMs = dayStartMs + FIRST_MS + index * APART_MS + jitterMs;
    return scenarioLines(scenario, dice.pick(scenario.places), startMs, dice);
  });
}

function scenarioLines(
  { id, steps }: Scenario,
  place: Place,
  startMs: number,
  dice: Dice,
): readonly AttackLine[] {
  let ms = startMs;
  return steps.map((deed) => {
    const at = { ms, ns: dice.between(0, 999_999) };
    ms += dice.between(800, 20_000);
    return { at, scenario: id, text: falcoLine(deed, place, at, dice) };
  });
}

/** The truth: which scenario an event of the sample day belongs to, by the event's digest. */
export function sampleTruth(
  seed: number,
  dayStartMs: number = SAMPLE_DAY_START_MS,
): ReadonlyMap<string, string> {
  return new Map(
    attackLines(seed, dayStartMs).map(({ scenario, text }, index) => [
      parseFalcoLine(text, index + 1).digest,
      scenario,
    ]),
  );
}
