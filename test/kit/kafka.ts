/**
 * The boundary of: the tests and a real Apache Kafka. One broker of the pinned version (KRaft, one
 * node) on loopback, with a plain listener and one with TLS and SASL; killed and started again on
 * what it has on disk, as a machine that loses power.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Kafka, logLevel, type Admin } from "kafkajs";
import { pause } from "../../supervisor/replay.ts";
import { systemClock } from "../../transports/clock.ts";

const PROVISION = fileURLToPath(new URL("../tools/provision.mjs", import.meta.url));
const CLUSTER_ID = "d2F0Y2hmbG9vci10ZXN0cw";
const STORE_PASSWORD = "not-a-secret";
const START_MS_MAX = 90_000;

/** Bringing the broker for the first time takes a minute, and starting it some seconds. */
export const BROKER_MS_MAX = 5 * 60_000;

export const USER = { username: "floor", password: "a test's own password" } as const;

/** The directory of the broker's jars, or null on a machine that cannot have them; in CI a failure. */
export function locateKafka(): string | null {
  const run = spawnSync(process.execPath, [PROVISION, "kafka"], { encoding: "utf8" });
  if (run.status === 0) return run.stdout.trim();
  if (process.env["CI"]) throw new Error(`the Kafka tests need a broker: ${run.stderr.trim()}`);
  process.stderr.write(run.stderr);
  return null;
}

export interface BrokerOptions {
  readonly heapMb?: number;
  /** Let the virtual machine compile what is hot: for measurements. */
  readonly fast?: boolean;
}

export class Broker {
  readonly #folder = mkdtempSync(join(tmpdir(), "watchfloor-kafka-"));
  readonly #java: readonly string[];
  #process: ChildProcess | null = null;
  #ports = { plain: 0, secure: 0, controller: 0 };

