/**
 * Goal: the sample is Falco's format, the same every time, and ordinary where it says so. Method:
 * one day and one baseline, read by the parser that reads everything else.
 */
import assert from "node:assert/strict";
import type { FalcoEvent } from "../../../machines/vocabulary.ts";
import { parseFalcoLine } from "../../../transports/falco/parse.ts";
import { generateBaseline, generateSampleDay } from "../../../transports/sample/day.ts";
import { INVENTORY } from "../../../transports/sample/inventory.ts";
import { sampleTruth, SCENARIOS } from "../../../transports/sample/scenarios.ts";

const SEED = 7;
const HOUR_NS = 3_600_000_000_000n;

function parsed(lines: Iterable<string>): readonly FalcoEvent[] {
  return Array.from(lines, (text, index) => parseFalcoLine(text, index + 1));
}

/** What the rarities of the model look at: who did what, started by whom, in which image. */
function habitOf({ rule, fields }: FalcoEvent): string {
  const names = ["container.image.repository", "proc.pname", "proc.name", "fd.directory"];
  return [rule, ...names.map((name) => fields[name])].join("|");
}

describe("sample: day", () => {
  let day: readonly FalcoEvent[] = [];
  let baseline: readonly FalcoEvent[] = [];
  const truth = sampleTruth(SEED);
  before(() => {
    day = parsed(generateSampleDay(SEED));
    baseline = parsed(generateBaseline(SEED));
  });

  it("holds 20,000 ordinary events, every attack once, some repeats and Falco's own messages", () => {
    const digests = new Set(day.map(({ digest }) => digest));
    const internal = day.filter((event) => event.internal).length;
    assert.equal(digests.size, 20_000 + truth.size + internal);
    assert.equal(internal, 6);
    const repeats = day.length - digests.size;
    assert.ok(repeats >= 3 && repeats <= 40, `${repeats} repeats`);
    assert.ok([...truth.keys()].every((digest) => digests.has(digest)));
  });

  it("is in order of time, within one day", () => {
    const times = day.map(({ timeNs }) => BigInt(timeNs));
    assert.ok(times.every((time, index) => index === 0 || time >= (times[index - 1] ?? 0n)));
    const start = BigInt(Date.UTC(2026, 9, 14)) * 1_000_000n;
    assert.ok(times.every((time) => time >= start && time < start + 24n * HOUR_NS));
  });

  it("comes before its day, in its baseline", () => {
    assert.equal(baseline.length, 6_000);
    const start = BigInt(Date.UTC(2026, 9, 14)) * 1_000_000n;
    assert.ok(baseline.every(({ timeNs }) => BigInt(timeNs) < start));
    assert.ok(baseline.every(({ digest }) => !truth.has(digest)));
  });

  it("brings its first attack within the first 200 events", () => {
    const first = day.findIndex(({ digest }) => truth.has(digest));
    assert.ok(first >= 0 && first < 200, `first attack at ${first}`);
  });

  it("has done in its baseline whatever it ordinarily does", () => {
    const learnt = new Set(baseline.map(habitOf));
    const novel = day.filter(
      (event) => !event.internal && !truth.has(event.digest) && !learnt.has(habitOf(event)),
    );
    assert.deepEqual(novel.map(habitOf), []);
  });

  it("has each attack do something its baseline has not", () => {
    const learnt = new Set(baseline.map(habitOf));
    const novel = day
      .filter(({ digest }) => truth.has(digest))
      .filter((event) => !learnt.has(habitOf(event)));
    assert.equal(new Set(novel.map(({ digest }) => truth.get(digest))).size, SCENARIOS.length);
  });

  it("is busier by day than by night, in both", () => {
    for (const events of [day, baseline]) {
      const hours = events.map(({ timeNs }) => Number((BigInt(timeNs) / HOUR_NS) % 24n));
      const night = hours.filter((hour) => hour >= 2 && hour < 6).length;
      const noon = hours.filter((hour) => hour >= 12 && hour < 16).length;
      assert.ok(noon > night * 1.3, `${noon} by day, ${night} by night`);
    }
  });

  it("happens to the inventory: every pod and node of it is known, every workload busy", () => {
    const known = new Set(
      INVENTORY.workloads.flatMap(({ namespace, pods }) =>
        pods.map(({ name }) => `${namespace}/${name}`),
      ),
    );
    const pods = new Set(
      day
        .filter(({ fields }) => fields["k8s.pod.name"] !== null && fields["k8s.pod.name"])
        .map(({ fields }) => `${fields["k8s.ns.name"]}/${fields["k8s.pod.name"]}`),
    );
    assert.deepEqual(
      [...pods].filter((pod) => !known.has(pod)),
      [],
    );
    const nodes = new Set(INVENTORY.nodes.map(({ name }) => name));
    assert.ok(day.every(({ hostname }) => nodes.has(hostname)));
  });

  it("is the same for the same seed and another for another", () => {
    const take = (seed: number): string[] => [...generateSampleDay(seed, { ordinary: 400 })];
    assert.deepEqual(take(3), take(3));
    assert.notDeepEqual(take(3), take(4));
    assert.deepEqual([...generateBaseline(3)].slice(0, 50), [...generateBaseline(3)].slice(0, 50));
  });

  it("keeps its attacks when its noise is thinner, and moves with its day", () => {
    const thin = parsed(generateSampleDay(SEED, { ordinary: 300 }));
    const found = new Set(thin.map(({ digest }) => truth.get(digest)).filter(Boolean));
    assert.equal(found.size, SCENARIOS.length);
    const dayStartMs = Date.UTC(2027, 0, 5);
    const [first] = parsed(generateSampleDay(SEED, { ordinary: 300, dayStartMs }));
    assert.ok(BigInt(first?.timeNs ?? 0) / 1_000_000n >= BigInt(dayStartMs));
    assert.ok([...sampleTruth(SEED, dayStartMs).keys()].every((digest) => !truth.has(digest)));
  });

  it("writes as Falco does: sorted names, nine digits, the number time that JSON cannot hold", () => {
    const [text = ""] = generateSampleDay(SEED);
    const event = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual(Object.keys(event), Object.keys(event).toSorted());
    const fields = Object.keys(event["output_fields"] as object);
    assert.deepEqual(fields, fields.toSorted());
    assert.match(String(event["time"]), /^2026-10-14T\d\d:\d\d:\d\d\.\d{9}Z$/);
    assert.match(text, new RegExp(`"evt.time":${parseFalcoLine(text, 1).timeNs}[,}]`));
  });
});

