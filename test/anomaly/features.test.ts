/** Proves what each feature answers to, and that memory is bounded, fading and restorable. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { entityOf, FEATURES } from "../../anomaly/index.ts";
import { atMsOf, FeatureExtractor } from "../../anomaly/features.ts";
import { WATCHED_FIELDS } from "../../anomaly/gaps.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { FalcoEvent } from "../../machines/vocabulary.ts";
import { attackEvents, falcoEvent, inPod, ordinaryEvents, START_MS } from "./events.ts";

type Row = Readonly<Record<string, number>>;

function measure(extractor: FeatureExtractor, event: FalcoEvent): Row {
  const row = new Float32Array(FEATURES.length);
  extractor.measure(event, entityOf(event), atMsOf(event), row);
  return Object.fromEntries(FEATURES.map(({ name }, i) => [name, row[i]!]));
}

function feed(extractor: FeatureExtractor, events: readonly FalcoEvent[]): void {
  for (const event of events) {
    measure(extractor, event);
    extractor.learn();
  }
}

function fresh(fields: Readonly<Record<string, string | number | boolean | null>>): Row {
  return measure(new FeatureExtractor(1), falcoEvent({ fields }));
}

describe("anomaly: features", () => {
  it("has seventeen columns with names of their own", () => {
    assert.equal(new Set(FEATURES.map(({ name }) => name)).size, 17);
  });

  it("measures any event, whatever is missing or of an odd type, in finite numbers", () => {
    const value = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null));
    const names = [
      ...WATCHED_FIELDS,
      "fd.name",
      "fd.rip",
      "fd.rport",
      "evt.arg.flags",
      "fd.directory",
    ];
    const extractor = new FeatureExtractor(1);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), (fields) => {
        const row = Object.values(measure(extractor, falcoEvent({ fields })));
        extractor.learn();
        return row.every((number) => Number.isFinite(number));
      }),
    );
  });

  it("sees in an attack what makes it one", () => {
    const [shell, shadow, metadata, binary] = attackEvents("web", START_MS).map((event) =>
      measure(new FeatureExtractor(1), event),
    );
    assert.equal(shell!["interactive"], 1);
    assert.equal(shell!["privilege"], 1);
    assert.equal(shadow!["path_sensitivity"], 3);
    assert.equal(metadata!["remote_class"], 4);
    assert.equal(binary!["exe_writable"], 2);
    assert.equal(binary!["rule_priority"], 5);
  });

  it("classes the far end of a connection", () => {
    const classOf = (name: string): number => fresh({ "fd.name": name })["remote_class"]!;
    assert.equal(classOf("127.0.0.1:5000->127.0.0.1:6379"), 1);
    assert.equal(classOf("10.1.1.1:5000->172.20.0.9:443"), 2);
    assert.equal(classOf("10.1.1.1:5000->198.51.100.7:443"), 3);
    assert.equal(classOf("/etc/hosts"), 0);
  });

  it("counts what a command is made of, and calls short ones alike", () => {
    const plain = fresh({ "proc.cmdline": "ls" });
    const chained = fresh({ "proc.cmdline": "sh -c 'curl http://x | base64 -d > /tmp/a; $(b)'" });
    assert.equal(plain["cmd_meta"], 0);
    assert.ok(chained["cmd_meta"]! > 1.5);
    assert.equal(plain["cmd_len"], fresh({})["cmd_len"]);
    assert.ok(fresh({ "proc.cmdline": "x".repeat(9999) })["cmd_len"]! < 8.4);
  });

  it("calls a name rare until it was seen, and rarest when nobody saw it anywhere", () => {
    const extractor = new FeatureExtractor(1);
    feed(extractor, ordinaryEvents(1, 500));
    const rarity = (image: string, proc: string): number =>
      measure(extractor, falcoEvent({ fields: inPod(image, { "proc.name": proc }) }))[
        "proc_rarity"
      ]!;
    assert.ok(rarity("web", "node") < 2);
    assert.ok(rarity("stranger", "node") < 2);
    assert.ok(rarity("web", "xmrig") > rarity("stranger", "xmrig"));
    assert.ok(rarity("stranger", "xmrig") > 5);
  });

  it("measures an event before it is learnt, so that none is its own precedent", () => {
    const extractor = new FeatureExtractor(1);
    const event = falcoEvent({ fields: inPod("web", { "proc.name": "odd" }) });
    const first = measure(extractor, event)["proc_rarity"];
    assert.equal(measure(extractor, event)["proc_rarity"], first);
    extractor.learn();
    assert.ok(measure(extractor, event)["proc_rarity"]! < first!);
  });

  it("recalls a learnt event as if only itself were unknown", () => {
    const extractor = new FeatureExtractor(1);
    feed(extractor, ordinaryEvents(1, 300));
    const event = falcoEvent({
      atMs: START_MS + 9e6,
      fields: inPod("web", { "proc.name": "odd" }),
    });
    const before = measure(extractor, event)["proc_rarity"]!;
    const age = extractor.learn();
    const row = new Float32Array(FEATURES.length);
    extractor.recall(event, entityOf(event), age, row);
    assert.ok(Math.abs(row[2]! - before) < 1e-3);
  });

  it("learns no more than its share from a container that floods", () => {
    const flood = (count: number): number => {
      const extractor = new FeatureExtractor(1);
      feed(extractor, ordinaryEvents(1, 500));
      const atMs = START_MS + 86_400_000;
      const event = falcoEvent({ atMs, fields: inPod("web", { "proc.name": "evil" }) });
      feed(
        extractor,
        Array.from({ length: count }, () => event),
      );
      return measure(extractor, event)["proc_rarity"]!;
    };
    assert.equal(flood(5000), flood(40));
    assert.ok(flood(5) > flood(40));
  });

  it("sees a burst in the rate, and many kinds of event in the novelty", () => {
    const extractor = new FeatureExtractor(1);
    const burst = Array.from({ length: 100 }, (_, i) =>
      falcoEvent({ atMs: START_MS + i, rule: `Rule ${i}`, fields: inPod("web") }),
    );
    feed(extractor, burst);
    const hot = measure(extractor, falcoEvent({ atMs: START_MS + 200, fields: inPod("web") }));
    assert.ok(Math.abs(Math.expm1(hot["rate"]!) - 100) < 5);
    assert.ok(Math.abs(Math.expm1(hot["novelty"]!) - 100) < 25);
    const cold = measure(
      extractor,
      falcoEvent({ atMs: START_MS + 3_600_000, fields: inPod("web") }),
    );
    assert.ok(cold["rate"]! < 1.2 && cold["novelty"]! < 1.5);
  });

  it("forgets by the time of events, and not because one clock is far ahead", () => {
    const rarityAfter = (gap: readonly FalcoEvent[]): number => {
      const extractor = new FeatureExtractor(1);
      feed(extractor, ordinaryEvents(1, 500));
      feed(extractor, gap);
      return measure(
        extractor,
        falcoEvent({ atMs: START_MS, fields: inPod("web", { "proc.name": "node" }) }),
      )["proc_rarity"]!;
    };
    const hour = (i: number): FalcoEvent =>
      falcoEvent({ atMs: START_MS + 1e8 + i * 3_600_000, fields: { "proc.name": "other" } });
    const far = falcoEvent({ atMs: 4e12, fields: { "proc.name": "other" } });
    const now = rarityAfter([]);
    assert.ok(Math.abs(rarityAfter([far]) - now) < 0.1);
    assert.ok(rarityAfter(Array.from({ length: 2000 }, (_, i) => hour(i))) > now + 1);
  });

  it("goes on from a checkpoint exactly as if it had never stopped", () => {
    const whole = new FeatureExtractor(5);
    feed(whole, ordinaryEvents(1, 800));
    const restored = new FeatureExtractor(5);
    restored.load(whole.save());
    for (const event of ordinaryEvents(2, 200, START_MS + 1e8)) {
      assert.deepEqual(measure(restored, event), measure(whole, event));
      restored.learn();
      whole.learn();
    }
    assert.deepEqual(restored.save(), whole.save());
  });

  it("keeps its size, however many containers and names come by", () => {
    const extractor = new FeatureExtractor(1);
    const events = Array.from({ length: 11_000 }, (_, i) =>
      falcoEvent({
        atMs: START_MS + i,
        fields: { "container.id": `c${i}`, "k8s.ns.name": `n${i % 999}` },
      }),
    );
    feed(extractor, events);
    const size = extractor.save().length;
    feed(extractor, events.slice(0, 500));
    assert.ok(extractor.save().length <= size + 50_000);
    assert.ok(size < 2_500_000);
  });

  it("refuses a checkpoint that is cut, changed or of something else", () => {
    const bytes = new FeatureExtractor(1).save();
    const changed = bytes.slice();
    changed[60]! ^= 1;
    for (const bad of [bytes.slice(0, 70), changed, Uint8Array.of(1, 2, 3)]) {
      assert.throws(
        () => new FeatureExtractor(1).load(bad),
        (error) => error instanceof WatchfloorError && error.code === "model_unreadable",
      );
    }
  });

  it("says which fields each rule leaves out", () => {
    const extractor = new FeatureExtractor(1);
    measure(extractor, falcoEvent({ rule: "A\u0007", fields: { "proc.name": "x" } }));
    measure(extractor, falcoEvent({ rule: "A\u0007", fields: { "proc.tty": 0 } }));
    const gaps = extractor.fieldGaps()["A_"]!;
    assert.equal(gaps.events, 2);
    assert.deepEqual([gaps.missing["proc.name"], gaps.missing["user.uid"]], [1, 2]);
  });
});
