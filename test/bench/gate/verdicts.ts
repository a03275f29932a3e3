/**
 * The boundary of: people's verdicts and the ranking, on public sets. One half of a set is fitted and
 * asked about, the most unusual row first, sixty times; the other half is only ever ranked.
 */
import type { Forest, Lesson } from "../../../anomaly/index.ts";
import { leafWeights } from "../../../anomaly/lessons.ts";
import { seededRandom } from "../../../anomaly/random.ts";
import type { Bound, Table } from "../suite.ts";
import { meanOf, type DataSet } from "./sets.ts";

const VERDICTS = 60;
const SEEDS = 3;
const TOP = 50;
const TEACHERS = 5;
const UNUSUAL_SHARE = 0.1;
type Fit = (rows: Float32Array, columns: number, seed: number) => Forest;

interface Half {
  readonly rows: Float32Array;
  readonly labels: readonly boolean[];
}

interface Outcome {
  readonly anomalies: number;
  readonly before: number;
  readonly after: number;
  /** With one of five people telling the opposite of the truth. */
  readonly lied: number;
}

export function measureVerdicts(
  sets: readonly DataSet[],
  fit: Fit,
): { table: Table; bounds: readonly Bound[] } {
  const rows = sets.map((set) => ({ set, ...mean(seeds(set, fit)) }));
  const could = rows.filter(({ before, anomalies }) => before * 3 < TOP && anomalies >= 2 * before);
  const doubled = could.filter(({ before, after }) => after >= 2 * before);
  const others = rows.filter((row) => !could.includes(row));
  const lowered = others.filter(({ before, after }) => after < 0.95 * before);
  const contained = rows.filter(({ before, lied }) => lied >= 0.95 * before);
  return {
    table: {
      title: `Verdicts: anomalies in the top ${TOP} of the unseen half, before and after ${VERDICTS}`,
      columns: ["set", "anomalies", "before", "after", "one of five lies"],
      rows: rows.map(({ set, anomalies, before, after, lied }) => [
        set.name,
        ...[anomalies, before, after, lied].map((value) => value.toFixed(1)),
      ]),
    },
    bounds: [
      {
        what: "precision at least doubled where it was below a third and could be",
        measured: `${doubled.length} of ${could.length} sets`,
        holds: doubled.length === could.length,
      },
      {
        what: "precision lowered by no more than 5 % elsewhere",
        measured: `${others.length - lowered.length} of ${others.length} sets`,
        holds: lowered.length === 0,
      },
      {
        what: "one liar among five lowers precision by no more than 5 % of what it was untaught",
        measured: `${contained.length} of ${rows.length} sets`,
        holds: contained.length === rows.length,
      },
    ],
  };
}

function seeds(set: DataSet, fit: Fit): Outcome[] {
  return Array.from({ length: SEEDS }, (_, seed) => {
    const [asked, unseen] = halves(set, seed);
    const forest = fit(asked!.rows, set.columns, seed);
    const truth = teach(forest, set.columns, asked!, false);
    const lied = teach(forest, set.columns, asked!, true);
    return {
      anomalies: unseen!.labels.filter(Boolean).length,
      before: inTop(forest, unseen!),
      after: inTop(truth, unseen!),
      lied: inTop(lied, unseen!),
    };
  });
}

function mean(outcomes: readonly Outcome[]): Outcome {
  const of = (name: keyof Outcome): number => meanOf(outcomes.map((outcome) => outcome[name]));
  return { anomalies: of("anomalies"), before: of("before"), after: of("after"), lied: of("lied") };
}

function halves({ rows, columns, values, labels }: DataSet, seed: number): Half[] {
  const random = seededRandom(seed + 99);
  const order = Array.from({ length: rows }, (_, i) => i);
  for (let i = rows - 1; i > 0; i -= 1) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return [order.slice(0, rows >> 1), order.slice(rows >> 1)].map((kept) => {
    const own = new Float32Array(kept.length * columns);
    kept.forEach((row, i) =>
      own.set(values.subarray(row * columns, (row + 1) * columns), i * columns),
    );
    return { rows: own, labels: kept.map((row) => labels[row] === 1) };
  });
}

/** The forest after so many verdicts, each about what it then finds most unusual. */
function teach(forest: Forest, columns: number, asked: Half, oneLies: boolean): Forest {
  const lessons: Lesson[] = [];
  const open = new Set(asked.labels.keys());
  const scores = scoresOf(forest, asked);
  const unusual = scores.toSorted()[Math.floor(scores.length * (1 - UNUSUAL_SHARE))]!;
  let taught = forest;
  for (let verdict = 0; verdict < Math.min(VERDICTS, asked.labels.length); verdict += 1) {
    const now = verdict === 0 ? scores : scoresOf(taught, asked);
    let most = -1;
    for (const row of open) if (most < 0 || now[row]! > now[most]!) most = row;
    open.delete(most);
    const teacher = verdict % TEACHERS;
    lessons.push({
      row: asked.rows.subarray(most * columns, (most + 1) * columns),
      benign: !asked.labels[most]! !== (oneLies && teacher === 0),
      teacher: `person ${teacher}`,
      priority: "notice",
      atMs: verdict,
    });
    taught = forest.taught(leafWeights(forest, lessons, unusual, VERDICTS));
  }
  return taught;
}

function inTop(forest: Forest, half: Half): number {
  const scores = scoresOf(forest, half);
  const order = Array.from(scores.keys()).toSorted((a, b) => scores[b]! - scores[a]!);
  return order.slice(0, TOP).filter((row) => half.labels[row]).length;
}

function scoresOf(forest: Forest, { rows, labels }: Half): Float32Array {
  const scores = new Float32Array(labels.length);
  forest.scoreBatch(rows, scores);
  return scores;
}
