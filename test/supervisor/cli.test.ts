/** The command line: what it prints, what it refuses in one sentence, and the code it leaves with. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { after, afterEach, before, describe, it } from "mocha";
import type { Io } from "../../supervisor/cli/io.ts";
import { publishCommand, type CommandPorts } from "../../supervisor/commands.ts";
import { startControl, type Control } from "../../supervisor/control.ts";
import { shardOf } from "../../supervisor/placement.ts";
import { Reader } from "../../supervisor/reader.ts";
import type { HumanAnswer } from "../../machines/calls.ts";
import type { Json } from "../../machines/protocol.ts";
import { systemClock } from "../../transports/clock.ts";
import { openLocal, type LocalTransport } from "../../transports/local/index.ts";
import { AT, CASE, DIGEST, LETTER, SHARDS, storeCase, summaryOf } from "../kit/stored-case.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { runInProcess, type Ran } from "../kit/cli.ts";

const shard = shardOf(`coordinator/${CASE}`, SHARDS);
let dir = "";

function cli(args: readonly string[], more: Partial<Io> = {}): Promise<Ran> {
  return runInProcess(dir, args, more);
}

function onData(...args: string[]): Promise<Ran> {
  return cli([...args, "--data", join(dir, "data")]);
}

function lines(text: string): Record<string, unknown>[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("supervisor: command line", () => {
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "wf-cli-"));
    const transport = await openLocal({
      path: join(dir, "data"),
      shardCount: SHARDS,
      clock: systemClock,
    });
    await storeCase(transport);
    await transport.close();
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  for (const [what, args, code, said] of [
    [
      "an unknown command",
      ["bogus"],
      2,
      /^watchfloor: unknown command 'bogus'; see watchfloor --help\n$/,
    ],
    ["an unknown option", ["cases", "--nope"], 2, /unknown option '--nope'/],
    ["a missing argument", ["case"], 2, /missing required argument 'id'/],
    ["one argument too many", ["cases", "a", "b"], 2, /too many arguments/],
    ["an address without a port", ["run", "--http", "localhost"], 2, /It must be HOST:PORT; see/],
    [
      "an unknown agent kind",
      ["run", "--agents", "janitor"],
      2,
      /unknown agent kind janitor; known: ingest/,
    ],
    [
      "a wrong mode",
      ["run", "--mode", "yolo"],
      2,
      /flag --mode: mode must be one of observe, recommend, enforce/,
    ],
    ["an unknown machine", ["machine", "janitor"], 2, /unknown agent kind janitor/],
    ["a folder without data", ["cases", "--data", "nowhere"], 1, /it holds no data yet/],
    [
      "a file that is not there",
      ["evidence", "verify", "nowhere.json"],
      1,
      /cannot be read \(ENOENT\)/,
    ],
  ] as const) {
    it(`says in one sentence what is wrong with ${what}`, async () => {
      const ran = await cli(args);
      assert.equal(ran.code, code);
      assert.match(ran.err, said);
      assert.equal(ran.err.trim().split("\n").length, 1);
      assert.equal(ran.out, "");
    });
  }

  it("says it as JSON where JSON was asked for", async () => {
    const ran = await cli(["case", "c-none", "--json", "--data", join(dir, "data")]);
    assert.deepEqual(lines(ran.err), [
      { type: "error", code: "case_unknown", message: "no case, event or trace has the id c-none" },
    ]);
  });

  it("shows help with exit codes and examples, and leaves with 0", async () => {
    const ran = await cli(["--help"]);
    assert.equal(ran.code, 0);
    assert.match(ran.out, /Exit codes: 0 done; 1/);
    assert.match(
      (await cli(["approve", "--help"])).out,
      /Examples:\n {2}\$ watchfloor approve c-0123456789ab/,
    );
    assert.equal((await cli([])).code, 2);
  });

  it("prints cases as lines of JSON", async () => {
    const ran = await onData("cases", "--json");
    const [line] = lines(ran.out);
    const { case: id, verdict, state, openedAt, entity } = line ?? {};
    assert.deepEqual(
      { id, verdict, state, openedAt, entity },
      {
        id: CASE,
        verdict: "escalate",
        state: "awaiting_human",
        openedAt: AT,
        entity: "shop/web/app",
      },
    );
  });

  it("prints a case and a trace by any of its ids, without colour and control codes off a terminal", async () => {
    for (const id of [CASE, DIGEST, DIGEST.slice(0, 12)]) {
      const ran = await onData("case", id);
      assert.match(ran.out, /WAITS FOR YOU/);
      assert.match(ran.out, /the event said .*a shell was opened \\u001b\[31mby root/);
      assert.ok(!ran.out.includes("\u001b"));
    }
    assert.match((await onData("trace", CASE)).out, /chain whole, 2 entries/);
  });

  it("shows a case as it stood after an earlier turn, and names the turns there are", async () => {
    const then = await onData("case", CASE, "--at", "1");
    assert.match(then.out, /c-0123456789ab after turn 1 of 2, at \S+.*: detecting/);
    assert.doesNotMatch(then.out, /awaitingHuman|WAITS/);
    const [line] = (await onData("case", CASE, "--at", "2", "--json")).out.split("\n");
    const { state, turn, head } = JSON.parse(line!) as Record<string, unknown>;
    assert.deepEqual([state, turn, String(head).length], ["awaitingHuman", 2, 64]);
    const beyond = await onData("case", CASE, "--at", "3");
    assert.equal(beyond.code, 2);
    assert.match(beyond.err, /--at must be a turn of the case: 1 to 2/);
  });

  it("shows the log of a shard, what cannot be read included", async () => {
    const shard = shardOf(`coordinator/${CASE}`, SHARDS);
    const transport = await openLocal({
      path: join(dir, "data"),
      shardCount: SHARDS,
      clock: systemClock,
    });
    const last = await transport.journal.last(shard);
    await transport.journal.append(shard, last, ['{"r":"poem","at":1,"actor":"detector/w"}']);
    await transport.close();
    const ran = await onData("journal", shard);
    assert.match(
      ran.out,
      /1 .* turn coordinator\/c-0123456789ab: reviewing -- .* -> awaitingHuman/,
    );
    assert.match(ran.out, /2 {2}UNREADABLE, it is of an unknown kind: about detector\/w/);
    const json = await onData("journal", shard, "--from", "2", "--json");
    assert.deepEqual(Object.keys(JSON.parse(json.out) as object), [
      "position",
      "unreadable",
      "bytes",
    ]);
    assert.equal((await onData("journal", "nobody.9")).code, 2);
  });

  it("colours on a terminal, unless told not to", async () => {
    const args = ["cases", "--data", join(dir, "data")];
    assert.ok((await cli(args, { terminal: true })).out.includes("\u001b[1m"));
    assert.ok(
      !(await cli(args, { terminal: true, env: { NO_COLOR: "1" } })).out.includes("\u001b"),
    );
  });

  it("finds the data by the configuration, and reads nothing of it where --data says where", async () => {
    assert.equal((await cli(["cases"], { env: { WATCHFLOOR_DATA: "data" } })).code, 0);
    const broken = { env: { WATCHFLOOR_MODE: "broken" } };
    assert.equal((await cli(["cases"], broken)).code, 2);
    assert.equal((await cli(["cases", "--data", "data"], broken)).code, 0);
  });

  it("exports evidence and verifies it, and fails on a changed file", async () => {
    const exported = await onData(
      "evidence",
      "export",
      CASE,
      "--out",
      join(dir, "case.json"),
      "--json",
    );
    const [{ head } = {}] = lines(exported.out);
    const verified = await cli(["evidence", "verify", "case.json", "--head", String(head)]);
    assert.equal(verified.code, 0, verified.out);
    assert.match(verified.out, /ok: case c-0123456789ab, 2 entries, 1 of 1 events checked/);
    const text = readFileSync(join(dir, "case.json"), "utf8").replace(
      '"escalate"',
      '"auto_execute"',
    );
    writeFileSync(join(dir, "forged.json"), text);
    const forged = await cli(["evidence", "verify", "forged.json"]);
    assert.equal(forged.code, 1);
    assert.match(forged.out, /FAILED signature/);
    const printed = await onData("evidence", "export", CASE);
    assert.equal((JSON.parse(printed.out) as { case: string }).case, CASE);
  });

  it("lists and shows dead letters, by the beginning of an id too", async () => {
    assert.match(
      (await onData("dead-letters", "ls")).out,
      new RegExp(`${LETTER.id}.*machine_failed`),
    );
    assert.match((await onData("dead-letters", "show", "dl-0123")).out, /could not take gather/);
    assert.match((await onData("dead-letters", "show", "dl-nope")).err, /no dead letter/);
  });

  it("draws a machine with where a case is", async () => {
    const ran = await onData("machine", "coordinator", "--case", CASE, "--mermaid");
    assert.match(ran.out, /^stateDiagram-v2/);
    assert.match(ran.out, /class \w*awaitingHuman current/);
  });

  it("shows settings with their origin, as lines of JSON too", async () => {
    const env = { WATCHFLOOR_SHARDS: "2", ANTHROPIC_API_KEY: "sk-1" };
    const ran = await cli(["config", "--json"], { env });
    const shown = lines(ran.out);
    assert.deepEqual(
      shown.find((line) => line["setting"] === "shards"),
      { setting: "shards", value: 2, origin: "env WATCHFLOOR_SHARDS", unused: false },
    );
    assert.ok(!ran.out.includes("sk-1"));
    assert.match((await cli(["config"], { env })).out, /^SETTING +VALUE +ORIGIN/);
  });

  it("prints the sample as lines of Falco JSON", async () => {
    const ran = await cli(["sample", "--seed", "2", "--ordinary", "50"]);
    assert.ok(lines(ran.out).every((event) => typeof event["rule"] === "string"));
  });
});

describe("supervisor: answering on the command line", () => {
  let control: Control | null = null;
  let transport: LocalTransport;

  const open = async (lock = true): Promise<LocalTransport> =>
    openLocal({
      path: join(dir, "data"),
      shardCount: lock ? SHARDS : null,
      lock,
      clock: systemClock,
    });
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "wf-answer-"));
    transport = await open();
    await storeCase(transport);
    await transport.close();
  });
  afterEach(async () => {
    await control?.close();
    control = null;
    await transport.close();
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** A runner's part: takes the command, and the case says what became of it. */
  const running = async (accepted: boolean): Promise<void> => {
    transport = await open();
    const ports: CommandPorts = {
      reader: new Reader(transport, SHARDS),
      mailbox: transport.mailbox,
      shardCount: SHARDS,
    };
    control = await startControl({
      dataDir: join(dir, "data"),
      clock: systemClock,
      random: seededRandom(3),
      setParameters: async (changes) => changes as unknown as Json,
      orderModel: async () => null,
      status: () => null,
      handle: async (command, person) => {
        const taken = await publishCommand(ports, command, person, "cmd-7");
        const lastCommand = { id: taken.id, accepted, code: accepted ? null : "not_permitted" };
        const summary = summaryOf({
          lastCommand,
          updatedAt: AT + 9_000,
          ...(accepted ? { state: "closed", waitingFor: null } : {}),
        });
        await transport.store.write([
          { table: "cases", key: CASE, value: summary as unknown as Json },
        ]);
        return taken as unknown as Json;
      },
    });
  };

  it("stores the answer for the next start where no runner is", async () => {
    const ran = await onData("investigate", CASE, "--reason", "odd hour", "--as", "ann");
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.out, /stored; no runner is running, so it applies at the next start/);
    transport = await open();
    const [entry] = await transport.mailbox.read(shard, 0, 10);
    const said = entry?.envelope?.data as unknown as HumanAnswer;
    assert.deepEqual(
      [said.answer, said.reason, said.person.uid, said.person.as],
      ["investigate", "odd hour", process.getuid?.(), "ann"],
    );
  });

  it("asks why a case is dismissed where someone can answer, and wants the option where not", async () => {
    const args = ["dismiss", CASE, "--data", join(dir, "data")];
    const refused = await cli(args);
    assert.equal(refused.code, 2);
    assert.match(refused.err, /--because false_positive, expected, true_handled, wrong_action/);
    let asked = "";
    const ask = async (question: string): Promise<string> => {
      asked = question;
      return "2";
    };
    assert.equal((await cli(args, { ask })).code, 0);
    assert.match(asked, /1 {2}false positive/);
    assert.equal((await cli([...args, "--because", "wrong-action"])).code, 0);
    transport = await open();
    const said = (await transport.mailbox.read(shard, 0, 10)).map(
      (entry) => (entry.envelope!.data as unknown as HumanAnswer).dismissal,
    );
    assert.deepEqual(said.slice(-2), ["expected", "wrong_action"]);
  });

  it("says what became of the answer where a runner took it", async () => {
    await running(false);
    const refused = await onData("approve", CASE, "--json");
    assert.equal(refused.code, 1);
    assert.match(refused.err, /"code":"command_refused".*not_permitted/);
    await control?.close();
    await transport.close();
    await running(true);
    const ran = await onData("approve", CASE);
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.out, /taken; now closed/);
    assert.match((await onData("approve", CASE)).err, /waits for nobody: it is closed/);
    assert.match((await onData("undo", CASE)).err, /nothing that can be undone/);
  });
});

