/**
 * The boundary of: which shard an actor lives on. The count is fixed at first start.
 */
import { createHash } from "node:crypto";
import { idOf, kindOf, type ActorAddress, type Kind } from "../machines/protocol.ts";

/** An id of digits names its shard (ingest's slices); any other is hashed. */
export function shardOf(address: ActorAddress, shardCount: number): string {
  const kind = kindOf(address);
  const id = idOf(address);
  return `${kind}.${/^\d+$/.test(id) ? Number(id) % shardCount : sliceOf(id, shardCount)}`;
}

export function sliceOf(key: string, shardCount: number): number {
  return createHash("sha256").update(key).digest().readUInt32BE(0) % shardCount;
}

export function shardsOf(kinds: readonly Kind[], shardCount: number): string[] {
  return kinds.flatMap((kind) => Array.from({ length: shardCount }, (_, n) => `${kind}.${n}`));
}
