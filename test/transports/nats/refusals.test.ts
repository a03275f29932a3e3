/**
 * What a wrong server, account or stream is answered with: a named error that says what to do, before
 * anything is changed. And what a fault of a moment leaves: nothing.
 */
import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { systemClock, systemRandom } from "../../../transports/clock.ts";
import { openNats, type NatsOptions } from "../../../transports/nats/index.ts";
import type { Transport } from "../../../transports/ports.ts";
import { anEnvelope } from "../../kit/envelopes.ts";
import { NatsServers } from "../../kit/nats-server.ts";

const SHARD = "reviewer.0";

function open(url: string, changes: Partial<NatsOptions> = {}): Promise<Transport> {
  return openNats({
    url,
    shardCount: 4,
    clock: systemClock,
    random: systemRandom,
    name: "test",
    ...changes,
  });
}

/** Does `work` as an operator would, beside us. */
async function operate(
  servers: NatsServers,
  account: string,
  work: (manager: JetStreamManager, nc: NatsConnection) => Promise<unknown>,
): Promise<void> {
  const [user = "", pass = ""] = account.split(":");
  const nc = await connect({ servers: `127.0.0.1:${servers.members[0]!.port}`, user, pass });
  try {
    await work(await jetstreamManager(nc, { checkAPI: false }), nc);
  } finally {
    await nc.close();
  }
}

describe("transport nats: refusals", () => {
  let servers: NatsServers;
  let account: string;
  before(async () => {
    servers = await NatsServers.start();
  });
  beforeEach(() => {
    account = servers.account();
  });
  after(() => servers.stop());

  it("names the address where nobody listens", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as AddressInfo;
    await new Promise((resolve) => taken.close(resolve));
    await assert.rejects(open(`nats://u:secret@127.0.0.1:${port}`), {
      code: "nats_unreachable",
      message: `cannot reach NATS at nats://127.0.0.1:${port}: connection refused; start it, or name another with --nats or NATS_URL`,
    });
  });

  it("says that the credentials are refused, without saying them", async () => {
    await assert.rejects(open(servers.url("u1:wrong")), (error: Error & { code: string }) => {
      assert.equal(error.code, "nats_refused");
      assert.ok(!error.message.includes("wrong"));
      return true;
    });
  });

  it("makes nothing for a command that only looks", async () => {
    await assert.rejects(open(servers.url(account), { shardCount: null }), {
      code: "data_unusable",
      message: /it holds no data of this program yet/,
    });
    await operate(servers, account, async ({ streams }) => {
      assert.deepEqual(await streams.names().next(), []);
    });
  });

  it("refuses another shard count than that of the first start", async () => {
    await (await open(servers.url(account))).close();
    await assert.rejects(open(servers.url(account), { shardCount: 8 }), { code: "shards_changed" });
  });

  it("refuses a stream that is configured otherwise, and names the field", async () => {
    await (await open(servers.url(account))).close();
    await operate(servers, account, ({ streams }) =>
      streams.update("JRN_reviewer", { max_age: 3_600_000_000_000 }),
    );
    await assert.rejects(open(servers.url(account)), {
      code: "nats_stream_differs",
      message:
        "stream JRN_reviewer has max_age 3600000000000, not 0; change it with nats stream edit, or use another account",
    });
  });

  it("refuses a stream that was made anew: positions mean nothing in it", async () => {
    await (await open(servers.url(account))).close();
    await operate(servers, account, ({ streams }) => streams.delete("MBX_analyst"));
    await assert.rejects(open(servers.url(account)), { code: "nats_recreated" });
  });

  it("refuses data of a newer version", async () => {
    await (await open(servers.url(account))).close();
    await operate(servers, account, async (_, nc) => {
      const origin = { format: 99, shardCount: 4, createdAt: 0, streams: {} };
      await nc.request("$KV.WATCHFLOOR.origin", JSON.stringify(origin));
    });
    await assert.rejects(open(servers.url(account)), { code: "data_newer" });
  });

  it("refuses an append over the payload limit, and takes the next", async () => {
    const transport = await open(servers.url(account));
    const large = "x".repeat(1_100_000);
    await assert.rejects(transport.journal.append(SHARD, 0, [large]), { code: "nats_payload" });
    await assert.rejects(transport.mailbox.publish(SHARD, [anEnvelope("1", { data: large })]), {
      code: "nats_payload",
    });
    assert.deepEqual(await transport.journal.append(SHARD, 0, ["small"]), {
      appended: true,
      last: 1,
    });
    await transport.close();
  });

  it("stops a shard whose journal another program wrote to, and says which message", async () => {
    const transport = await open(servers.url(account));
    await transport.journal.append(SHARD, 0, ["ours"]);
    await operate(servers, account, (_, nc) => nc.request("jrn.reviewer.0", "theirs"));
    await assert.rejects(transport.journal.last(SHARD), {
      code: "nats_foreign",
      message:
        "message 2 on jrn.reviewer.0 was written by another program; the shard reviewer.0 is stopped",
    });
    await transport.close();
  });

  it("does not deliver what was put there under another's name, and raises an alarm once", async () => {
    const alarms: string[] = [];
    const transport = await open(servers.url(account), {
      alarm: ({ message }) => alarms.push(message),
    });
    const verdict = anEnvelope("v", { from: "reviewer/r-1", to: "coordinator/c-1" });
    await operate(servers, account, async (_, nc) => {
      await nc.request("mbx.coordinator.0.analyst", JSON.stringify(verdict));
      await nc.request("mbx.coordinator.0.edge", "no JSON");
    });
    await transport.mailbox.publish("coordinator.0", [anEnvelope("good")]);
    for (let look = 0; look < 2; look += 1) {
      const entries = await transport.mailbox.read("coordinator.0", 0, 10);
      assert.deepEqual(
        entries.map(({ envelope }) => envelope?.id),
        ["good"],
      );
    }
    assert.deepEqual(alarms, [
      "what lies at 1000 in the mailbox of coordinator.0, put there as analyst, says it is from reviewer",
      "what lies at 2000 in the mailbox of coordinator.0, put there as edge, is no envelope",
    ]);
    await transport.close();
  });

  it("says what it waits for while the server is gone, and goes on by itself when it is back", async () => {
    const transport = await open(servers.url(account));
    assert.deepEqual(transport.reasons?.(), []);
    await transport.journal.append(SHARD, 0, ["before"]);
    await servers.kill();
    const url = servers.url();
    while (transport.reasons?.().length === 0)
      await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(transport.reasons?.(), [`the connection to NATS at ${url} is gone`]);
    const pending = transport.journal.last(SHARD);
    await servers.restart();
    assert.equal(await pending, 1);
    while (transport.reasons?.().length !== 0)
      await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await transport.journal.append(SHARD, 1, ["after"]), {
      appended: true,
      last: 2,
    });
    await transport.close();
  });
});

