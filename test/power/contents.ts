/** The boundary of: what the writer writes and the judge expects: the same text for the same place. */
import { sha256 } from "../../machines/digest.ts";

export const SHARDS = ["coordinator.0", "coordinator.1", "detector.0", "reviewer.3"] as const;

export function recordText(shard: string, position: number, bytes: number): string {
  const seed = sha256(`${shard}/${position}`);
  const body = seed.repeat(Math.ceil(bytes / seed.length)).slice(0, bytes);
  return JSON.stringify({ shard, position, body });
}