  private constructor(jars: string, { heapMb = 320, fast = false }: BrokerOptions) {
    this.#java = [
      `-Xmx${heapMb}m`,
      ...(fast ? [] : ["-XX:TieredStopAtLevel=1"]),
      "-XX:+UseSerialGC",
      "-Xshare:auto",
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      "-cp",
      join(jars, "*"),
    ];
  }

  static async start(jars: string, options: BrokerOptions = {}): Promise<Broker> {
    const broker = new Broker(jars, options);
    await broker.#prepare();
    await broker.start();
    return broker;
  }

  /** Of the plain listener. */
  get address(): string {
    return `127.0.0.1:${this.#ports.plain}`;
  }

  get secureAddress(): string {
    return `127.0.0.1:${this.#ports.secure}`;
  }

  /** PEM of the certificate that the secure listener shows. */
  get certificate(): string {
    return readFileSync(this.#path("cert.pem"), "utf8");
  }

  get certificatePath(): string {
    return this.#path("cert.pem");
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    const log = createWriteStream(this.#path("broker.log"), { flags: "a" });
    const config = this.#path("server.properties");
    const child = spawn("java", [...this.#java, "kafka.Kafka", config], { stdio: "pipe" });
    for (const stream of [child.stdout, child.stderr]) stream.pipe(log, { end: false });
    this.#process = child;
    const giveUpAt = systemClock.steady() + START_MS_MAX;
    while (!(await this.#answers())) {
      const alive = child.exitCode === null && child.signalCode === null;
      if (alive && systemClock.steady() < giveUpAt) await pause(systemClock);
      else throw new Error(`the broker did not start:\n${this.log.slice(-4_000)}`);
    }
  }

  /** As a power cut: nothing is flushed that was not. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get log(): string {
    return readFileSync(this.#path("broker.log"), "utf8");
  }

  /** A client of the test's own. */
  client(): Kafka {
    return new Kafka({
      clientId: "test",
      brokers: [this.address],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 30 },
    });
  }

  async administer<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.client().admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  /** Makes a topic and waits until it can be written. */
  async createTopic(topic: string, partitions = 1): Promise<void> {
    await this.administer((admin) =>
      admin.createTopics({
        topics: [{ topic, numPartitions: partitions }],
        waitForLeaders: true,
      }),
    );
  }

  async produce(
    topic: string,
    values: readonly (string | Buffer | null)[],
    partition?: number,
  ): Promise<void> {
    const producer = this.client().producer();
    await producer.connect();
    const messages = values.map((value) =>
      partition === undefined ? { value } : { value, partition },
    );
    for (let from = 0; from < messages.length; from += 500)
      await producer.send({ topic, acks: -1, messages: messages.slice(from, from + 500) });
    await producer.disconnect();
  }

  /** The group's committed offset of each partition, -1 where it has none; none while nobody can say. */
  async committed(group: string, topic: string): Promise<readonly number[]> {
    const found = await this.administer(async (admin) =>
      // Its coordinator may still be loading, after a start of the broker.
      admin.fetchOffsets({ groupId: group, topics: [topic] }).catch(() => []),
    );
    return (found[0]?.partitions ?? [])
      .toSorted((a, b) => a.partition - b.partition)
      .map(({ offset }) => Number(offset));
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  async #prepare(): Promise<void> {
    const [plain, secure, controller] = await freePorts(3);
    this.#ports = { plain: plain!, secure: secure!, controller: controller! };
    this.#makeCertificate();
    writeFileSync(this.#path("server.properties"), this.#properties());
    const config = this.#path("server.properties");
    const format = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", config];
    const user = `SCRAM-SHA-256=[name=${USER.username},password=${USER.password}]`;
    execFileSync("java", [...this.#java, ...format, "--standalone", "--add-scram", user], {
      stdio: "pipe",
    });
  }

  #makeCertificate(): void {
    const store = ["-keystore", this.#path("keys.p12"), "-storepass", STORE_PASSWORD];
    const shape = ["-alias", "broker", "-keyalg", "EC", "-dname", "CN=localhost", "-validity", "2"];
    const names = ["-ext", "san=ip:127.0.0.1,dns:localhost", "-storetype", "PKCS12"];
    const quiet = { stdio: "pipe" } as const;
    execFileSync("keytool", ["-genkeypair", ...shape, ...names, ...store], quiet);
    const out = ["-rfc", "-alias", "broker", "-file", this.#path("cert.pem")];
    execFileSync("keytool", ["-exportcert", ...out, ...store], quiet);
  }

  #properties(): string {
    const { plain, secure, controller } = this.#ports;
    const jaas = "org.apache.kafka.common.security";
    return [
      "process.roles=broker,controller",
      "node.id=1",
      `controller.quorum.bootstrap.servers=127.0.0.1:${controller}`,
      `listeners=PLAIN://127.0.0.1:${plain},SECURE://127.0.0.1:${secure},CONTROLLER://127.0.0.1:${controller}`,
      `advertised.listeners=PLAIN://127.0.0.1:${plain},SECURE://127.0.0.1:${secure}`,
      "controller.listener.names=CONTROLLER",
      "inter.broker.listener.name=PLAIN",
      "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,SECURE:SASL_SSL",
      "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
      `listener.name.secure.plain.sasl.jaas.config=${jaas}.plain.PlainLoginModule required user_${USER.username}="${USER.password}";`,
      `listener.name.secure.scram-sha-256.sasl.jaas.config=${jaas}.scram.ScramLoginModule required;`,
      `ssl.keystore.location=${this.#path("keys.p12")}`,
      "ssl.keystore.type=PKCS12",
      `ssl.keystore.password=${STORE_PASSWORD}`,
      `log.dirs=${this.#path("logs")}`,
      "auto.create.topics.enable=false",
      "offsets.topic.replication.factor=1",
      "offsets.topic.num.partitions=2",
      "group.initial.rebalance.delay.ms=0",
      "group.min.session.timeout.ms=1000",
      // Acknowledged is on the disk: what a test counts on when it kills the broker.
      "log.flush.interval.messages=1",
      "",
    ].join("\n");
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.#ports.plain, "127.0.0.1");
      const end = (answers: boolean): void => {
        socket.destroy();
        resolve(answers);
      };
      socket.once("connect", () => end(true));
      socket.once("error", () => end(false));
    });
  }
}

/** Free a moment ago; all held at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((done) => server.once("listening", done))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
