/**
 * One credential a role, on a server with the configuration that `watchfloor nats permissions` prints:
 * what an agent must do it may, and what another decides it may not.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import type { Kind } from "../../../machines/protocol.ts";
import { printPermissions } from "../../../supervisor/cli/nats.ts";
import type { Io } from "../../../supervisor/cli/io.ts";
import { Runner } from "../../../supervisor/runner.ts";
import { shardOf } from "../../../supervisor/placement.ts";
import { systemClock, systemRandom } from "../../../transports/clock.ts";
import { readCredentials } from "../../../transports/nats/credentials.ts";
import { openNats, type NatsTransport } from "../../../transports/nats/index.ts";
import { connect } from "@nats-io/transport-node";
import { anEnvelope } from "../../kit/envelopes.ts";
import { definitionsWith, edgeEnvelope } from "../../kit/floor.ts";
import { NatsServers } from "../../kit/nats-server.ts";

describe("nats permissions", () => {
  const folder = mkdtempSync(join(tmpdir(), "watchfloor-seeds-"));
  const alarms: string[] = [];
  const opened: NatsTransport[] = [];
  let servers: NatsServers;

  before(async () => {
    let config = "";
    const io = { cwd: folder, write: async (text: string) => void (config += text) };
    await printPermissions(io as unknown as Io, { seeds: "." });
    servers = await NatsServers.start({ config });
  });
  afterEach(async () => {
    for (const transport of opened.splice(0)) await transport.close();
  });
  after(async () => {
    await servers.stop();
    rmSync(folder, { recursive: true });
  });

  async function open(kinds: readonly Kind[]): Promise<NatsTransport> {
    const transport = await openNats({
      url: servers.url(),
      ...readCredentials(folder, kinds),
      shardCount: 4,
      clock: systemClock,
      random: systemRandom,
      name: kinds.join("-") || "edge",
      alarm: ({ code, message }) => alarms.push(`${code}: ${message}`),
    });
    opened.push(transport);
    return transport;
  }

  it("keeps seeds for their owner only", () => {
    assert.equal(statSync(join(folder, "analyst.nk")).mode & 0o777, 0o600);
  });

  it("refuses an analyst that publishes a verdict, and raises an alarm", async () => {
    const { byKind } = readCredentials(folder, ["analyst"]);
    await open([]);
    const nc = await connect({
      servers: `127.0.0.1:${servers.members[0]!.port}`,
      ...byKind.get("analyst"),
    });
    const verdict = JSON.stringify(anEnvelope("v", { from: "reviewer/r-1" }));
    const js = jetstream(nc, { timeout: 500 });
    await assert.rejects(
      js.publish("mbx.coordinator.0.reviewer", verdict),
      /Permissions Violation/i,
    );
    // Its own word it may send; one that says it is a reviewer's is not delivered.
    await js.publish("mbx.coordinator.0.analyst", verdict);
    await nc.close();
    const coordinator = await open(["coordinator"]);
    assert.deepEqual(await coordinator.mailbox.read("coordinator.0", 0, 10), []);
    assert.deepEqual(alarms.splice(0), [
      "envelope_refused: what lies at 1000 in the mailbox of coordinator.0, put there as analyst, says it is from reviewer",
    ]);
  });

  it("refuses an analyst the journal and state of another, and tells who tried", async () => {
    const analyst = await open(["analyst"]);
    const owner = { shard: "analyst.0", epoch: 1 };
    const put = { table: "actors", key: "reviewer/r-1", value: 1 } as const;
    await assert.rejects(analyst.store.write([put], owner), { code: "nats_forbidden" });
    assert.ok(alarms.some((alarm) => alarm.startsWith("nats_forbidden: NATS forbids the publish")));
    alarms.length = 0;
  });

  it("refuses sources and the command line the journals", async () => {
    const edge = await open([]);
    await assert.rejects(edge.journal.append("reviewer.0", 0, ["x"]), { code: "nats_forbidden" });
    alarms.length = 0;
  });

  it("lets runners work, each role by its own credential", async () => {
    const transport = await open(["coordinator", "detector"]);
    const turns: string[] = [];
    const runner = new Runner({
      transport,
      definitions: definitionsWith(),
      shardCount: 4,
      clock: systemClock,
      random: systemRandom,
      runnerId: "r",
      observers: [
        {
          committed: (_, records) => {
            for (const record of records) if (record.r === "turn") turns.push(record.actor);
          },
          alarm: ({ message }) => alarms.push(message),
        },
      ],
    });
    await runner.start();
    const edge = await open([]);
    const to = "coordinator/c-1";
    const question = { to: "detector/d-1", job: 1, timeoutMs: null };
    await edge.mailbox.publish(shardOf(to, 4), [edgeEnvelope(to, "ask", question, "q")]);
    while (turns.filter((actor) => actor === to).length < 2)
      await new Promise((resolve) => setTimeout(resolve, 5));
    await runner.drain();
    // The forged verdict of above still lies there, and is still not delivered.
    assert.deepEqual(
      alarms.filter((alarm) => !alarm.startsWith("envelope_refused")),
      [],
    );
    assert.notEqual(await edge.store.get("actors", to), null);
  });
});
