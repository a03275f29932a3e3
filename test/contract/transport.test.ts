/**
 * What every transport promises: journal, mailbox and blobs. One suite over all adapters; the state
 * store has its own file. Each test gets an empty place.
 */
import assert from "node:assert/strict";
import type { Envelope } from "../../machines/protocol.ts";
import type { Transport } from "../../transports/ports.ts";
import { anEnvelope } from "../kit/envelopes.ts";
import type { VirtualClock } from "../kit/virtual-clock.ts";
import { ADAPTERS } from "./adapters.ts";

const SHARD = "reviewer.0";
const OTHER = "reviewer.1";

for (const adapter of ADAPTERS) {
  describe(`transport ${adapter.name}`, () => {
    let transport: Transport;
    let clock: VirtualClock;
    let reopen: () => Promise<void>;
    let remove: () => Promise<void>;

    beforeEach(async () => {
      const place = await adapter.place();
      transport = await place.open();
      clock = place.clock;
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

    async function recordsOf(shard: string): Promise<readonly (string | null)[]> {
      const records = await transport.journal.read(shard, 1, 10_000);
      return records.map(({ text }) => text);
    }
    async function idsAfter(after: number, limit = 100): Promise<readonly string[]> {
      const entries = await transport.mailbox.read(SHARD, after, limit);
      return entries.map(({ envelope }) => envelope!.id);
    }
    function publish(...ids: readonly string[]): Promise<number> {
      return transport.mailbox.publish(
        SHARD,
        ids.map((id) => anEnvelope(id)),
      );
    }

    describe("journal", () => {
      it("is empty at first: last position 0, nothing to read", async () => {
        assert.equal(await transport.journal.last(SHARD), 0);
        assert.deepEqual(await transport.journal.read(SHARD, 1, 10), []);
      });

      it("numbers records from 1 and returns them as they were", async () => {
        const { journal } = transport;
        assert.deepEqual(await journal.append(SHARD, 0, ['{"a":"é\\u0000😀"}', "second"]), {
          appended: true,
          last: 2,
        });
        assert.deepEqual(await journal.append(SHARD, 2, ["third"]), { appended: true, last: 3 });
        assert.deepEqual(await journal.read(SHARD, 1, 10), [
          { position: 1, text: '{"a":"é\\u0000😀"}' },
          { position: 2, text: "second" },
          { position: 3, text: "third" },
        ]);
      });

      it("refuses an append that expects another last position, and writes none of it", async () => {
        const { journal } = transport;
        await journal.append(SHARD, 0, ["kept"]);
        for (const expected of [0, 2]) {
          const result = await journal.append(SHARD, expected, ["lost", "lost too"]);
          assert.deepEqual(result, { appended: false, last: 1 });
        }
        assert.deepEqual(await recordsOf(SHARD), ["kept"]);
      });

      it("lets exactly one of two appends with one expectation win, 200 times", async () => {
        const { journal } = transport;
        for (let last = 0; last < 200; last += 1) {
          const results = await Promise.all([
            journal.append(SHARD, last, [`a${last}`]),
            journal.append(SHARD, last, [`b${last}`]),
          ]);
          const wins = results.filter(({ appended }) => appended);
          assert.equal(wins.length, 1);
          assert.ok(results.every((result) => result.last === last + 1));
        }
        assert.equal((await recordsOf(SHARD)).length, 200);
      });

      it("does not let a refused append fail those it was ready together with", async () => {
        const { journal } = transport;
        const [refused, other, alike] = await Promise.all([
          journal.append(SHARD, 7, ["no"]),
          journal.append(OTHER, 0, ["yes"]),
          journal.append(SHARD, 0, ["yes"]),
        ]);
        assert.deepEqual([refused.appended, other.appended, alike.appended], [false, true, true]);
        assert.deepEqual([await recordsOf(SHARD), await recordsOf(OTHER)], [["yes"], ["yes"]]);
      });

      it("keeps shards apart, those with a common beginning too", async () => {
        const { journal } = transport;
        await Promise.all([
          journal.append("ingest.1", 0, ["one"]),
          journal.append("ingest.10", 0, ["ten", "ten"]),
        ]);
        assert.equal(await journal.last("ingest.1"), 1);
        assert.equal(await journal.last("ingest.10"), 2);
        assert.deepEqual(await recordsOf("ingest.1"), ["one"]);
      });

      it("reads from a position on, at most the limit, in order", async () => {
        const { journal } = transport;
        const texts = Array.from({ length: 30 }, (_, i) => `r${i + 1}`);
        await journal.append(SHARD, 0, texts);
        const positions = (await journal.read(SHARD, 9, 4)).map(({ position }) => position);
        assert.deepEqual(positions, [9, 10, 11, 12]);
        assert.deepEqual(await recordsOf(SHARD), texts);
        assert.deepEqual(await journal.read(SHARD, 31, 10), []);
        assert.deepEqual(await journal.read(SHARD, 1, 0), []);
      });

      it("takes an append of nothing as a look at the fence", async () => {
        const { journal } = transport;
        assert.deepEqual(await journal.append(SHARD, 0, []), { appended: true, last: 0 });
        assert.deepEqual(await journal.append(SHARD, 3, []), { appended: false, last: 0 });
      });

      it("trims strictly below a position, and repeating it does no harm", async () => {
        const { journal } = transport;
        for (const [last, text] of ["a", "b", "c", "d"].entries())
          await journal.append(SHARD, last, [text]);
        for (const below of [3, 3, 2, 0, -5]) {
          await journal.trim(SHARD, below);
          assert.deepEqual(await recordsOf(SHARD), ["c", "d"]);
        }
        assert.deepEqual((await journal.read(SHARD, 1, 1))[0]?.position, 3);
      });

      it("still knows its last position after everything was trimmed and it was reopened", async () => {
        await transport.journal.append(SHARD, 0, ["a", "b"]);
        await transport.journal.trim(SHARD, 100);
        await reopen();
        assert.equal(await transport.journal.last(SHARD), 2);
        // The last append may stay, whole.
        const left = await transport.journal.read(SHARD, 1, 10);
        assert.ok(left.length === 0 || left.at(-1)?.position === 2);
        assert.deepEqual(await transport.journal.append(SHARD, 0, ["x"]), {
          appended: false,
          last: 2,
        });
        assert.deepEqual(await transport.journal.append(SHARD, 2, ["c"]), {
          appended: true,
          last: 3,
        });
      });

      it("trims more records than fit one step", async () => {
        const { journal } = transport;
        const older = Array.from({ length: 4_998 }, () => "x");
        await journal.append(SHARD, 0, older);
        await journal.append(SHARD, 4_998, ["x", "x"]);
        await journal.trim(SHARD, 4_999);
        const positions = (await journal.read(SHARD, 1, 10)).map(({ position }) => position);
        assert.deepEqual(positions, [4_999, 5_000]);
      });

      it("keeps a record of a megabyte, and what was appended before a restart", async () => {
        const large = "é".repeat(500_000);
        await transport.journal.append(SHARD, 0, [large, "small"]);
        await reopen();
        assert.deepEqual(await recordsOf(SHARD), [large, "small"]);
      });
    });

    describe("mailbox", () => {
      it("returns envelopes after a cursor, in the order of publishing", async () => {
        const second = await publish("1", "2");
        const third = await publish("3");
        assert.deepEqual(await idsAfter(0), ["1", "2", "3"]);
        const [first] = await transport.mailbox.read(SHARD, 0, 1);
        assert.deepEqual(await idsAfter(first?.position ?? 0), ["2", "3"]);
        assert.deepEqual(await idsAfter(second), ["3"]);
        assert.deepEqual(await idsAfter(0, 2), ["1", "2"]);
        assert.deepEqual(await idsAfter(third), []);
      });

      it("keeps the order of publishes that were not waited for", async () => {
        const ids = Array.from({ length: 50 }, (_, i) => String(i));
        await Promise.all(ids.map((id) => publish(id)));
        assert.deepEqual(await idsAfter(0), ids);
      });

      it("takes all envelopes of a publish or none", async () => {
        const circular: Record<string, unknown> = {};
        circular["self"] = circular;
        const broken = { ...anEnvelope("2"), data: circular } as unknown as Envelope;
        await assert.rejects(transport.mailbox.publish(SHARD, [anEnvelope("1"), broken]));
        assert.deepEqual(await idsAfter(0), []);
      });

      it("counts what is after a cursor, trimmed or not", async () => {
        const second = await publish("1", "2");
        const fourth = await publish("3", "4");
        const [first] = await transport.mailbox.read(SHARD, 0, 1);
        const cursors = [0, first?.position ?? 0, second, fourth, fourth + 5];
        const depths = () =>
          Promise.all(cursors.map((after) => transport.mailbox.depth(SHARD, after)));
        assert.deepEqual(await depths(), [4, 3, 2, 0, 0]);
        await transport.mailbox.trim(SHARD, second);
        assert.deepEqual(await depths(), [2, 2, 2, 0, 0]);
      });

      it("counts what was published before it was opened", async () => {
        await publish("1", "2");
        await publish("3");
        await reopen();
        assert.equal(await transport.mailbox.depth(SHARD, 0), 3);
      });

      it("forgets up to and with a position, and goes on counting from the last", async () => {
        const second = await publish("1", "2");
        const third = await publish("3");
        await transport.mailbox.trim(SHARD, second);
        await transport.mailbox.trim(SHARD, second);
        assert.deepEqual(await idsAfter(0), ["3"]);
        await transport.mailbox.trim(SHARD, third);
        await reopen();
        assert.equal(await transport.mailbox.depth(SHARD, 0), 0);
        const fourth = await publish("4");
        assert.ok(fourth > third);
        assert.deepEqual(await idsAfter(third), ["4"]);
      });

      it("does not share an envelope with who published it", async () => {
        const data = { list: [1] };
        const done = transport.mailbox.publish(SHARD, [anEnvelope("1", { data })]);
        data.list.push(2);
        await done;
        const [entry] = await transport.mailbox.read(SHARD, 0, 1);
        assert.deepEqual(entry?.envelope, anEnvelope("1", { data: { list: [1] } }));
      });

      it("rings on a publish to the shard, not to another, and not after the subscription ended", async () => {
        const rings: string[] = [];
        const cancel = transport.mailbox.subscribe(SHARD, () => rings.push("subscribed"));
        transport.mailbox.subscribe(OTHER, () => rings.push("other"));
        await publish("1");
        assert.deepEqual(rings, ["subscribed"]);
        await clock.advance(5_000);
        assert.deepEqual(rings, ["subscribed"]);
        cancel();
        await publish("2");
        await clock.advance(5_000);
        assert.deepEqual(rings, ["subscribed"]);
      });

      it("leaves no timer behind", async () => {
        const cancel = transport.mailbox.subscribe(SHARD, () => {});
        assert.equal(clock.pending, 1);
        cancel();
        assert.equal(clock.pending, 0);
        transport.mailbox.subscribe(SHARD, () => {});
        await transport.close();
        assert.equal(clock.pending, 0);
      });
    });

    describe("closing", () => {
      it("settles what was submitted before, and refuses what comes after", async () => {
        const pending = transport.journal.append(SHARD, 0, ["in time"]);
        const closed = transport.close();
        await assert.rejects(transport.journal.append(SHARD, 1, ["late"]), {
          code: "data_unusable",
        });
        assert.deepEqual(await pending, { appended: true, last: 1 });
        await closed;
        await assert.rejects(transport.journal.last(SHARD), { code: "data_unusable" });
        await reopen();
        assert.deepEqual(await recordsOf(SHARD), ["in time"]);
      });
    });
  });
}
