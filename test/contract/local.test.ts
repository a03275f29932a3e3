/**
 * What only `local` promises: one runner at a time, readers beside it, refusals that say why, and
 * damage that is noticed.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";
import { openLocal, type LocalOptions } from "../../transports/local/index.ts";
import { seal } from "../../transports/local/sealed.ts";
import type { Transport } from "../../transports/ports.ts";
import { anEnvelope } from "../kit/envelopes.ts";
import { virtualClock } from "../kit/virtual-clock.ts";
import { dataDirectory } from "./adapters.ts";

const SHARD = "reviewer.0";

describe("transport local", () => {
  const clock = virtualClock(1_000);
  const opened: Transport[] = [];
  let path: string;

  beforeEach(async () => {
    path = await dataDirectory();
  });
  afterEach(async () => {
    for (const transport of opened.splice(0)) await transport.close();
    await rm(path, { recursive: true, force: true });
  });

  async function start(changes: Partial<LocalOptions> = {}) {
    const transport = await openLocal({ path, shardCount: 4, clock, ...changes });
    opened.push(transport);
    return transport;
  }
  async function lockFile(text: string): Promise<void> {
    await writeFile(join(path, "runner.lock"), text);
  }

  describe("first start", () => {
    it("makes the directory for its owner only and notes shard count and time", async () => {
      path = join(path, "deep", "floor.d");
      const { shardCount, createdAt } = await start();
      assert.equal((await stat(path)).mode & 0o777, 0o700);
      assert.deepEqual([shardCount, createdAt], [4, 1_000]);
      await opened.pop()?.close();
      await clock.advance(60_000);
      assert.equal((await start({ shardCount: null })).createdAt, 1_000);
    });

    it("refuses a directory with other files, and names some", async () => {
      await writeFile(join(path, "thesis.odt"), "");
      await assert.rejects(start(), {
        code: "data_unusable",
        message: `cannot use ${path}: it is not a data directory and holds other files (thesis.odt)`,
      });
      assert.deepEqual(await readdir(path), ["thesis.odt"]);
    });

    it("begins anew where an earlier first start was cut off at once", async () => {
      await writeFile(join(path, "data.mdb"), "");
      await start();
    });

    it("accepts an empty volume with what its file system keeps there", async () => {
      await mkdir(join(path, "lost+found"));
      await start();
    });

    it("refuses a path that is a file, and one below a file", async () => {
      const file = join(path, "file");
      await writeFile(file, "");
      await assert.rejects(start({ path: file }), /cannot use .*: it is not a directory/);
      await assert.rejects(start({ path: join(file, "x") }), /a part of the path is not a dir/);
    });

    it("says so when permission is missing", async () => {
      const locked = join(path, "locked");
      await mkdir(locked, { mode: 0o500 });
      // Root is refused nothing, except where nobody can make a directory.
      const target = process.getuid?.() === 0 ? "/proc/watchfloor" : locked;
      await assert.rejects(start({ path: target }), { code: "data_unusable" });
    });

    it("refuses a data.mdb that is not a database, and one of another program", async () => {
      for (const text of ["x", "x".repeat(20_000)]) {
        await writeFile(join(path, "data.mdb"), text);
        await assert.rejects(start(), /its data.mdb is not a database/);
      }
      await rm(path, { recursive: true });
      const other = open({ path, noSubdir: false });
      await other.openDB("theirs", {}).put("a", 1);
      await other.close();
      await assert.rejects(start(), /the database of another program/);
    });

    it("makes nothing for a command that only looks", async () => {
      const none = join(path, "none");
      for (const changes of [{ readOnly: true }, { shardCount: null }]) {
        await assert.rejects(start({ path: none, ...changes }), /it holds no data yet/);
      }
      assert.deepEqual(await readdir(path), []);
    });
  });

  describe("later starts", () => {
    it("refuse another shard count", async () => {
      await (await start()).close();
      await assert.rejects(start({ shardCount: 8 }), {
        code: "shards_changed",
        fields: { path, found: 4, wanted: 8 },
      });
      await start();
    });

    it("refuse a newer format and change nothing in it", async () => {
      await (await start()).close();
      const env = open({ path, noSubdir: false });
      const meta = env.openDB<Buffer, Buffer>("meta", {
        encoding: "binary",
        keyEncoding: "binary",
      });
      await meta.put(Buffer.from("format"), seal("2"));
      await env.close();
      for (const readOnly of [false, true]) {
        await assert.rejects(start({ readOnly }), {
          code: "data_newer",
          fields: { path, found: 2, known: 1 },
        });
      }
      assert.deepEqual((await readdir(path)).toSorted(), ["data.mdb", "lock.mdb"]);
    });
  });

  describe("one runner", () => {
    it("refuses a second and names the process of the first", async () => {
      await start();
      await assert.rejects(start(), { code: "data_in_use", fields: { path, pid: process.pid } });
    });

    it("leaves no lock behind when it closes or could not start", async () => {
      await (await start()).close();
      await assert.rejects(start({ shardCount: 5 }));
      assert.ok(!(await readdir(path)).some((name) => name.includes("runner.lock")));
    });

    it("takes over from a process that is gone, or whose id is another's by now", async () => {
      const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
      await once(child, "exit");
      const stale = [
        JSON.stringify({ pid: child.pid, started: null, brief: false }),
        JSON.stringify({ pid: process.pid, started: "another boot/1", brief: false }),
        "",
        "not json",
      ];
      for (const text of stale) {
        await lockFile(text);
        await (await start()).close();
      }
    });

    it("waits for a command that holds the data for one transaction", async () => {
      await (await start()).close();
      await lockFile(JSON.stringify({ pid: process.pid, started: null, brief: true }));
      const starting = start();
      await clock.advance(50);
      await rm(join(path, "runner.lock"));
      await clock.advance(50);
      await starting;
    });

    it("does not wait for ever", async () => {
      await (await start()).close();
      await lockFile(JSON.stringify({ pid: process.pid, started: null, brief: true }));
      const refused = assert.rejects(start(), { code: "data_in_use" });
      await clock.advance(10_000);
      await refused;
    });
  });

  describe("beside a runner", () => {
    it("a reader sees what is committed, and can write nothing", async () => {
      const runner = await start();
      await runner.journal.append(SHARD, 0, ["a"]);
      const reader = await start({ readOnly: true, shardCount: null });
      assert.equal(await reader.journal.last(SHARD), 1);
      await runner.journal.append(SHARD, 1, ["b"]);
      await runner.store.write([{ table: "cases", key: "c", value: 1 }]);
      assert.equal((await reader.journal.read(SHARD, 1, 10)).length, 2);
      assert.equal(await reader.store.get("cases", "c"), 1);
      await assert.rejects(reader.journal.append(SHARD, 2, ["c"]), {
        code: "data_unusable",
        message: `cannot use ${path}: it was opened for reading only`,
      });
    });

    it("a command without the lock is refused; without a runner its envelope arrives", async () => {
      const runner = await start();
      const command = { lock: false, shardCount: null };
      await assert.rejects(start(command), { code: "data_in_use" });
      await runner.close();
      const first = await start(command);
      const second = await start(command);
      await first.mailbox.publish(SHARD, [anEnvelope("1")]);
      await second.mailbox.publish(SHARD, [anEnvelope("2")]);
      const next = await start();
      assert.equal(await next.mailbox.depth(SHARD, 0), 2);
      await assert.rejects(first.mailbox.publish(SHARD, [anEnvelope("3")]), {
        code: "data_in_use",
      });
    });

    it("a subscriber hears another's publish within a second", async () => {
      const publisher = await start({ lock: false });
      const listener = await start({ lock: false });
      let rings = 0;
      listener.mailbox.subscribe(SHARD, () => (rings += 1));
      await publisher.mailbox.publish(SHARD, [anEnvelope("1")]);
      assert.equal(rings, 0);
      await clock.advance(1_000);
      assert.equal(rings, 1);
      await clock.advance(5_000);
      assert.equal(rings, 1);
    });
  });

  describe("a byte that changed on the disk", () => {
    async function flip(marker: string): Promise<void> {
      const file = join(path, "data.mdb");
      const bytes = await readFile(file);
      let found = 0;
      // Older copies of the page may still be there; only one of them is read.
      for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 1)) {
        bytes.writeUInt8(bytes.readUInt8(at) ^ 0x04, at);
        found += 1;
      }
      assert.ok(found > 0);
      await writeFile(file, bytes);
    }

    it("makes its journal record unreadable and no other", async () => {
      const runner = await start();
      await runner.journal.append(SHARD, 0, ['{"n":1}', '{"marker":"n2"}', '{"n":3}']);
      await runner.close();
      await flip('marker":"n2"');
      const texts = (await (await start()).journal.read(SHARD, 1, 10)).map(
        ({ text, damaged }) => text ?? damaged,
      );
      assert.deepEqual(texts, ['{"n":1}', '{"iarker":"n2"}', '{"n":3}']);
    });

    it("is reported for a value, an envelope and a blob, never handed out", async () => {
      const runner = await start();
      await runner.store.write([
        { table: "cases", key: "broken", value: "marked value" },
        { table: "cases", key: "whole", value: 1 },
      ]);
      await runner.store.putBlob("model", Buffer.from("marked blob"));
      await runner.mailbox.publish(SHARD, [anEnvelope("1", { data: "marked envelope" })]);
      await runner.close();
      for (const marker of ["marked value", "marked blob", "marked envelope"]) await flip(marker);
      const { store, mailbox } = await start();
      await assert.rejects(store.get("cases", "broken"), {
        code: "value_unreadable",
        fields: { table: "cases", key: "broken" },
      });
      assert.equal(await store.get("cases", "whole"), 1);
      await assert.rejects(store.getBlob("model"), { code: "value_unreadable" });
      assert.deepEqual(await mailbox.read(SHARD, 0, 1), [{ position: 1, envelope: null }]);
    });
  });

  it("stores text that people can read", async () => {
    const runner = await start();
    await runner.journal.append(SHARD, 0, ['{"actor":"reviewer/r-1"}']);
    await runner.close();
    const bytes = await readFile(join(path, "data.mdb"));
    assert.ok(bytes.includes("reviewer.0/000000000000001"));
    assert.ok(bytes.includes('{"actor":"reviewer/r-1"}'));
  });
});
