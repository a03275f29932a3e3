/**
 * The boundary of: the streams on the server and what we need them to be. Made where missing,
 * checked where they exist, and refused by name where they are configured otherwise: a journal that
 * forgets, or a store that answers from a replica, is worse than none.
 */
import {
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { WatchfloorError } from "../../machines/errors.ts";
import { KINDS } from "../../machines/protocol.ts";
import { TABLES } from "../ports.ts";
import { isStreamUnknown } from "./failures.ts";
import {
  BLOBS,
  bucketOf,
  HISTORY,
  isByKind,
  journalStream,
  LEASES,
  mailboxStream,
  ORIGIN,
  stateOf,
  type Bucket,
} from "./names.ts";
import type { Server } from "./server.ts";

/** What is fixed of a stream; whatever is not named here is the operator's to choose. */
interface Wanted {
  readonly name: string;
  readonly description: string;
  readonly subjects: string[];
  /** Newest messages kept of a subject; -1 keeps all. */
  readonly max_msgs_per_subject: number;
  readonly deny_delete: boolean;
}

const NO_LIMIT = -1;

function wantedStreams(): readonly Wanted[] {
  const logs = KINDS.flatMap((kind): Wanted[] => [
    log(journalStream(kind), `jrn.${kind}.*`, `journals of ${kind}: one subject a shard`),
    log(mailboxStream(kind), `mbx.${kind}.*.*`, `mailboxes of ${kind}: shard, then sender's kind`),
  ]);
  const tables = TABLES.filter((table) => !isByKind(table) && table !== "history");
  return [
    ...logs,
    ...KINDS.map((kind) => keyed(stateOf(kind), `cold state of ${kind}`)),
    ...tables.map((table) => keyed(bucketOf(table), table)),
    keyed(LEASES, "who is there, and who runs what"),
    keyed(BLOBS, "models and companions' checkpoints"),
    keyed(ORIGIN, "format, shard count and creation times"),
    {
      ...keyed(HISTORY, "what happened in each case; append-only"),
      deny_delete: true,
    },
  ];
}

function log(name: string, subject: string, description: string): Wanted {
  return {
    name,
    description,
    subjects: [subject],
    max_msgs_per_subject: NO_LIMIT,
    deny_delete: false,
  };
}

function keyed({ stream, prefix }: Bucket, description: string): Wanted {
  return {
    name: stream,
    description,
    subjects: [`${prefix}>`],
    max_msgs_per_subject: 1,
    deny_delete: true,
  };
}

/** Every stream as it is, by name. */
export type Streams = ReadonlyMap<string, StreamInfo>;

/** Errors: `nats_stream_differs`, and those of the server. */
export async function ensureStreams(
  server: Server,
  replicas: number,
  mayCreate: boolean,
): Promise<Streams> {
  const wanted = wantedStreams();
  const infos = await Promise.all(
    wanted.map((one) => ensureStream(server, one, replicas, mayCreate)),
  );
  return new Map(infos.map((info) => [info.config.name, info]));
}

async function ensureStream(
  server: Server,
  wanted: Wanted,
  replicas: number,
  mayCreate: boolean,
): Promise<StreamInfo> {
  const found = await infoOf(server, wanted.name);
  if (found === null && !mayCreate) {
    const why = "it holds no data of this program yet; start a runner on it first";
    throw new WatchfloorError("data_unusable", { path: server.url, why });
  }
  const info =
    found ??
    (await server.attempt(wanted.name, () =>
      // A repeat, or another runner's, with the same configuration is taken as made.
      server.manager.streams.add({ ...configOf(wanted, server), num_replicas: replicas }),
    ));
  checkStream(wanted, info.config, replicas);
  return info;
}

async function infoOf(server: Server, name: string): Promise<StreamInfo | null> {
  return server.attempt(name, async () => {
    try {
      return await server.manager.streams.info(name);
    } catch (error) {
      if (isStreamUnknown(error)) return null;
      throw error;
    }
  });
}

function configOf(wanted: Wanted, server: Server): Partial<StreamConfig> & { name: string } {
  const keyValueStream = wanted.name.startsWith("KV_");
  return {
    ...wanted,
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_age: 0,
    allow_direct: false,
    deny_purge: false,
    // What a bucket is expected to have by the client's `nats kv`.
    ...(keyValueStream ? { allow_rollup_hdrs: true } : {}),
    max_msg_size: server.maxPayload,
  };
}

function checkStream(wanted: Wanted, found: StreamConfig, replicas: number): void {
  const facts: readonly (readonly [string, unknown, unknown])[] = [
    ["subjects", found.subjects.join(" "), wanted.subjects.join(" ")],
    ["retention", found.retention, RetentionPolicy.Limits],
    ["storage", found.storage, StorageType.File],
    ["discard", found.discard, DiscardPolicy.New],
    ["max_age", found.max_age, 0],
    ["max_msgs_per_subject", found.max_msgs_per_subject, wanted.max_msgs_per_subject],
    ["allow_direct", found.allow_direct ?? false, false],
    ["mirror or sources", found.mirror ?? found.sources?.[0] ?? "none", "none"],
    ["replicas", Math.min(found.num_replicas, replicas), replicas],
  ];
  for (const [field, is, should] of facts) {
    if (is === should) continue;
    throw new WatchfloorError("nats_stream_differs", {
      stream: wanted.name,
      field,
      found: shown(is),
      wanted: shown(should),
    });
  }
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
