/**
 * The boundary of: the contract suite and NATS. A server is started when the first test asks for a
 * place on it, and stopped with the last. A place is an account that was emptied.
 */
import { connect } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { after } from "mocha";
import { systemRandom } from "../../transports/clock.ts";
import { openNats } from "../../transports/nats/index.ts";
import { NatsServers, type NatsOptions } from "../kit/nats-server.ts";
import { virtualClock } from "../kit/virtual-clock.ts";
import type { Place } from "./place.ts";

/** Places may be in use at once; each has an account of its own until it is removed. */
export function natsPlaces(options: NatsOptions): () => Promise<Place> {
  let servers: Promise<NatsServers> | null = null;
  const free: string[] = [];
  after(async () => (await servers)?.stop());
  return async () => {
    servers ??= NatsServers.start(options);
    const started = await servers;
    const user = free.pop() ?? started.account();
    const url = started.url(user);
    const clock = virtualClock();
    let opened = 0;
    return {
      clock,
      open: () =>
        openNats({
          url,
          shardCount: 4,
          clock,
          // Names of publishes must not come again: the server remembers them.
          random: systemRandom,
          name: `test-${++opened}`,
        }),
      remove: async () => {
        await empty(started, user);
        free.push(user);
      },
    };
  };
}

/** Faster than making the streams anew, which matters in a cluster. Nothing here writes history. */
async function empty(servers: NatsServers, account: string): Promise<void> {
  const [user = "", pass = ""] = account.split(":");
  const addresses = servers.members.map(({ port }) => `127.0.0.1:${port}`);
  const nc = await connect({ servers: addresses, user, pass });
  try {
    const { streams } = await jetstreamManager(nc);
    const names = await streams.names().next();
    const kept = names.filter((name) => name !== "KV_WATCHFLOOR");
    await Promise.all(kept.map((name) => streams.purge(name)));
  } finally {
    await nc.close();
  }
}
