/** A store that was damaged: each fault has its name, says what was set aside, and stops nothing else. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { WatchfloorError } from "../../machines/errors.ts";
import type { ActorAddress, Json } from "../../machines/protocol.ts";
import { LIMITS } from "../../supervisor/limits.ts";
import { Intake } from "../../supervisor/intake.ts";
import { shardOf } from "../../supervisor/placement.ts";
import type { DeadLetter, JournalRecord } from "../../supervisor/record.ts";
import { Runner } from "../../supervisor/runner.ts";
import { parseFalcoLine } from "../../transports/falco/parse.ts";
import { openLocal, type LocalTransport } from "../../transports/local/index.ts";
import type { Journal, Transport } from "../../transports/ports.ts";
import { attackLines } from "../../transports/sample/scenarios.ts";
import { definitionsWith, edgeEnvelope } from "../kit/floor.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { virtualClock, type VirtualClock } from "../kit/virtual-clock.ts";

const SHARDS = 4;
const [BROKEN, WHOLE] = ["detector/w0", "detector/w1"] as const;

describe("supervisor: a damaged store", () => {
  let path: string;
  let clock: VirtualClock;
  let transport: LocalTransport;
  let runner: Runner;
  let alarms: WatchfloorError[];
  let records: JournalRecord[];

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), "watchfloor-damage-"));
    clock = virtualClock();
    [alarms, records] = [[], []];
  });
  afterEach(async () => {
    runner.halt();
    await transport.close();
    rmSync(path, { recursive: true, force: true });
  });

  async function start(journal: (real: Journal) => Journal = (real) => real): Promise<void> {
    transport = await openLocal({ path, shardCount: SHARDS, clock });
    const used: Transport = { ...transport, journal: journal(transport.journal) };
    runner = new Runner({
      transport: used,
      definitions: definitionsWith(),
      shardCount: SHARDS,
      clock,
      random: seededRandom(1),
      runnerId: "test",
      observers: [
        {
          alarm: (error) => alarms.push(error),
          committed: (_, committed) => records.push(...committed),
          lost: (_, error) => assert.fail(String(error)),
        },
      ],
    });
    await runner.start();
  }

  /** Killed: what is in the journal is not written behind. */
  async function crash(): Promise<void> {
    runner.halt();
    await transport.close();
  }

  let sent = 0;
  async function send(to: ActorAddress, data: Json = null): Promise<void> {
    const envelope = edgeEnvelope(to, "note", data, `edge-${++sent}`);
    await transport.mailbox.publish(shardOf(to, SHARDS), [envelope]);
  }

  /** Real disks answer in their own time: waits until something was committed, and time does not move. */
  async function until(what: string, holds: () => boolean): Promise<void> {
    for (let n = 0; n < 1_000_000 && !holds(); n++) await new Promise((next) => setImmediate(next));
    assert.ok(holds(), what);
  }

  const turnsOf = (actor: ActorAddress): number =>
    records.filter((record) => record.r === "turn" && record.actor === actor).length;

  async function noted(actor: ActorAddress): Promise<void> {
    const before = turnsOf(actor);
    await send(actor);
    await until(`${actor} took a note`, () => turnsOf(actor) > before);
  }

  const codes = (): string[] => alarms.map((error) => error.code);

  function flip(marker: string): void {
    const file = join(path, "data.mdb");
    const bytes = readFileSync(file);
    for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 1))
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(file, bytes);
  }

  async function letters(): Promise<DeadLetter[]> {
    await runner.flush();
    const found = await transport.store.list("deadletters", "");
    return found.map(({ value }) => value as unknown as DeadLetter);
  }

  it("sets the actor of a flipped byte aside, and tells people", async () => {
    await start();
    await noted(BROKEN);
    await noted(WHOLE);
    await crash();
    flip(`"event":"note","cause":"edge-1"`);
    await start();
    assert.deepEqual(codes(), ["record_unreadable"]);
    assert.match(alarms[0]!.message, /set aside: detector\/w0; look with: watchfloor journal/);
    await noted(WHOLE);
    await until("the actor is set aside", () => records.some((record) => record.r === "dead"));
    const [letter] = (await letters()).filter(({ event }) => event.startsWith("wf.lost"));
    assert.deepEqual([letter?.actor, letter?.cause.code], [BROKEN, "record_unreadable"]);
    const told = records.flatMap((record) => ("outbox" in record ? record.outbox : []));
    assert.ok(told.some(({ type }) => type === "case.fault"));
  });

  it("frees that actor when a person says so", async () => {
    await start();
    await noted(BROKEN);
    await crash();
    flip(`"event":"note","cause":"edge-`);
    await start();
    const dead = () => records.filter((record) => record.r === "dead").length;
    await until("it and what it cannot take are dead letters", () => dead() === 2);
    for (const letter of await letters()) {
      const lost = letter.event.startsWith("wf.lost");
      const data = { letter } as unknown as Json;
      const word = edgeEnvelope(BROKEN, lost ? "wf.drop" : "wf.retry", data, letter.id);
      await transport.mailbox.publish(shardOf(BROKEN, SHARDS), [word]);
    }
    await until("what was lost is done again", () => turnsOf(BROKEN) === 2);
    await noted(BROKEN);
    assert.deepEqual(await letters(), []);
  });

  it("treats a record of an unknown kind alike", async () => {
    await start();
    await noted(WHOLE);
    const shard = shardOf(BROKEN, SHARDS);
    await crash();
    transport = await openLocal({ path, shardCount: SHARDS, clock });
    const foreign = JSON.stringify({ r: "poem", at: 1, actor: BROKEN });
    await transport.journal.append(shard, await transport.journal.last(shard), [foreign]);
    await transport.close();
    await start();
    assert.match(alarms[0]!.message, /of an unknown kind; set aside: detector\/w0/);
    await noted(WHOLE);
  });

  for (const [how, cut] of [
    ["in its middle", (position: number) => position === 3],
    ["at its beginning", (position: number) => position <= 2],
    ["at its end", (position: number) => position === 5],
  ] as const) {
    it(`sets a shard aside whose journal is cut short ${how}, and runs the others`, async () => {
      await start();
      for (let n = 0; n < 4; n++) await noted(BROKEN);
      await crash();
      const hurt = shardOf(BROKEN, SHARDS);
      const other = [1, 2, 3, 4, 5, 6, 7, 8, 9]
        .map((n) => `detector/w${n}` as const)
        .find((actor) => shardOf(actor, SHARDS) !== hurt)!;
      const started = start((real) => ({
        append: (shard, expected, texts) => real.append(shard, expected, texts),
        last: (shard) => real.last(shard),
        trim: (shard, below) => real.trim(shard, below),
        read: async (shard, from, limit) => {
          const found = await real.read(shard, from, limit);
          return shard === hurt ? found.filter(({ position }) => !cut(position)) : found;
        },
      }));
      let done = false;
      void started.finally(() => (done = true));
      while (!done) await clock.advance(50);
      assert.deepEqual(codes(), ["shard_set_aside"]);
      assert.match(alarms[0]!.message, new RegExp(`shard ${hurt} is set aside.*record_|journal`));
      await noted(other);
      await send(BROKEN);
      assert.equal(turnsOf(BROKEN), 4, "it waits in its mailbox");
    });
  }

  it("leaves a shard alone that a newer version claimed, and runs the others", async () => {
    await start();
    await noted(BROKEN);
    await crash();
    const hurt = shardOf(BROKEN, SHARDS);
    transport = await openLocal({ path, shardCount: SHARDS, clock });
    const claim = JSON.stringify({ r: "claim", at: 1, format: 99, runner: "newer" });
    await transport.journal.append(hurt, await transport.journal.last(hurt), [claim]);
    await transport.close();
    await start();
    assert.deepEqual(codes(), ["shard_set_aside"]);
    assert.match(alarms[0]!.message, /newer version \(format 99/);
  });

  it("leaves out an envelope that cannot be read, and takes the next", async () => {
    await start();
    await crash();
    transport = await openLocal({ path, shardCount: SHARDS, clock });
    await send(BROKEN, "marked for damage");
    await send(BROKEN);
    await transport.close();
    flip("marked for damage");
    await start();
    await until("the next was taken", () => turnsOf(BROKEN) === 1);
    assert.deepEqual(codes(), ["mailbox_unreadable"]);
  });

  it("sets an actor aside whose stored state cannot be read, and loads the others", async () => {
    await start();
    await noted(BROKEN);
    await noted(WHOLE);
    await runner.drain();
    await transport.close();
    flip(`"traceparent":"00-${"a".repeat(32)}`);
    await start();
    await send(BROKEN);
    await until("a dead letter", () => records.some((record) => record.r === "dead"));
    assert.ok(codes().every((code) => code === "value_unreadable"));
    assert.equal((await letters())[0]?.cause.code, "value_unreadable");
  });

  it("makes a dead letter of a turn over the size limit, and takes the next", async () => {
    await start();
    const job = { to: "detector/w0", job: "x".repeat(LIMITS.recordBytesMax), timeoutMs: null };
    const shard = shardOf("coordinator/big", SHARDS);
    const envelopes = [
      edgeEnvelope("coordinator/big", "ask", job, "big"),
      edgeEnvelope("coordinator/big", "ask", { ...job, job: "small" }, "small"),
    ];
    await transport.mailbox.publish(shard, envelopes);
    await until("the next was taken", () => turnsOf("coordinator/big") > 0);
    const found = await letters();
    assert.deepEqual(
      found.map(({ cause, event }) => [cause.code, event]),
      [["record_too_large", "ask"]],
    );
  });

  it("refuses new events at the bound of a mailbox before any is taken", async () => {
    await start();
    let published = 0;
    const full = {
      ...transport,
      mailbox: {
        ...transport.mailbox,
        depth: async () => LIMITS.intakeDepthMax,
        publish: async () => ++published,
      },
    } as unknown as Transport;
    const intake = new Intake({ transport: full, shardCount: SHARDS, applied: () => 0 });
    const event = parseFalcoLine(attackLines(1)[0]!.text, 1);
    await assert.rejects(intake.accept([event], "live", "test"), { code: "mailbox_full" });
    assert.equal(published, 0);
  });
});
