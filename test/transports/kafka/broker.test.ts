/**
 * Goal: a topic of a real Apache Kafka reaches the gate whole, whatever happens to the broker, the
 * group or the topic. Method: the pinned broker, started here, and the source as the floor runs it.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "mocha";
import { WatchfloorError } from "../../../machines/errors.ts";
import { Broker, BROKER_MS_MAX, locateKafka, USER } from "../../kit/kafka.ts";
import {
  falcoLine,
  KafkaReader,
  sidekickLine,
  until,
  type ReaderOptions,
} from "../../kit/kafka-reader.ts";

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);
const lines = (from: number, to: number): string[] => numbers(from, to).map(falcoLine);

describe("kafka: a topic of a real broker", function () {
  this.timeout(90_000);
  let broker: Broker;
  const readers: KafkaReader[] = [];
  let topics = 0;

  before(async function () {
    this.timeout(BROKER_MS_MAX);
    const jars = locateKafka();
    if (jars === null) this.skip();
    broker = await Broker.start(jars);
  });
  afterEach(async () => {
    await Promise.all(readers.splice(0).map((reader) => reader.close()));
  });
  after(() => broker?.close());

  const newTopic = async (partitions = 1): Promise<string> => {
    const topic = `falco-${++topics}`;
    await broker.createTopic(topic, partitions);
    return topic;
  };
  const read = (topic: string, more: Partial<ReaderOptions> = {}): KafkaReader => {
    const shape = { brokers: [broker.address], topic, group: `group-${topic}`, ...more };
    const reader = new KafkaReader(shape);
    readers.push(reader);
    return reader;
  };
  const committed = (topic: string): Promise<readonly number[]> =>
    broker.committed(`group-${topic}`, topic);

  it("hands on what lay there and what comes, in order, and commits what was taken", async () => {
    const topic = await newTopic();
    await broker.produce(topic, lines(0, 1_500));
    const reader = read(topic);
    await until("what lay there is taken", () => reader.accepted.length === 1_500);
    await broker.produce(topic, lines(1_500, 1_510));
    await until("what comes is taken", () => reader.accepted.length === 1_510);
    assert.deepEqual(
      reader.accepted,
      numbers(0, 1_510).map((n) => `p${n}`),
    );
    await until("it is committed", async () => (await committed(topic))[0] === 1_510);
  });

  it("knows Falco's and falcosidekick's payload of one event as one", async () => {
    const topic = await newTopic();
    await broker.produce(topic, [falcoLine(100), sidekickLine(100), sidekickLine(200)]);
    const reader = read(topic);
    await until("all are taken", () => reader.digests.length === 3);
    assert.equal(reader.digests[0], reader.digests[1]);
    assert.notEqual(reader.digests[0], reader.digests[2]);
  });

  it("puts records that are not Falco into the dead-letter topic, and goes on", async () => {
    const topic = await newTopic();
    await broker.produce(topic, ["no json", falcoLine(1), null, '{"rule":"x"}', falcoLine(2)]);
    const reader = read(topic);
    await until("the events are taken", () => reader.accepted.length === 2);
    await until("it is committed", async () => (await committed(topic))[0] === 5);
    assert.deepEqual(reader.refused, ["not_json", "not_falco", "not_falco"]);
    const consumer = broker.client().consumer({ groupId: "dead" });
    await consumer.connect();
    await consumer.subscribe({ topic: `${topic}.dead-letters`, fromBeginning: true });
    const found: (string | undefined)[][] = [];
    await consumer.run({
      eachMessage: async ({ message: { value, headers } }) => {
        const cause = headers?.["watchfloor-cause-text"]?.toString();
        found.push([value?.toString(), cause, headers?.["watchfloor-offset"]?.toString()]);
      },
    });
    await until("the dead letters are there", () => found.length === 3);
    await consumer.disconnect();
    assert.deepEqual(found, [
      ["no json", "not JSON", "0"],
      [undefined, "not a Falco event: the record must have a value", "2"],
      ['{"rule":"x"}', "not a Falco event: time is missing", "3"],
    ]);
  });

  it("reads nothing further and commits nothing while there is no room", async () => {
    const topic = await newTopic();
    await broker.produce(topic, lines(0, 3_000));
    let room = false;
    const accept = async (): Promise<void> => {
      if (!room) throw new WatchfloorError("mailbox_full", { shard: "ingest.0", depth: 1 });
    };
    const reader = read(topic, { accept });
    await until("it has joined", () => reader.joins > 0);
    assert.deepEqual(await committed(topic), [-1]);
    room = true;
    await until("all is taken", () => reader.distinct === 3_000);
    assert.equal(reader.accepted.length, 3_000);
  });

  it("shares partitions with a member that joins and takes over from one that leaves", async () => {
    const topic = await newTopic(2);
    const [first, second] = [read(topic), read(topic)];
    await until("each has one", () => first.partitions.length + second.partitions.length === 2);
    await broker.produce(topic, lines(0, 500), 0);
    await broker.produce(topic, lines(500, 1_000), 1);
    const all = (): number => new Set([...first.accepted, ...second.accepted]).size;
    await until("all is taken", () => all() === 1_000);
    await first.close();
    await broker.produce(topic, lines(1_000, 1_500), 0);
    await broker.produce(topic, lines(1_500, 2_000), 1);
    await until("the other takes both", () => all() === 2_000);
    assert.deepEqual(second.partitions, [0, 1]);
  });

  it("waits for a topic that does not exist yet, and says so", async () => {
    const topic = `falco-${++topics}`;
    const reader = read(topic);
    await until("it is said", () => reader.failures.includes("kafka_topic_missing"));
    await broker.createTopic(topic);
    await broker.produce(topic, lines(0, 3));
    await until("it is read", () => reader.distinct === 3);
  });

  it("names a partition that vanished, and reads what is made anew from its start", async () => {
    const topic = await newTopic(2);
    const reader = read(topic);
    await broker.produce(topic, lines(0, 10), 0);
    await broker.produce(topic, lines(10, 20), 1);
    await until("both are read", () => reader.distinct === 20);
    await broker.administer((admin) => admin.deleteTopics({ topics: [topic] }));
    await until("it is said", () => reader.failures.includes("kafka_topic_missing"));
    await broker.createTopic(topic, 1);
    await broker.produce(topic, lines(20, 30));
    await until("the rest goes on", () => reader.distinct === 30);
    assert.ok(reader.failures.includes("kafka_partition_lost"), reader.failures.join(", "));
  });

  it("raises an alarm when records were deleted before they were read, and reads on", async () => {
    const topic = await newTopic();
    await broker.produce(topic, lines(0, 10));
    const reader = read(topic);
    await until("all is read", async () => (await committed(topic))[0] === 10);
    await reader.close();
    await broker.produce(topic, lines(10, 30));
    const partitions = [{ partition: 0, offset: "20" }];
    await broker.administer(async (admin) => {
      // Its client deletes only from topics it has heard of.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions });
    });
    const next = read(topic);
    await until("what is left is read", () => next.distinct === 10);
    assert.deepEqual(next.alarms, ["kafka_offset_lost"]);
  });

  for (const mechanism of ["scram-sha-256", "plain"] as const) {
    it(`reads over TLS as a user proven by ${mechanism}`, async () => {
      const topic = await newTopic();
      await broker.produce(topic, lines(0, 5));
      const tls = { ca: broker.certificate, cert: null, key: null };
      const brokers = [broker.secureAddress];
      const reader = read(topic, { brokers, tls, sasl: { mechanism, ...USER } });
      await until("all is taken", () => reader.distinct === 5);
    });
  }

  it("names a wrong password, an unknown certificate and a broker that is not there", async () => {
    const topic = await newTopic();
    const brokers = [broker.secureAddress];
    const trusted = { ca: broker.certificate, cert: null, key: null };
    const sasl = { mechanism: "scram-sha-256", ...USER } as const;
    const wrong = read(topic, { brokers, tls: trusted, sasl: { ...sasl, password: "wrong" } });
    const untrusted = read(topic, { brokers, tls: { ...trusted, ca: null }, sasl });
    const absent = read(topic, { brokers: ["127.0.0.1:1"] });
    await until("each says it", () => readers.every(({ failures }) => failures.length > 0));
    assert.deepEqual(
      [wrong, untrusted, absent].map(({ failures }) => failures[0]),
      ["kafka_refused", "kafka_refused", "kafka_unreachable"],
    );
  });

  it("loses nothing that was acknowledged when the broker is killed and comes back", async () => {
    const topic = await newTopic();
    const reader = read(topic);
    await broker.produce(topic, lines(0, 400));
    await until("it reads", () => reader.accepted.length > 0);
    await broker.kill();
    await until("it is said", () => reader.failures.length > 0);
    await broker.start();
    await broker.produce(topic, lines(400, 800));
    await until("all is taken", () => reader.distinct === 800);
  });
});
