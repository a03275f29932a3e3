/**
 * Goal: a topic is worked once, whoever is killed. Method: a real broker and the built command; both
 * are killed with SIGKILL in the middle, several times, and in the end what is stored is judged.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import type { CaseSummary, EventOutcome } from "../../machines/vocabulary.ts";
import { systemClock } from "../../transports/clock.ts";
import { parseFalcoLine } from "../../transports/falco/parse.ts";
import { openLocal } from "../../transports/local/index.ts";
import { generateSampleDay } from "../../transports/sample/day.ts";
import { Broker, BROKER_MS_MAX, locateKafka } from "../kit/kafka.ts";
import { until } from "../kit/kafka-reader.ts";
import { Command, type Running } from "../kit/process.ts";

const TOPIC = "falco";
const EVENTS = 600;

describe("kill -9 while a topic is read", function () {
  this.timeout(240_000);
  let broker: Broker;
  let command: Command;

  before(async function () {
    this.timeout(BROKER_MS_MAX);
    const jars = locateKafka();
    if (jars === null) this.skip();
    broker = await Broker.start(jars);
    command = new Command();
  });
  after(async () => {
    command?.close();
    await broker?.close();
  });

  const start = (): Promise<Running> =>
    command.start(["--kafka", broker.address, "--topic", TOPIC], {
      WATCHFLOOR_KAFKA_SESSION_TIMEOUT_MS: "2000",
    });
  const committed = async (): Promise<number> => {
    const offsets = await broker.committed("watchfloor", TOPIC);
    return offsets.reduce((sum, offset) => sum + Math.max(0, offset), 0);
  };

  it("gives every event its one outcome and every case each of its events once", async () => {
    await broker.createTopic(TOPIC, 2);
    const day = [...generateSampleDay(7, { ordinary: EVENTS })].slice(0, EVENTS);
    const [first, second] = [day.slice(0, EVENTS / 2), day.slice(EVENTS / 2)];
    await broker.produce(TOPIC, first, 0);
    let runner = await start();
    await until("it takes events", async () => (await committed()) > 0);
    await runner.stop("SIGKILL");
    // More comes while nobody reads, some of it again and some of it no event.
    await broker.produce(TOPIC, [...second, "no event", ...first.slice(0, 50)], 1);
    runner = await start();
    await runner.until((line) => line.startsWith("Reading Kafka's topic"));
    await broker.kill();
    await runner.until((line) => line.startsWith("Not reading Kafka"));
    await broker.start();
    await until("all is taken", async () => (await committed()) === EVENTS + 51);
    assert.match(runner.output, /A record of falco\/1 is no event|kafka/);
    await until("it has worked it off", async () => {
      const page = await (await fetch(`${runner.url}/metrics`)).text();
      return /^watchfloor_backlog 0$/m.test(page) && /^watchfloor_calls_running 0$/m.test(page);
    });
    assert.equal(await runner.stop(), 0);
    await judge(command.data, day);
  });
});

async function judge(path: string, day: readonly string[]): Promise<void> {
  const transport = await openLocal({ path, shardCount: 4, clock: systemClock, readOnly: true });
  try {
    const { store } = transport;
    const digests = [...new Set(day.map((text, i) => parseFalcoLine(text, i + 1).digest))];
    const outcomes = (await store.getMany("outcomes", digests)) as unknown as EventOutcome[];
    assert.ok(outcomes.every((outcome) => outcome !== null));
    const events = new Map<string, number>();
    for (const { case: id } of outcomes) if (id !== null) events.set(id, (events.get(id) ?? 0) + 1);
    const cases = (await store.list("cases", "")).map(
      ({ value }) => value as unknown as CaseSummary,
    );
    assert.deepEqual(cases.map((one) => one.case).toSorted(), [...events.keys()].toSorted());
    for (const one of cases) assert.equal(one.events, events.get(one.case), one.case);
    assert.deepEqual(await store.list("deadletters", ""), []);
  } finally {
    await transport.close();
  }
}
