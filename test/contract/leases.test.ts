/**
 * What a transport that several runners share promises of its leases: registers compared and set.
 * Each test gets an empty place with two transports open on it, as two runners would have.
 */
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Leases, Transport } from "../../transports/ports.ts";
import type { VirtualClock } from "../kit/virtual-clock.ts";
import { ADAPTERS } from "./adapters.ts";

const KEY = "reviewer/shards/0";

for (const adapter of ADAPTERS.filter(({ shared }) => shared)) {
  describe(`leases ${adapter.name}`, () => {
    let transports: Transport[];
    let leases: Leases;
    let others: Leases;
    let clock: VirtualClock;
    let remove: () => Promise<void>;

    beforeEach(async () => {
      const place = await adapter.place();
      transports = [await place.open(), await place.open()];
      clock = place.clock;
      remove = () => place.remove();
      leases = transports[0]?.leases ?? assert.fail("no leases");
      others = transports[1]?.leases ?? assert.fail("no leases");
    });
    afterEach(async () => {
      for (const transport of transports) await transport.close();
      await remove();
    });

    /** A ring may come over a network, which keeps a time of its own. */
    async function until(rung: () => boolean): Promise<void> {
      while (!rung()) {
        await clock.advance(10);
        await setTimeout(1);
      }
    }

    it("hold nothing at first", async () => {
      assert.equal(await leases.read(KEY), null);
      assert.deepEqual(await leases.list(""), []);
    });

    it("show a write to both runners, with its revision", async () => {
      const revision = await leases.write(KEY, 0, { runner: "a" });
      assert.ok(revision !== null && revision > 0);
      const register = { key: KEY, revision, value: { runner: "a" } };
      assert.deepEqual(await others.read(KEY), register);
      assert.deepEqual(await others.list("reviewer/"), [register]);
    });

    it("take a write only on the revision it expects", async () => {
      const first = await leases.write(KEY, 0, 1);
      assert.equal(await others.write(KEY, 0, 2), null);
      const second = await others.write(KEY, first ?? -1, 2);
      assert.ok(second !== null && first !== null && second > first);
      assert.equal(await leases.write(KEY, first, 3), null);
      assert.equal((await leases.read(KEY))?.value, 2);
    });

    it("let exactly one of three runners win a race, 50 times", async () => {
      let revision = 0;
      for (let round = 0; round < 50; round += 1) {
        const results = await Promise.all(
          [leases, others, leases].map((port, n) => port.write(KEY, revision, n)),
        );
        const [won, ...more] = results.filter((result) => result !== null);
        assert.equal(more.length, 0);
        revision = won ?? assert.fail("nobody won");
      }
    });

    it("remove only the revision that is expected, and never use one again", async () => {
      const first = (await leases.write(KEY, 0, 1)) ?? assert.fail();
      assert.equal(await others.remove(KEY, first + 1), false);
      assert.equal(await others.remove(KEY, first), true);
      assert.equal(await others.remove(KEY, first), false);
      assert.equal(await leases.read(KEY), null);
      const second = (await leases.write(KEY, 0, 2)) ?? assert.fail();
      assert.ok(second > first);
      assert.equal(await others.write(KEY, first, 3), null);
    });

    it("list by prefix, in key order", async () => {
      const keys = ["reviewer/shards/1", "reviewer/runners/a", "reviewer/shards/0", "ingest/x"];
      for (const key of keys) await leases.write(key, 0, key);
      const found = await others.list("reviewer/shards/");
      assert.deepEqual(
        found.map(({ value }) => value),
        ["reviewer/shards/0", "reviewer/shards/1"],
      );
    });

    it("ring for any runner's write or removal under the prefix, and for no other", async () => {
      const rings: string[] = [];
      const cancel = leases.subscribe("reviewer/", () => rings.push("reviewer"));
      leases.subscribe("ingest/", () => rings.push("ingest"));
      const revision = (await others.write(KEY, 0, 1)) ?? assert.fail();
      await until(() => rings.includes("reviewer"));
      rings.length = 0;
      await others.remove(KEY, revision);
      await until(() => rings.includes("reviewer"));
      assert.ok(!rings.includes("ingest"));
      cancel();
      rings.length = 0;
      await others.write(KEY, 0, 1);
      await clock.advance(1_000);
      assert.deepEqual(rings, []);
    });

    it("refuse every use after closing", async () => {
      await transports[0]?.close();
      await assert.rejects(leases.read(KEY), WatchfloorError);
      await assert.rejects(leases.write(KEY, 0, 1), WatchfloorError);
    });
  });
}

for (const adapter of ADAPTERS.filter(({ shared }) => !shared)) {
  describe(`leases ${adapter.name}`, () => {
    it("are none: one process owns the place while it is open", async () => {
      const place = await adapter.place();
      const transport = await place.open();
      assert.equal(transport.leases, null);
      await transport.close();
      await place.remove();
    });
  });
}