describe("transport nats: servers that will not do", () => {
  it("says that JetStream is off", async () => {
    const servers = await NatsServers.start({ jetstream: false });
    await assert.rejects(open(servers.url(servers.account())), { code: "nats_jetstream_off" });
    await servers.stop();
  });

  it("refuses a cluster of 2.9: it takes two appends with one expectation", async () => {
    const servers = await NatsServers.start({ servers: 3, tool: "nats-server-2.9" });
    await assert.rejects(open(servers.url(servers.account())), {
      code: "nats_too_old",
      message: /is 2\.9\.25; a cluster must be 2\.12 or newer: upgrade it$/,
    });
    await servers.stop();
  });

  it("says that there is no room, and goes on when there is", async () => {
    const servers = await NatsServers.start({
      config:
        "accounts { A { jetstream { max_file: 20MB }, users: [{ user: a, password: test }] } }",
    });
    const transport = await open(servers.url("a:test"));
    const filler = "x".repeat(900_000);
    let last = 0;
    await assert.rejects(
      async () => {
        for (;;) {
          const result = await transport.journal.append(SHARD, last, [filler]);
          last = result.last;
        }
      },
      {
        code: "nats_full",
        message:
          "NATS has no room for jrn.reviewer.0; nothing was damaged: free some space or raise its limits",
      },
    );
    assert.equal(await transport.journal.last(SHARD), last);
    await transport.journal.trim(SHARD, last);
    const next = await transport.journal.append(SHARD, last, ["small"]);
    assert.ok(next.appended);
    await transport.close();
    await servers.stop();
  });
});
