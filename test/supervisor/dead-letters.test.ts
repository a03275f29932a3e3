/**
 * What people do about a dead letter, through the floor that has it: a version that did not know an
 * actor left one, and the version that does is back.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Person } from "../../machines/vocabulary.ts";
import { publishCommand } from "../../supervisor/commands.ts";
import { Reader } from "../../supervisor/reader.ts";
import { Floor } from "../kit/floor.ts";

const WORKER = "detector/w";
const PERSON: Person = { user: "ada", uid: 1000, as: null };

/** Two notes were applied by version 2; a third met version 1. */
async function floorWithLetter(): Promise<{ floor: Floor; letter: string }> {
  const first = await new Floor({ workerVersion: 2 }).start();
  await first.send(WORKER, "note", null);
  await first.send(WORKER, "note", null);
  await first.settle();
  await first.runner.drain();
  const older = await successorOf(first, 1);
  await older.send(WORKER, "note", null, "third");
  await older.settle();
  await older.runner.drain();
  const floor = await successorOf(first, 2);
  const [letter] = await new Reader(floor.transport, 4).deadLetters();
  assert.equal(letter?.cause.code, "unknown_version");
  return { floor, letter: letter.id };
}

function successorOf(floor: Floor, workerVersion: number): Promise<Floor> {
  const successor = new Floor({ workerVersion });
  Object.assign(successor, { disk: floor.disk });
  return successor.start();
}

async function resolve(floor: Floor, letter: string, how: "retry" | "drop"): Promise<void> {
  const reader = new Reader(floor.transport, 4);
  const ports = { reader, mailbox: floor.transport.mailbox, shardCount: 4 };
  await publishCommand(ports, { command: "letter", letter, how }, PERSON, `cmd-${how}`);
  await floor.settle(1_100);
}

async function notesOf(floor: Floor): Promise<unknown> {
  return (await floor.stored(WORKER)).snapshot.context["tries"];
}

describe("supervisor: dead letters on a running floor", () => {
  it("are applied by a retry, once, and are gone", async () => {
    const { floor, letter } = await floorWithLetter();
    await resolve(floor, letter, "retry");
    assert.deepEqual(await new Reader(floor.transport, 4).deadLetters(), []);
    assert.equal(await notesOf(floor), 3);
  });

  it("are given up by a drop, and their actor takes what comes next", async () => {
    const { floor, letter } = await floorWithLetter();
    await resolve(floor, letter, "drop");
    await floor.send(WORKER, "note", null, "fourth");
    await floor.settle(1_100);
    assert.deepEqual(await new Reader(floor.transport, 4).deadLetters(), []);
    assert.equal(await notesOf(floor), 3);
    assert.equal(floor.turnsOf(WORKER).length, 1);
  });

  it("are resolved once, however often a person asks", async () => {
    const { floor, letter } = await floorWithLetter();
    await resolve(floor, letter, "retry");
    await assert.rejects(resolve(floor, letter, "retry"), { code: "dead_letter_unknown" });
  });
});