describe("sample: scenarios", () => {
  it("are forty, each with its own id, steps, and a technique", () => {
    assert.equal(SCENARIOS.length, 40);
    assert.equal(new Set(SCENARIOS.map(({ id }) => id)).size, 40);
    for (const { id, technique, alsoRight, steps, rule } of SCENARIOS) {
      assert.ok(steps.length >= 1 && steps.length <= 6, id);
      assert.ok(
        steps.some((step) => step.rule === rule),
        id,
      );
      for (const each of [technique, ...alsoRight]) assert.match(each, /^T\d{4}(\.\d{3})?$/, id);
    }
  });

  it("leave one entity hours between two of them, so that each is a case of its own", () => {
    const truth = sampleTruth(SEED);
    const starts = new Map<string, bigint>();
    for (const text of generateSampleDay(SEED, { ordinary: 300 })) {
      const { digest, timeNs } = parseFalcoLine(text, 1);
      const id = truth.get(digest);
      if (id !== undefined && !starts.has(id)) starts.set(id, BigInt(timeNs));
    }
    const last = new Map<string, bigint>();
    for (const { id, entity } of SCENARIOS) {
      const start = starts.get(id) ?? 0n;
      const before = last.get(entity);
      assert.ok(before === undefined || start - before > 3n * HOUR_NS, `${id} on ${entity}`);
      last.set(entity, start);
    }
  });

  it("name entities of the inventory", () => {
    const entities = new Set([
      ...INVENTORY.nodes.map(({ name }) => `host/${name}`),
      ...INVENTORY.workloads.flatMap(({ namespace, name, containers }) =>
        containers.map((container) => `${namespace}/${name}/${container.name}`),
      ),
    ]);
    assert.deepEqual(
      SCENARIOS.filter(({ entity }) => !entities.has(entity)),
      [],
    );
  });

  it("carry text meant to steer readers, terminals and logs in at least four", () => {
    const hostile = SCENARIOS.filter(({ hostile: kind }) => kind !== null);
    assert.ok(hostile.length >= 4);
    const kinds = new Set(hostile.map(({ hostile: kind }) => kind));
    assert.deepEqual(kinds, new Set(["escapes", "instructions", "line_breaks"]));
    const texts = hostile.flatMap(({ steps }) => steps.map(({ cmd }) => cmd)).join();
    // oxlint-disable-next-line no-control-regex
    assert.match(texts, /\u001b\[2J/);
    assert.match(texts, /\r\n/);
  });
});
