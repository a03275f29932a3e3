/** Reading beside a runner: what was appended counts, whether or not it is written behind yet. */
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { chain } from "../../supervisor/history.ts";
import { shardOf } from "../../supervisor/placement.ts";
import { Reader } from "../../supervisor/reader.ts";
import { encodeRecord } from "../../supervisor/record.ts";
import { casesTable, caseStory } from "../../supervisor/views/case.ts";
import { painter } from "../../supervisor/views/text.ts";
import { readTrace, traceLines, traceText } from "../../supervisor/views/trace.ts";
import { openMemory } from "../../transports/memory.ts";
import type { Transport } from "../../transports/ports.ts";
import {
  AT,
  CASE,
  DIGEST,
  LETTER,
  SCREENED,
  SHARDS,
  storeCase,
  summaryOf,
  tailTurn,
  TRACE_ID,
} from "../kit/stored-case.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

const paint = painter(false);
const shard = shardOf(`coordinator/${CASE}`, SHARDS);

describe("supervisor: reading", () => {
  let transport: Transport;
  let reader: Reader;
  beforeEach(async () => {
    transport = openMemory({ clock: virtualClock() });
    await storeCase(transport);
    reader = new Reader(transport, SHARDS);
  });

  it("sees a turn that is in the journal only", async () => {
    assert.equal((await reader.caseSummary(CASE))?.state, "awaiting_human");
    assert.equal((await reader.history(CASE)).length, 2);
    assert.deepEqual(
      (await reader.cases({ waiting: true })).map((summary) => summary.case),
      [CASE],
    );
  });

  it("sees what is appended later once it is refreshed", async () => {
    await reader.cases();
    const summary = summaryOf({ state: "closed", waitingFor: null, updatedAt: AT + 9_000 });
    await transport.journal.append(shard, 1, [encodeRecord(tailTurn({ history: null, summary }))]);
    assert.equal((await reader.caseSummary(CASE))?.state, "awaiting_human");
    reader.refresh();
    assert.equal((await reader.caseSummary(CASE))?.state, "closed");
    assert.deepEqual(await reader.cases({ waiting: true }), []);
  });

  it("prefers the store where it moved on after the tail was read", async () => {
    await reader.cases();
    const summary = summaryOf({ state: "closed", updatedAt: AT + 9_000 });
    await transport.store.write([{ table: "cases", key: CASE, value: summary as never }]);
    assert.equal((await reader.caseSummary(CASE))?.state, "closed");
    assert.equal((await reader.cases())[0]?.state, "closed");
  });

  it("no longer sees a dead letter that the tail says is resolved", async () => {
    assert.equal((await reader.deadLetters()).length, 1);
    const { actor, id: letter } = LETTER;
    const source = { from: "mailbox", first: 1, last: 1 } as const;
    const record = {
      r: "resolved",
      at: AT,
      actor,
      source,
      letter,
      how: "dropped",
      record: null,
    } as const;
    await transport.journal.append(shardOf(actor, SHARDS), 0, [encodeRecord(record)]);
    reader.refresh();
    assert.deepEqual(await reader.deadLetters(), []);
    assert.equal(await reader.deadLetter(letter), null);
  });

  it("skips a record that cannot be read, and reads on", async () => {
    await transport.journal.append(shard, 1, [
      "not json",
      encodeRecord(tailTurn({ summary: summaryOf({ state: "closed", updatedAt: AT + 9_000 }) })),
    ]);
    assert.equal((await reader.caseSummary(CASE))?.state, "closed");
  });

  for (const [what, id, expected] of [
    ["a case", CASE, CASE],
    ["an event's digest", DIGEST, CASE],
    ["a trace id", TRACE_ID, CASE],
    ["the beginning of a case", CASE.slice(0, 8), CASE],
    ["the beginning of a digest", DIGEST.slice(0, 10), CASE],
    ["an event without a case", SCREENED, null],
    ["a trace without a case", SCREENED.slice(0, 32), null],
  ] as const) {
    it(`resolves ${what}`, async () => {
      assert.equal((await reader.resolve(id)).case, expected);
    });
  }

  it("refuses an id that is unknown, too short or the beginning of several", async () => {
    await assert.rejects(reader.resolve("c-ffffffff"), { code: "case_unknown" });
    await assert.rejects(reader.resolve(CASE.slice(0, 7)), { code: "case_unknown" });
    await transport.store.write([
      {
        table: "cases",
        key: "c-0123456789ff",
        value: summaryOf({ case: "c-0123456789ff" }) as never,
      },
    ]);
    await assert.rejects(reader.resolve("c-01234567"), { code: "id_ambiguous" });
    assert.equal((await reader.resolve(CASE)).case, CASE);
  });

  it("finds the actors of a case and of no other", async () => {
    const record = tailTurn().record as never;
    await transport.store.write(
      [`detector/${CASE}.1`, `detector/${CASE}.2`, `detector/${CASE}0.1`].map((key) => ({
        table: "actors",
        key,
        value: record,
      })),
    );
    const found = await reader.actors("detector", CASE);
    assert.deepEqual(
      found.map(({ actor }) => actor),
      [`detector/${CASE}.1`, `detector/${CASE}.2`],
    );
  });

  it("tells the story of a case with the command that answers it", async () => {
    const [summary, entries] = [await reader.caseSummary(CASE), await reader.history(CASE)];
    const text = caseStory(summary!, entries, ["opened \u001b[31mby root\u202e"], paint).join("\n");
    assert.match(text, /c-0123456789ab: awaiting_human, verdict escalate, WAITS FOR YOU/);
    assert.match(text, /isolate pod\/shop\/web-1: waiting/);
    assert.match(text, /\+ network policy deny-all/);
    assert.match(text, /watchfloor approve c-0123456789ab/);
    assert.ok(
      !text.includes("\u001b") && !text.includes("\u202e"),
      "an event's control codes reach no terminal",
    );
  });

  it("lists cases in columns, and says so when there are none", async () => {
    const [head, line] = casesTable(await reader.cases(), paint);
    assert.match(head ?? "", /^CASE +OPENED +STATE/);
    assert.match(line ?? "", /^c-0123456789ab +2026-01-05 00:00:00Z +awaiting_human +escalate/);
    assert.deepEqual(casesTable([], paint), ["No cases."]);
  });

  it("traces a case from its event to its last turn, and notices a broken chain", async () => {
    const trace = await readTrace(reader, DIGEST);
    assert.equal(trace.chain, "whole");
    assert.deepEqual(
      trace.steps.map((step) => step.to),
      ["detecting", "awaitingHuman"],
    );
    assert.match(
      traceText(trace, paint).join("\n"),
      /askReviewer answered +reviewing -> awaitingHuman/,
    );
    assert.deepEqual(
      traceLines(trace).map((line) => (line as { type: string }).type),
      ["event", "step", "step", "trace"],
    );
    await transport.store.write([
      { table: "history", key: `${CASE}/00000001`, value: { ...trace.steps[0], to: "x" } as never },
    ]);
    assert.match((await readTrace(reader, CASE)).chain, /entry 1/);
  });

  it("traces an event that never reached a case", async () => {
    const trace = await readTrace(reader, SCREENED);
    assert.equal(trace.case, null);
    assert.equal(trace.events[0]?.gate, "screened");
  });
});

describe("supervisor: the story of a case", () => {
  it("says who answered, and that an answer did not count", () => {
    const message = {
      id: "cmd-1",
      answer: "approve",
      person: { user: "ann", uid: 7, as: "boss" },
      reason: "seen",
      dismissal: null,
    };
    const said = (accepted: boolean) => ({
      message,
      command: { id: "cmd-1", accepted, code: accepted ? null : "not_permitted" },
    });
    const base = {
      case: CASE,
      at: AT,
      turn: 3,
      event: "human.answer",
      from: "awaitingHuman",
      to: "awaitingHuman",
      cause: "cmd-1",
    };
    const entries = [false, true].map((accepted) => chain(null, { ...base, data: said(accepted) }));
    const text = caseStory(summaryOf(), entries, [], paint).join("\n");
    assert.match(
      text,
      /ann \(uid 7\) \(says to be boss\): approve, "seen", did not count: not_permitted/,
    );
    assert.match(text, /approve, "seen"\n/);
  });

  it("offers no approval where nothing waits to be done", () => {
    const text = caseStory(summaryOf({ actions: [] }), [], [], paint).join("\n");
    assert.ok(!text.includes("watchfloor approve") && text.includes("watchfloor dismiss"));
  });
});
