/**
 * What every transport promises of its state store and blobs. One suite over all adapters, and one
 * property that compares them: over any keys, both list the same.
 */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { Json } from "../../machines/protocol.ts";
import type { Transport } from "../../transports/ports.ts";
import { ADAPTERS } from "./adapters.ts";

for (const adapter of ADAPTERS) {
  describe(`state store ${adapter.name}`, () => {
    let transport: Transport;
    let reopen: () => Promise<void>;
    let remove: () => Promise<void>;

    beforeEach(async () => {
      const place = await adapter.place();
      transport = await place.open();
      remove = () => place.remove();
      reopen = async () => {
        await transport.close();
        transport = await place.open();
      };
    });
    afterEach(async () => {
      await transport.close();
      await remove();
    });

    function put(...keys: readonly string[]): Promise<void> {
      return transport.store.write(keys.map((key) => ({ table: "cases", key, value: { key } })));
    }
    type ListOptions = Parameters<Transport["store"]["list"]>[2];
    async function keysOf(prefix: string, options?: ListOptions): Promise<readonly string[]> {
      const entries = await transport.store.list("cases", prefix, options);
      assert.ok(entries.every(({ key, value }) => (value as { key: string }).key === key));
      return entries.map(({ key }) => key);
    }

    it("returns null for what is not there, in any number", async () => {
      assert.equal(await transport.store.get("cases", "none"), null);
      assert.equal(await transport.store.get("cases", ""), null);
      assert.equal(await transport.store.get("cases", "x".repeat(9_000)), null);
      assert.deepEqual(await transport.store.getMany("cases", ["a", "b"]), [null, null]);
      assert.deepEqual(await transport.store.list("cases", ""), []);
    });

    it("returns what was last written, across a restart, table by table", async () => {
      await transport.store.write([
        { table: "cases", key: "k", value: { text: "é😀\u0000", list: [1, null, true] } },
        { table: "labels", key: "k", value: 0 },
        { table: "settings", key: "k", value: false },
        { table: "settings", key: "empty", value: "" },
      ]);
      await transport.store.write([{ table: "labels", key: "k", value: 1.5 }]);
      await reopen();
      assert.deepEqual(await transport.store.get("cases", "k"), {
        text: "é😀\u0000",
        list: [1, null, true],
      });
      assert.equal(await transport.store.get("labels", "k"), 1.5);
      assert.deepEqual(await transport.store.getMany("settings", ["empty", "none", "k"]), [
        "",
        null,
        false,
      ]);
    });

    it("deletes by null, and applies the puts of one write in their order", async () => {
      await put("a", "b");
      await transport.store.write([
        { table: "cases", key: "a", value: null },
        { table: "cases", key: "b", value: null },
        { table: "cases", key: "b", value: { key: "b" } },
        { table: "cases", key: "never there", value: null },
      ]);
      assert.deepEqual(await keysOf(""), ["b"]);
    });

    it("writes all puts or none", async () => {
      const circular: Record<string, unknown> = {};
      circular["self"] = circular;
      const good = { table: "cases", key: "good", value: 1 } as const;
      for (const key of ["", "k".repeat(1_025)]) {
        const bad = { table: "cases", key, value: 1 } as const;
        await assert.rejects(transport.store.write([good, bad]), { code: "key_invalid" });
      }
      const unstorable = { table: "cases", key: "bad", value: circular as Json } as const;
      await assert.rejects(transport.store.write([good, unstorable]));
      assert.equal(await transport.store.get("cases", "good"), null);
    });

    describe("of an owner", () => {
      const put = (value: Json) => [{ table: "actors" as const, key: "reviewer/a", value }];
      const owner = (epoch: number) => ({ shard: "reviewer.0", epoch });

      it("refuses an epoch that a later one followed, across a restart, and applies none of it", async () => {
        await transport.store.write(put("first"), owner(3));
        await transport.store.write(put("second"), owner(7));
        await transport.store.write(put("second"), owner(7));
        await reopen();
        await assert.rejects(transport.store.write(put("zombie"), owner(3)), { code: "fenced" });
        assert.equal(await transport.store.get("actors", "reviewer/a"), "second");
      });

      it("refuses a blob of an earlier epoch", async () => {
        await transport.store.putBlob("companion/x", Uint8Array.of(1), owner(3));
        await transport.store.putBlob("companion/x", Uint8Array.of(2), owner(7));
        const late = transport.store.putBlob("companion/x", Uint8Array.of(3), owner(3));
        await assert.rejects(late, { code: "fenced" });
        assert.deepEqual(await transport.store.getBlob("companion/x"), Uint8Array.of(2));
      });

      it("does not let a refused write fail those it was ready together with", async () => {
        await transport.store.write(put("first"), owner(7));
        const results = await Promise.allSettled([
          transport.store.write(put("zombie"), owner(3)),
          transport.store.write([{ table: "cases", key: "k", value: 1 }]),
          transport.store.write(put("second"), owner(7)),
        ]);
        const statuses = results.map(({ status }) => status);
        assert.deepEqual(statuses, ["rejected", "fulfilled", "fulfilled"]);
        assert.equal(await transport.store.get("actors", "reviewer/a"), "second");
      });

      it("keeps the epochs of shards apart", async () => {
        await transport.store.write(put("first"), owner(7));
        await transport.store.write([{ table: "actors", key: "reviewer/b", value: 1 }], {
          shard: "reviewer.1",
          epoch: 2,
        });
        assert.equal(await transport.store.get("actors", "reviewer/b"), 1);
      });
    });

    it("shares no value with who wrote or read it", async () => {
      const value = { list: [1] };
      const written = transport.store.write([{ table: "cases", key: "k", value }]);
      value.list.push(2);
      await written;
      const read = (await transport.store.get("cases", "k")) as { list: number[] };
      read.list.push(3);
      assert.deepEqual(await transport.store.get("cases", "k"), { list: [1] });
    });

    it("lists by prefix in the order of UTF-8 bytes, forwards and in reverse", async () => {
      // As UTF-16, the emoji (a surrogate pair) would come before U+FFFD.
      const sorted = ["a", "a/", "a/1", "a/10", "a/2", "a0", "b", "\uFFFD", "😀"];
      await put(...sorted.toReversed());
      assert.deepEqual(await keysOf(""), sorted);
      assert.deepEqual(await keysOf("", { reverse: true }), sorted.toReversed());
      assert.deepEqual(await keysOf("a/"), ["a/", "a/1", "a/10", "a/2"]);
      assert.deepEqual(await keysOf("a/", { reverse: true }), ["a/2", "a/10", "a/1", "a/"]);
      assert.deepEqual(await keysOf("a/1"), ["a/1", "a/10"]);
      assert.deepEqual(await keysOf("c"), []);
      assert.deepEqual(await keysOf("x".repeat(9_000)), []);
    });

    it("goes on after a key in the direction of reading, whether the key exists or not", async () => {
      await put("a/1", "a/2", "a/3", "b/1");
      assert.deepEqual(await keysOf("a/", { after: "a/1" }), ["a/2", "a/3"]);
      assert.deepEqual(await keysOf("a/", { after: "a/1x" }), ["a/2", "a/3"]);
      assert.deepEqual(await keysOf("a/", { after: "A" }), ["a/1", "a/2", "a/3"]);
      assert.deepEqual(await keysOf("a/", { after: "b" }), []);
      assert.deepEqual(await keysOf("a/", { after: "a/3", reverse: true }), ["a/2", "a/1"]);
      assert.deepEqual(await keysOf("a/", { after: "z", reverse: true, limit: 1 }), ["a/3"]);
      assert.deepEqual(await keysOf("a/", { after: "a", reverse: true }), []);
      assert.deepEqual(await keysOf("", { after: "a/3", limit: 5 }), ["b/1"]);
      assert.deepEqual(await keysOf("", { limit: 0 }), []);
    });

    it("pages through a table without losing or repeating a key", async () => {
      const keys = Array.from({ length: 95 }, (_, i) => `k/${String(i).padStart(3, "0")}`);
      await put(...keys);
      const seen: string[] = [];
      for (let page = await keysOf("k/", { limit: 10 }); page.length > 0;) {
        seen.push(...page);
        page = await keysOf("k/", { limit: 10, after: page.at(-1) ?? "" });
      }
      assert.deepEqual(seen, keys);
    });

    it("keeps bytes as they were, empty ones too, and shares none", async () => {
      const { store } = transport;
      assert.equal(await store.getBlob("none"), null);
      const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
      const written = store.putBlob("model", bytes);
      bytes[0] = 99;
      await written;
      await store.putBlob("empty", new Uint8Array());
      await reopen();
      const read = await transport.store.getBlob("model");
      assert.equal(read?.length, 300_000);
      assert.deepEqual([...read.subarray(0, 3), read[299_999]], [0, 1, 2, 299_999 % 251]);
      assert.deepEqual(await transport.store.getBlob("empty"), new Uint8Array());
      await transport.store.putBlob("model", Uint8Array.of(7));
      assert.deepEqual(await transport.store.getBlob("model"), Uint8Array.of(7));
    });
  });
}

