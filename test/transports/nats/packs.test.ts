/** Turns that together are more than a message may hold: they go in several, and none is lost. */
import assert from "node:assert/strict";
import { shardOf } from "../../../supervisor/placement.ts";
import { Runner } from "../../../supervisor/runner.ts";
import { systemClock, systemRandom } from "../../../transports/clock.ts";
import { openNats } from "../../../transports/nats/index.ts";
import { definitionsWith, edgeEnvelope } from "../../kit/floor.ts";
import { NatsServers } from "../../kit/nats-server.ts";

const JOBS = 24;
const JOB_CHARS = 150_000;

describe("transport nats: packs", () => {
  it("cuts what is ready together to what the server takes", async () => {
    const servers = await NatsServers.start();
    const transport = await openNats({
      url: servers.url(servers.account()),
      shardCount: 4,
      clock: systemClock,
      random: systemRandom,
      name: "packs",
    });
    for (let n = 1; n <= JOBS; n += 1) {
      const to = `coordinator/c-${n}` as const;
      const job = "x".repeat(JOB_CHARS);
      const question = { to: `detector/d-${n}`, job, timeoutMs: null };
      const envelope = edgeEnvelope(to, "ask", question, `job-${n}`);
      await transport.mailbox.publish(shardOf(to, 4), [envelope]);
    }
    const alarms: string[] = [];
    const answered = new Set<string>();
    const runner = new Runner({
      transport,
      definitions: definitionsWith({ run: async () => "done" }),
      shardCount: 4,
      clock: systemClock,
      random: systemRandom,
      runnerId: "r",
      observers: [
        {
          committed: (_, records) => {
            for (const record of records)
              if (record.r === "turn" && record.was === "asking") answered.add(record.actor);
          },
          alarm: ({ message }) => alarms.push(message),
        },
      ],
    });
    await runner.start();
    while (answered.size < JOBS && alarms.length === 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(alarms, []);
    await runner.drain();
    await transport.close();
    await servers.stop();
  });
});
