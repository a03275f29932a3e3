/** The socket by which people's commands come in: who they are, and what is refused. */
import assert from "node:assert/strict";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { Command } from "../../supervisor/commands.ts";
import { publishCommand } from "../../supervisor/commands.ts";
import { askRunner } from "../../supervisor/control-client.ts";
import { startControl, type Control } from "../../supervisor/control.ts";
import { makeProof } from "../../supervisor/peer.ts";
import { shardOf } from "../../supervisor/placement.ts";
import { Reader } from "../../supervisor/reader.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Person } from "../../machines/vocabulary.ts";
import type { Json } from "../../machines/protocol.ts";
import { systemClock } from "../../transports/clock.ts";
import { openMemory } from "../../transports/memory.ts";
import { CASE, LETTER, SHARDS, storeCase, summaryOf } from "../kit/stored-case.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { virtualClock } from "../kit/virtual-clock.ts";

const undo: Command = { command: "undo", case: CASE, reason: null };

describe("supervisor: control socket", () => {
  let dir = "";
  let control: Control | null = null;
  const handled: { command: Command; person: Person }[] = [];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "wf-control-"));
    handled.length = 0;
  });
  afterEach(async () => {
    await control?.close();
    control = null;
    rmSync(dir, { recursive: true, force: true });
  });

  const start = async (): Promise<Control> =>
    (control = await startControl({
      dataDir: dir,
      clock: systemClock,
      random: seededRandom(handled.length + 7),
      handle: async (command, person) => {
        handled.push({ command, person });
        if (command.command === "letter")
          throw new WatchfloorError("dead_letter_unknown", { id: command.letter });
        return { accepted: true, id: "cmd-1" };
      },
      setParameters: async (changes) => changes as unknown as Json,
      orderModel: async (order) => order as unknown as Json,
      status: () => ({ ready: true }),
    }));
  const prove = (nonce: string): void => makeProof(dir, nonce);
  const publish = (command: Command, proof = prove, as: string | null = null) =>
    askRunner(dir, systemClock, proof, { op: "publish", command, as });

  it("is open to its owner only, and hands on who asked", async () => {
    await start();
    assert.equal(lstatSync(join(dir, "control.sock")).mode & 0o777, 0o600);
    assert.equal(lstatSync(join(dir, "auth")).mode & 0o777, 0o700);
    const reply = await publish(undo, prove, "the night shift");
    assert.deepEqual(reply, { ok: true, result: { accepted: true, id: "cmd-1" } });
    const { username, uid } = userInfo();
    assert.deepEqual(handled, [
      { command: undo, person: { user: username, uid, as: "the night shift" } },
    ]);
  });

  it("leaves no proof behind", async () => {
    await start();
    await publish(undo);
    assert.deepEqual(readdirSync(join(dir, "auth")), []);
  });

  it("answers its status", async () => {
    await start();
    assert.deepEqual(await askRunner(dir, systemClock, prove, { op: "status" }), {
      ok: true,
      result: { ready: true },
    });
  });

  it("passes a refusal on with its code", async () => {
    await start();
    const reply = await publish({ command: "letter", letter: "dl-x", how: "drop" });
    assert.equal(reply?.ok === false && reply.error.code, "dead_letter_unknown");
  });

  for (const [what, forge] of [
    ["no file", (): void => {}],
    [
      "a file with other content",
      (path: string) => writeFileSync(path, "f".repeat(32), { mode: 0o600 }),
    ],
    [
      "a file of other length",
      (path: string, nonce: string) => writeFileSync(path, `${nonce}\n`, { mode: 0o600 }),
    ],
    [
      "a file that others may write",
      (path: string, nonce: string) => writeFileSync(path, nonce, { mode: 0o644 }),
    ],
    [
      "a symbolic link to a good file",
      (path: string, nonce: string) => {
        writeFileSync(`${path}.real`, nonce, { mode: 0o600 });
        symlinkSync(`${path}.real`, path);
      },
    ],
    [
      "a hard link to a good file",
      (path: string, nonce: string) => {
        writeFileSync(`${path}.real`, nonce, { mode: 0o600 });
        linkSync(`${path}.real`, path);
      },
    ],
    ["a folder", (path: string) => mkdirSync(path)],
    [
      "the file of another connection",
      (path: string) =>
        writeFileSync(join(path, "..", "0".repeat(32)), "0".repeat(32), { mode: 0o600 }),
    ],
  ] as const) {
    it(`takes ${what} for no proof`, async () => {
      await start();
      const reply = await publish(undo, (nonce) => forge(join(dir, "auth", nonce), nonce));
      assert.equal(reply?.ok === false && reply.error.code, "peer_unproven");
      assert.deepEqual(handled, []);
    });
  }

  it("refuses to use a file that is there before the client makes it", async () => {
    await start();
    const planted = (nonce: string): void => {
      writeFileSync(join(dir, "auth", nonce), nonce, { mode: 0o600 });
      makeProof(dir, nonce);
    };
    await assert.rejects(publish(undo, planted), { code: "EEXIST" });
  });

  for (const [what, line] of [
    ["is not JSON", "approve everything\n"],
    ["is no request", `${JSON.stringify({ op: "eval", code: "1" })}\n`],
    ["has more than it may", `${JSON.stringify({ op: "status", more: 1 })}\n`],
    ["is longer than a line may be", `${"x".repeat(70_000)}\n`],
    ["never ends and is too long", "x".repeat(70_000)],
  ] as const) {
    it(`answers control_invalid to a request that ${what}`, async () => {
      await start();
      const text = await raw(join(dir, "control.sock"), line);
      assert.match(text.split("\n")[1] ?? "", /"code":"control_invalid"/);
      assert.deepEqual(handled, []);
    });
  }

  it("replaces the socket of a killed runner, and clears its proofs", async () => {
    await start();
    // A killed process leaves its socket's file: a second name of it outlives the server.
    linkSync(join(dir, "control.sock"), join(dir, "left.sock"));
    await control?.close();
    linkSync(join(dir, "left.sock"), join(dir, "control.sock"));
    writeFileSync(join(dir, "auth", "old"), "old");
    await start();
    assert.deepEqual(readdirSync(join(dir, "auth")), []);
    assert.equal((await publish(undo))?.ok, true);
  });

  it("refuses to take the socket of a runner that answers", async () => {
    const first = await start();
    await assert.rejects(start(), { code: "data_in_use" });
    control = first;
    assert.equal((await publish(undo))?.ok, true);
  });

  it("refuses a path that the system would cut", async () => {
    dir = join(dir, "d".repeat(120));
    mkdirSync(dir);
    await assert.rejects(start(), { code: "data_unusable" });
  });

  it("says null where no runner is", async () => {
    assert.equal(await publish(undo), null);
  });
});

