/**
 * The boundary of: how much of anything there may be. Relations between limits are asserted when
 * this file is loaded, so that a wrong pair cannot start.
 */
import assert from "node:assert/strict";

export const LIMITS = {
  /** A turn whose record is larger is not committed: its envelope becomes a dead letter. */
  recordBytesMax: 512 * 1024,
  /** Packs are cut by bytes, so that one append stays within any transport's message limit. */
  packBytesMax: 4 * 1024 * 1024,
  packRecordsMax: 512,
  /** Envelopes read from a mailbox ahead of the turns. */
  mailboxReadMax: 512,
  /** New events are not read while more than this waits inside the runner. */
  backlogMax: 5_000,
  /** A source is told to wait when more accepted events than this are untouched. */
  intakeDepthMax: 100_000,
  /** Written behind at the latest after this many records or this long. */
  flushRecordsMax: 2_000,
  flushAfterMs: 500,
  /** Envelopes and time between two checkpoints of a companion. */
  companionEnvelopesMax: 5_000,
  companionAfterMs: 30_000,
  /** Actors a shard keeps in memory while they are idle. */
  residentsMax: 2_000,
  drainMs: 10_000,
} as const;

assert(LIMITS.recordBytesMax * 2 <= LIMITS.packBytesMax, "a pack must hold more than one record");
assert(LIMITS.mailboxReadMax < LIMITS.backlogMax, "one read must not fill the backlog");
assert(LIMITS.backlogMax < LIMITS.intakeDepthMax, "the intake absorbs what the backlog does not");
assert(LIMITS.packRecordsMax <= LIMITS.flushRecordsMax, "a checkpoint follows packs, not records");
