/**
 * The boundary of: the streams and the start that made them. Positions are sequences of a stream, so
 * they mean nothing in another one of the same name: when each was made is noted at the first start,
 * with the format and the number of shards, and any later start is held to it.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Clock } from "../ports.ts";
import type { Streams } from "./layout.ts";
import { journalStream, mailboxStream, ORIGIN } from "./names.ts";
import { KINDS } from "../../machines/protocol.ts";
import type { Server } from "./server.ts";

/** Of everything on the server. A change that an older version would misread raises it. */
const FORMAT = 1;
const SUBJECT = `${ORIGIN.prefix}origin`;

interface Origin {
  readonly format: number;
  readonly shardCount: number;
  /** Wall clock of the first start, ms since the epoch. */
  readonly createdAt: number;
  /** Creation time by stream, as the server tells it. */
  readonly streams: Readonly<Record<string, string>>;
}

/** Errors: `data_newer`, `shards_changed`, `nats_recreated`, `data_unusable`. */
export async function checkOrigin(
  server: Server,
  streams: Streams,
  shardCount: number | null,
  clock: Clock,
): Promise<Origin> {
  const created = createdOf(streams);
  if (shardCount !== null) await note(server, { shardCount, streams: created }, clock);
  const found = await server.last(ORIGIN.stream, SUBJECT);
  if (found === null) {
    const why = "it holds no data of this program yet; start a runner on it first";
    throw new WatchfloorError("data_unusable", { path: server.url, why });
  }
  const origin = JSON.parse(Buffer.from(found.data).toString("utf8")) as Origin;
  const path = server.url;
  if (origin.format > FORMAT)
    throw new WatchfloorError("data_newer", { path, found: origin.format, known: FORMAT });
  if (shardCount !== null && shardCount !== origin.shardCount)
    throw new WatchfloorError("shards_changed", {
      path,
      found: origin.shardCount,
      wanted: shardCount,
    });
  for (const [stream, at] of Object.entries(origin.streams)) {
    if (created[stream] !== at) throw new WatchfloorError("nats_recreated", { stream, path });
  }
  return origin;
}

/** The first of several that start at once says what the origin is. */
async function note(
  server: Server,
  facts: Pick<Origin, "shardCount" | "streams">,
  clock: Clock,
): Promise<void> {
  if ((await server.last(ORIGIN.stream, SUBJECT)) !== null) return;
  const origin: Origin = { format: FORMAT, createdAt: clock.now(), ...facts };
  const data = Buffer.from(JSON.stringify(origin, null, 2));
  await server.publish(SUBJECT, data, { expected: 0 });
}

/** Of the streams in which a position is stored elsewhere. */
function createdOf(streams: Streams): Record<string, string> {
  const names = KINDS.flatMap((kind) => [journalStream(kind), mailboxStream(kind)]);
  return Object.fromEntries(
    names.flatMap((name) => {
      const info = streams.get(name);
      return info ? [[name, String(info.created)]] : [];
    }),
  );
}