describe("supervisor: the process", () => {
  before(() => (dir = mkdtempSync(join(tmpdir(), "wf-main-"))));
  after(() => rmSync(dir, { recursive: true, force: true }));

  const main = resolve(import.meta.dirname, "../../supervisor/main.ts");
  const loader = pathToFileURL(
    resolve(import.meta.dirname, "../../node_modules/tsx/dist/loader.mjs"),
  );
  const spawned = (args: readonly string[], readLines = Infinity): Promise<Ran> =>
    new Promise((done) => {
      const child = spawn(process.execPath, ["--import", loader.href, main, ...args], {
        cwd: dir,
        env: { PATH: process.env["PATH"] ?? "" },
      });
      let [out, err] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => {
        out += chunk.toString();
        if (out.split("\n").length > readLines) child.stdout.destroy();
      });
      child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
      child.on("close", (code) => done({ code: code ?? -1, out, err }));
    });

  it("leaves with the code of the command, and one sentence", async () => {
    const ran = await spawned(["cases", "--data", "nowhere"]);
    assert.deepEqual([ran.code, ran.out], [1, ""]);
    assert.match(
      ran.err,
      /^watchfloor: cannot use .*nowhere: it holds no data yet; start a runner on it first\n$/,
    );
  });

  it("stops quietly when whoever read its output has seen enough", async () => {
    const ran = await spawned(["sample", "--ordinary", "3000"], 3);
    assert.deepEqual([ran.code, ran.err], [0, ""]);
  });
});
