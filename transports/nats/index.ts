/**
 * The boundary of: a runner and NATS JetStream. A journal, a mailbox, the state tables and the leases
 * on one server (from 2.9) or on a cluster of three and more (from 2.12: an older one accepts two
 * appends with one expectation). README.md has the map of subjects and what was decided.
 *
 * Opening: connect, read the server's version, make or check every stream, hold them to the origin
 * that the first start noted. Closing: bells and presence, then what was begun, then the connections.
 */
import type { NodeConnectionOptions } from "@nats-io/transport-node";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Kind } from "../../machines/protocol.ts";
import type { Clock, Random, Transport } from "../ports.ts";
import { NatsBlobs } from "./blobs.ts";
import { Gate } from "./gate.ts";
import { NatsJournal } from "./journal.ts";
import { ensureStreams } from "./layout.ts";
import { NatsLeases } from "./leases.ts";
import { NatsMailbox } from "./mailbox.ts";
import { checkOrigin } from "./origin.ts";
import { Server } from "./server.ts";
import { NatsStore } from "./store.ts";
import { checkVersion, replicasOf } from "./version.ts";

export interface NatsOptions {
  /** `nats://host:port`, with user and password or without; several separated by commas. */
  readonly url: string;
  /** Shards a kind, fixed at first start; null takes what is there and makes nothing. */
  readonly shardCount: number | null;
  readonly clock: Clock;
  readonly random: Random;
  /** How the connections are called. */
  readonly name: string;
  /** Of the connection that no agent kind has for itself. */
  readonly credentials?: NodeConnectionOptions;
  /** Who may make streams, where the common credential may not. */
  readonly operator?: NodeConnectionOptions | null;
  /** Kinds with a connection of their own. */
  readonly byKind?: ReadonlyMap<Kind, NodeConnectionOptions>;
  readonly alarm?: (error: WatchfloorError) => void;
}

export interface NatsTransport extends Transport {
  readonly name: "nats";
  readonly shardCount: number;
  /** Why the runner is not ready, in words; none when all connections are there. */
  reasons(): readonly string[];
}

/**
 * Errors: `nats_unreachable`, `nats_refused`, `nats_jetstream_off`, `nats_too_old`,
 * `nats_stream_differs`, `nats_recreated`, `shards_changed`, `data_newer`, `data_unusable`.
 */
export async function openNats(options: NatsOptions): Promise<NatsTransport> {
  const opened: Server[] = [];
  try {
    const common = await connected(options, options.name, options.credentials ?? {}, opened);
    const version = await checkVersion(common);
    const replicas = replicasOf(common, version);
    const { operator = null, clock } = options;
    const maker =
      operator === null ? common : await connected(options, "operator", operator, opened);
    const streams = await ensureStreams(maker, replicas, options.shardCount !== null);
    const { shardCount } = await checkOrigin(maker, streams, options.shardCount, clock);
    if (maker !== common) await maker.close();
    const byKind = new Map<Kind, Server>();
    for (const [kind, credentials] of options.byKind ?? [])
      byKind.set(kind, await connected(options, `${options.name} ${kind}`, credentials, opened));
    return assemble(options, new Gate(common, byKind), shardCount);
  } catch (error) {
    for (const server of opened) await server.close();
    throw error;
  }
}

async function connected(
  { url, clock, alarm = () => {} }: NatsOptions,
  name: string,
  credentials: NodeConnectionOptions,
  opened: Server[],
): Promise<Server> {
  const server = await Server.connect({ url, clock, name, credentials, alarm });
  opened.push(server);
  return server;
}

function assemble(options: NatsOptions, gate: Gate, shardCount: number): NatsTransport {
  const { clock, random, alarm = () => {} } = options;
  const instance = `${options.name}-${Math.floor(random() * 2 ** 48).toString(36)}`.replaceAll(
    /[^A-Za-z0-9_-]/g,
    "-",
  );
  const mailbox = new NatsMailbox({ gate, clock, instance, alarm });
  const leases = new NatsLeases({ gate, clock });
  let closing: Promise<void> | null = null;
  return {
    name: "nats",
    shardCount,
    journal: new NatsJournal(gate),
    store: new NatsStore(gate, new NatsBlobs(gate, instance)),
    mailbox,
    leases,
    reasons: () =>
      gate.servers.flatMap((server) =>
        server.connected ? [] : [`the connection to NATS at ${server.url} is gone`],
      ),
    close: () => {
      mailbox.close();
      leases.close();
      return (closing ??= gate.close());
    },
  };
}
