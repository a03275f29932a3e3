/**
 * The boundary of: what people said of events and what a forest makes of it. A lesson moves the leaf
 * that each tree has for its event: deeper, and so more ordinary, where it was benign; up where it
 * was an attack. Similar events share leaves, and so share what was said. How far each lesson moves
 * its leaves is found together, as for a margin: only until an attack is well above, and what is
 * benign below, what the forest calls unusual.
 *
 * Weights are always computed from the stored verdicts, features included, and from nothing else: a
 * retrained forest is taught again what the one before knew, and leaving a person's verdicts out
 * leaves nothing of them behind. Bounds hold what one person, or one lie told often, can do.
 */
import { PRIORITIES, type Priority } from "../machines/vocabulary.ts";
import type { Forest } from "./forest.ts";

/** One person's answer about one event. What models say is no lesson. */
export interface Lesson {
  /** As it was scored. */
  readonly row: Float32Array;
  readonly benign: boolean;
  /** Who answered. */
  readonly teacher: string;
  readonly priority: Priority;
  /** ms since the epoch. */
  readonly atMs: number;
}

/** What one person's lessons do. */
export interface Influence {
  readonly teacher: string;
  /** Lessons that count, and those that do not: too old, too many, or benign about a critical one. */
  readonly counted: number;
  readonly ignored: number;
  /** Of all movement of leaves, in [0, 1]. */
  readonly share: number;
}

/** The newest so many of a person's lessons count, and of all people's. */
const TEACHER_LESSONS_MAX = 200;
const LESSONS_MAX = 1000;
const HALF_LIFE_MS = 90 * 86_400_000;
/** Steps of depth by which one lesson may move its leaves. Hiding is bounded closer than showing. */
const BENIGN_MAX = 1;
const ATTACK_MAX = 6;
/** Beyond this many steps in sum, a person may move as much as all others together, and no more. */
const TEACHER_FREE = 20;
const LEAF_MAX = 8;
/** An attack is to be so many steps less deep than what is unusual. */
const MARGIN = 4;
const ROUNDS = 15;
const CRITICAL = PRIORITIES.indexOf("critical");
/** Weights are multiples of this, so that leaves keep few distinct values. */
const GRAIN = 1 / 16;

interface Judged {
  readonly lesson: Lesson;
  readonly leaves: Uint32Array;
  readonly depth: number;
  /** 1 at first, fading; bounds what the lesson may do. */
  readonly worth: number;
}

/**
 * Of each leaf, as the forest's `leavesOf` names them: steps of depth that the lessons move it by;
 * null where none counts.
 *
 * @param forest as it was fitted, without weights
 * @param unusual a score above which only a small part of ordinary rows lie
 */
export function leafWeights(
  forest: Forest,
  lessons: readonly Lesson[],
  unusual: number,
  nowMs: number,
): Float32Array | null {
  const judged = judgedBy(forest, lessons, nowMs);
  if (judged.length === 0) return null;
  const steps = stepsOf(judged, forest.depthAt(unusual));
  const weights = new Float32Array(forest.trees.trees * 2 ** forest.trees.depth);
  judged.forEach(({ lesson, leaves }, i) => {
    for (const leaf of leaves) weights[leaf]! += lesson.benign ? steps[i]! : -steps[i]!;
  });
  return weights.map((weight) => Math.round(bounded(weight, LEAF_MAX) / GRAIN) * GRAIN);
}

/** Of every person who taught, most first. Parameters as of `leafWeights`. */
export function influences(
  forest: Forest,
  lessons: readonly Lesson[],
  unusual: number,
  nowMs: number,
): readonly Influence[] {
  const judged = judgedBy(forest, lessons, nowMs);
  const steps = stepsOf(judged, forest.depthAt(unusual));
  const all = steps.reduce((sum, step) => sum + step, 0);
  return [...new Set(lessons.map(({ teacher }) => teacher))]
    .map((teacher) => {
      const own = judged.flatMap(({ lesson }, i) =>
        lesson.teacher === teacher ? [steps[i]!] : [],
      );
      const told = lessons.filter((lesson) => lesson.teacher === teacher).length;
      const moved = own.reduce((sum, step) => sum + step, 0);
      const share = all === 0 ? 0 : moved / all;
      return { teacher, counted: own.length, ignored: told - own.length, share };
    })
    .toSorted((a, b) => b.share - a.share || b.counted - a.counted);
}

/** Those that count, newest first, with where they fall in the forest. */
function judgedBy(forest: Forest, lessons: readonly Lesson[], nowMs: number): readonly Judged[] {
  const told = new Map<string, number>();
  const counted = lessons
    .filter(counts)
    .toSorted((a, b) => b.atMs - a.atMs)
    .filter(({ teacher }) => {
      told.set(teacher, (told.get(teacher) ?? 0) + 1);
      return told.get(teacher)! <= TEACHER_LESSONS_MAX;
    });
  return counted.slice(0, LESSONS_MAX).map((lesson) => ({
    lesson,
    leaves: forest.leavesOf(lesson.row),
    depth: forest.depthAt(forest.scoreOne(lesson.row)),
    worth: 2 ** (-Math.max(0, nowMs - lesson.atMs) / HALF_LIFE_MS),
  }));
}

/** Benign about a critical event teaches nothing: the next such event might be the attack. */
function counts({ benign, priority }: Lesson): boolean {
  return !benign || PRIORITIES.indexOf(priority) > CRITICAL;
}

/** How far each lesson moves its leaves: one after another until each margin holds or is spent. */
function stepsOf(judged: readonly Judged[], unusual: number): Float64Array {
  const kinship = judged.map((one) => judged.map((other) => sharedLeaves(one, other)));
  const steps = new Float64Array(judged.length);
  for (let round = 0; round < ROUNDS; round += 1) {
    judged.forEach(({ lesson, depth, worth }, i) => {
      let moved = depth;
      for (let j = 0; j < judged.length; j += 1) {
        const step = steps[j]! * kinship[i]![j]!;
        moved += judged[j]!.lesson.benign ? step : -step;
      }
      const missing = lesson.benign ? unusual - moved : moved - (unusual - MARGIN);
      const max = worth * (lesson.benign ? BENIGN_MAX : ATTACK_MAX);
      steps[i] = Math.max(0, Math.min(max, steps[i]! + missing));
    });
  }
  return capped(judged, steps);
}

/** Nobody moves more than a little plus what all others move together. */
function capped(judged: readonly Judged[], steps: Float64Array): Float64Array {
  const sums = new Map<string, number>();
  judged.forEach(({ lesson }, i) =>
    sums.set(lesson.teacher, (sums.get(lesson.teacher) ?? 0) + steps[i]!),
  );
  const all = [...sums.values()].reduce((sum, own) => sum + own, 0);
  if (sums.size < 2) return steps;
  return steps.map((step, i) => {
    const own = sums.get(judged[i]!.lesson.teacher)!;
    return step * Math.min(1, Math.max(TEACHER_FREE, all - own) / own);
  });
}

/** Share of trees that cannot tell the two apart. */
function sharedLeaves(one: Judged, other: Judged): number {
  let shared = 0;
  for (let tree = 0; tree < one.leaves.length; tree += 1) {
    if (one.leaves[tree] === other.leaves[tree]) shared += 1;
  }
  return shared / one.leaves.length;
}

function bounded(value: number, max: number): number {
  return Math.max(-max, Math.min(max, value));
}
