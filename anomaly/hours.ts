/**
 * The boundary of: when things happen. A fading histogram of the hours of the week (UTC) for each
 * namespace, in a fixed number of slots.
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";

const DAYS = 7;
const HOURS = DAYS * 24;
const SLOTS = 256;
const HOUR_MS = 3_600_000;

export class Hours {
  private readonly slots = new Map<number, number>();
  private readonly counts = new Float32Array(SLOTS * HOURS);
  private readonly dayTotals = new Float32Array(SLOTS * DAYS);
  private readonly totals = new Float32Array(SLOTS);

  /**
   * -ln of the smoothed share of this hour. Half of the estimate is this hour of this weekday with
   * its neighbours, half the mean of the same hours on all weekdays seen so far; on a weekday that
   * was never seen it is those alone. The first week is not one long surprise.
   *
   * @param own what the event itself has added, as a count of now; it is left out
   */
  rarity(key: number, atMs: number, weight: number, own: number): number {
    const slot = this.slots.get(key);
    if (slot === undefined) return Math.log(HOURS);
    const hour = hourOfWeek(atMs);
    let days = 0;
    let sameHours = 0;
    for (let day = 0; day < DAYS; day += 1) {
      if (this.dayTotals[slot * DAYS + day] === 0) continue;
      days += 1;
      sameHours += this.near(slot, (hour % 24) + day * 24);
    }
    const mean = sameHours / Math.max(1, days);
    const known = this.dayTotals[slot * DAYS + Math.floor(hour / 24)]! > 0;
    const count = known ? (this.near(slot, hour) + mean) / 2 : mean;
    // Of a sighting, half is in its own hour; of that, half counts here and half in the mean.
    const ownCount = own * (1 / 4 + 1 / (4 * Math.max(1, days)));
    const total = Math.max(0, this.totals[slot]! / weight - own);
    return -Math.log((Math.max(0, count / weight - ownCount) + 1) / (total + HOURS));
  }

  learn(key: number, atMs: number, weight: number): void {
    const slot = this.touch(key);
    const hour = hourOfWeek(atMs);
    this.counts[slot * HOURS + hour]! += weight;
    this.dayTotals[slot * DAYS + Math.floor(hour / 24)]! += weight;
    this.totals[slot]! += weight;
  }

  divide(by: number): void {
    for (const table of [this.counts, this.dayTotals, this.totals]) {
      for (let i = 0; i < table.length; i += 1) table[i]! /= by;
    }
  }

  /** An hour with a quarter of each neighbour. */
  private near(slot: number, hour: number): number {
    const at = slot * HOURS;
    const before = this.counts[at + ((hour + HOURS - 1) % HOURS)]!;
    const after = this.counts[at + ((hour + 1) % HOURS)]!;
    return (before + 2 * this.counts[at + (hour % HOURS)]! + after) / 4;
  }

  private touch(key: number): number {
    let slot = this.slots.get(key);
    if (slot !== undefined) this.slots.delete(key);
    else {
      slot = this.free();
      this.counts.fill(0, slot * HOURS, (slot + 1) * HOURS);
      this.dayTotals.fill(0, slot * DAYS, (slot + 1) * DAYS);
      this.totals[slot] = 0;
    }
    this.slots.set(key, slot);
    return slot;
  }

  private free(): number {
    if (this.slots.size < SLOTS) return this.slots.size;
    const [oldest, slot] = this.slots.entries().next().value!;
    this.slots.delete(oldest);
    return slot;
  }

  save(writer: ByteWriter): void {
    writer.u32(this.slots.size);
    for (const [key, slot] of this.slots) {
      writer.f64(key);
      writer.f64(this.totals[slot]!);
      writer.sparse(this.dayTotals.subarray(slot * DAYS, (slot + 1) * DAYS));
      writer.sparse(this.counts.subarray(slot * HOURS, (slot + 1) * HOURS));
    }
  }

  load(reader: ByteReader): void {
    this.slots.clear();
    const count = reader.u32();
    if (count > SLOTS) throw reader.broken("it holds too many namespaces");
    for (let slot = 0; slot < count; slot += 1) {
      this.slots.set(reader.f64(), slot);
      this.totals[slot] = reader.f64();
      reader.sparse(this.dayTotals.subarray(slot * DAYS, (slot + 1) * DAYS));
      reader.sparse(this.counts.subarray(slot * HOURS, (slot + 1) * HOURS));
    }
    if (this.slots.size !== count) throw reader.broken("it names a namespace twice");
  }
}

/** Day 0 of the epoch was a Thursday; which hour is first does not matter. */
function hourOfWeek(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) % HOURS;
}
