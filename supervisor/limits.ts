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
  /** Records of a tail read at once. */
  tailReadMax: 1_000,
  /** Written behind at the latest after this many records or this long. */
  flushRecordsMax: 2_000,
  flushAfterMs: 500,
  /** Envelopes and time between two checkpoints of a companion. */
  companionEnvelopesMax: 5_000,
  companionAfterMs: 30_000,
  /** Actors a shard keeps in memory while they are idle, and for how long. */
  residentsMax: 500,
  passivateAfterMs: 15_000,
  /** Timers due later than this are on the disk only; looked for again at half of it. */
  timersAheadMs: 60_000,
  /** Timers that come due together go out in portions, so that other work is done in between. */
  timersAtOnceMax: 500,
  drainMs: 10_000,
  /** The wall clock is looked at this often while a timer is armed. */
  timerLookMs: 30_000,
  /** A runner that was not heard for this long has lost its shards, by its own clock and by others'. */
  leaseMs: 3_000,
  leaseRenewMs: 1_000,
  /** Others wait this much longer: clocks do not run equally fast. */
  leaseGraceMs: 150,
  /** A new runner looks around this long before it takes anything. */
  joinMs: 100,
  /** Who is there must have been the same for this long before a shard moves for the sake of balance. */
  moveAfterMs: 2_000,
  /** Shards a runner gives up in one round for the sake of balance. */
  movesMax: 1,
  /** A shard that could not be opened is tried again after this long. */
  retakeAfterMs: 1_000,
  /** An envelope whose predecessor does not come goes on without it, with an alarm. */
  gapMs: 10_000,
} as const;

assert(LIMITS.recordBytesMax * 2 <= LIMITS.packBytesMax, "a pack must hold more than one record");
assert(LIMITS.mailboxReadMax < LIMITS.backlogMax, "one read must not fill the backlog");
assert(LIMITS.backlogMax < LIMITS.intakeDepthMax, "the intake absorbs what the backlog does not");
assert(LIMITS.packRecordsMax <= LIMITS.flushRecordsMax, "a checkpoint follows packs, not records");
assert(LIMITS.leaseRenewMs * 3 <= LIMITS.leaseMs, "two renewals may fail before a lease is lost");
assert(LIMITS.leaseGraceMs < LIMITS.leaseRenewMs, "the grace is for clocks, not for renewals");
assert(LIMITS.leaseRenewMs < LIMITS.moveAfterMs, "a move waits for more than one look around");
assert(
  LIMITS.flushAfterMs * 4 <= LIMITS.timersAheadMs,
  "a timer is in the index when it is looked for",
);
