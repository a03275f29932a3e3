/**
 * The boundary of: the server's version and what may be relied on. An old server ignores what it does
 * not know instead of refusing it, so nothing newer than this says is ever asked for.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import { namedFailure } from "./failures.ts";
import type { Server } from "./server.ts";

const SINGLE_MIN = [2, 9] as const;
/** Before it, a cluster accepts two appends with one expectation. */
const CLUSTER_MIN = [2, 12] as const;
const CLUSTER_REPLICAS = 3;

export type Version = readonly [major: number, minor: number];

/** Errors: `nats_too_old`, `nats_jetstream_off`. */
export async function checkVersion(server: Server): Promise<Version> {
  const version = versionOf(server);
  const clustered = isClustered(server);
  const least = clustered ? CLUSTER_MIN : SINGLE_MIN;
  if (isBefore(version, least)) {
    throw new WatchfloorError("nats_too_old", {
      url: server.url,
      found: server.nc.info?.version ?? "unknown",
      wanted: least.join("."),
      of: clustered ? "a cluster" : "a single server",
    });
  }
  await checkJetStream(server);
  return version;
}

async function checkJetStream(server: Server): Promise<void> {
  const off = new WatchfloorError("nats_jetstream_off", { url: server.url });
  // Said in the greeting by servers that are no part of a cluster.
  if (server.nc.info?.jetstream !== true && !isClustered(server)) throw off;
  try {
    await server.attempt("JetStream", () => server.manager.getAccountInfo());
  } catch (error) {
    const known = namedFailure({ url: server.url, target: "JetStream" }, error);
    throw known.code === "nats_unanswered" ? off : known;
  }
}

export function replicasOf(server: Server, version: Version): number {
  return isClustered(server) && !isBefore(version, CLUSTER_MIN) ? CLUSTER_REPLICAS : 1;
}

function isClustered(server: Server): boolean {
  const cluster: unknown = server.nc.info?.cluster;
  return typeof cluster === "string" && cluster !== "";
}

function versionOf(server: Server): Version {
  const [major = 0, minor = 0] = (server.nc.info?.version ?? "").split(".").map(Number);
  return [major, minor];
}

function isBefore([major, minor]: Version, [wantedMajor, wantedMinor]: Version): boolean {
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}