/** Everything the server says to one line. */
function raw(path: string, line: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.write(line);
  });
}

describe("supervisor: a person's command", () => {
  const person: Person = { user: "ann", uid: 1000, as: null };
  const answer: Command = {
    command: "answer",
    case: CASE,
    answer: "approve",
    reason: "seen",
    dismissal: null,
  };

  const world = async () => {
    const transport = openMemory({ clock: virtualClock() });
    await storeCase(transport);
    return {
      transport,
      ports: {
        reader: new Reader(transport, SHARDS),
        mailbox: transport.mailbox,
        shardCount: SHARDS,
      },
    };
  };

  it("is stored in the mailbox of the case's coordinator, with who and why", async () => {
    const { transport, ports } = await world();
    assert.deepEqual(await publishCommand(ports, answer, person, "cmd-1"), {
      accepted: true,
      id: "cmd-1",
    });
    const [entry] = await transport.mailbox.read(shardOf(`coordinator/${CASE}`, SHARDS), 0, 10);
    const { to, type, data, from, traceparent, id } = entry!.envelope!;
    assert.deepEqual(
      { to, type, from, id },
      { to: `coordinator/${CASE}`, type: "human.answer", from: "edge/cli", id: "cmd-1" },
    );
    assert.deepEqual(data, {
      id: "cmd-1",
      answer: "approve",
      person,
      reason: "seen",
      dismissal: null,
    });
    assert.equal(traceparent.slice(3, 35), summaryOf().traceId);
  });

  it("for a dead letter goes to the actor that could not take it, with the letter", async () => {
    const { transport, ports } = await world();
    await publishCommand(
      ports,
      { command: "letter", letter: LETTER.id, how: "retry" },
      person,
      "cmd-2",
    );
    const [entry] = await transport.mailbox.read(shardOf(LETTER.actor, SHARDS), 0, 10);
    assert.equal(entry?.envelope?.type, "wf.retry");
    assert.deepEqual((entry?.envelope?.data as { letter?: unknown } | undefined)?.letter, LETTER);
  });

  for (const [what, command, code] of [
    ["to an unknown case", { ...answer, case: "c-none" }, "case_unknown"],
    ["that dismisses without saying why", { ...answer, answer: "dismiss" }, "dismissal_needed"],
    ["to undo where nothing was done", undo, "nothing_to_undo"],
    [
      "about an unknown dead letter",
      { command: "letter", letter: "dl-none", how: "drop" },
      "dead_letter_unknown",
    ],
  ] as const) {
    it(`${what} is refused before anything is stored`, async () => {
      const { transport, ports } = await world();
      await assert.rejects(publishCommand(ports, command, person, "cmd-3"), { code });
      for (const n of [0, 1]) assert.equal(await transport.mailbox.depth(`coordinator.${n}`, 0), 0);
    });
  }

  it("to a case that waits for nobody is refused with its state", async () => {
    const { transport, ports } = await world();
    const summary = summaryOf({
      state: "closed",
      waitingFor: null,
      updatedAt: Number.MAX_SAFE_INTEGER,
    });
    await transport.store.write([{ table: "cases", key: CASE, value: summary as never }]);
    await assert.rejects(publishCommand(ports, answer, person, "cmd-4"), {
      code: "not_waiting",
      message: /it is closed/,
    });
  });
});