describe("state store: all adapters", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "b", "/", "0", "\0", "\u007f", "é", "\uffff", "😀"),
    maxLength: 5,
  });
  const key = text.filter((value) => value !== "");
  const query = fc.record({
    prefix: text,
    options: fc.record(
      { after: text, reverse: fc.boolean(), limit: fc.integer({ min: 0, max: 6 }) },
      { requiredKeys: [] },
    ),
  });
  const change = fc.record({ key, value: fc.option(fc.jsonValue(), { nil: null }) });

  const embedded = ADAPTERS.filter(({ name }) => !name.startsWith("nats"));
  const rounds = [
    { adapters: embedded, numRuns: 150 },
    // Every listing is a look through a stream: few of them, and each kind of server.
    { adapters: ADAPTERS, numRuns: 8 },
  ];
  for (const { adapters, numRuns } of rounds)
    it(`list the same for any keys, prefix, start, direction and limit (${adapters.length} adapters)`, async () => {
      const places = await Promise.all(adapters.map((adapter) => adapter.place()));
      const transports = await Promise.all(places.map((place) => place.open()));
      const property = fc.asyncProperty(
        fc.array(change, { maxLength: 12 }),
        fc.array(query, { minLength: 1, maxLength: 12 }),
        async (changes, queries) => {
          const puts = changes.map((put) => ({
            table: "traces" as const,
            ...put,
            value: put.value as Json,
          }));
          await Promise.all(transports.map(({ store }) => store.write(puts)));
          for (const { prefix, options } of queries) {
            const [first, ...others] = await Promise.all(
              transports.map(({ store }) => store.list("traces", prefix, options)),
            );
            for (const other of others) assert.deepEqual(other, first);
          }
        },
      );
      await fc.assert(property, { numRuns });
      await Promise.all(transports.map((transport) => transport.close()));
      await Promise.all(places.map((place) => place.remove()));
    });
});
