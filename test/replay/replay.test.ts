/** Histories that earlier versions recorded: today's machines take them alike, or say how what they left is read. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { TRAINER_MIGRATIONS } from "../../machines/trainer.labels.ts";
import type { Json, Kind } from "../../machines/protocol.ts";
import { restore } from "../../supervisor/chart.ts";
import { CHARTS } from "../kit/charts.ts";
import { readCorpus, replayed, type RecordedHistory } from "./corpus.ts";

const MIGRATIONS: Partial<Record<Kind, Readonly<Record<number, (context: Json) => Json>>>> = {
  trainer: TRAINER_MIGRATIONS,
};

const corpus = readCorpus();

function assertAlike(history: RecordedHistory): void {
  const { kind, version, steps, input } = history;
  const now = replayed(CHARTS[kind].machine, history);
  for (const [index, step] of steps.entries()) {
    const { type } = step.event as { readonly type: string };
    const changed = `${input.address}, step ${index + 1} (${type}): the ${kind} machine does otherwise than version ${version} recorded. Raise its version and declare a migration, or take the change back; then npm run replay:record`;
    assert.deepEqual(now.steps[index], step, changed);
  }
}

/** What an older version stored must be readable, or its actors would all be set aside. */
function assertMigrates({ kind, version, snapshot }: RecordedHistory): void {
  const migrate = MIGRATIONS[kind]?.[version];
  assert.ok(migrate, `${kind} has no migration from version ${version}`);
  const context = migrate(snapshot.context);
  assert.ok(restore(CHARTS[kind].machine, { ...snapshot, context }));
}

describe("replay: recorded histories", () => {
  it("has one of every machine", () => {
    const kinds = new Set(corpus.map(({ kind }) => kind));
    assert.deepEqual(
      Object.keys(CHARTS).filter((kind) => !kinds.has(kind as Kind)),
      [],
    );
  });

  for (const kind of Object.keys(CHARTS) as Kind[]) {
    it(`${kind} takes its own as it did, and reads what older versions left`, () => {
      for (const history of corpus.filter((one) => one.kind === kind)) {
        if (history.version === CHARTS[kind].version) assertAlike(history);
        else assertMigrates(history);
      }
    });
  }

  it("notices a machine that does otherwise", () => {
    const [history] = corpus.filter(({ kind }) => kind === "reviewer");
    assert.ok(history);
    const [first, ...rest] = history.steps;
    const changed = { ...history, steps: [{ ...first!, state: "elsewhere" }, ...rest] };
    assert.throws(() => assertAlike(changed), /Raise its version and declare a migration/);
  });
});
