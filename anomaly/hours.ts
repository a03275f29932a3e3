/**
 * The boundary of: when things happen. For each namespace, how busy each hour of the week (UTC) is
 * against its average hour, in a fixed number of slots. An hour counts once it is over: what is
 * going on right now is no evidence yet, and a week that has not been lived is none either.
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";

const HOURS = 7 * 24;
const SLOTS = 256;
const HOUR_MS = 3_600_000;
/** A longer silence is an outage of the source, and says nothing of the hours in it. */
const SILENCE_HOURS_MAX = 24;
/** Hours of average business that an hour of the day is believed to have had before any was seen. */
const PRIOR_HOURS = 1;
/** And of weekdays: that many weeks before half of what is believed is this hour of this weekday. */
const PRIOR_WEEKS = 2;

export class Hours {
  private readonly slots = new Map<number, number>();
  /** Sightings, and times lived through, of each hour of the week; both fade alike. */
  private readonly counts = new Float32Array(SLOTS * HOURS);
  private readonly lived = new Float32Array(SLOTS * HOURS);
  /** Of the hour that is not over yet. */
  private readonly hours = new Float64Array(SLOTS);
  private readonly pending = new Float32Array(SLOTS);

  /**
   * ln of how many times quieter than average this hour is believed to be; 0 where it is not. Half
   * of an hour's estimate is its neighbours'.
   *
   * @param own what the event itself has added, as a count of now; it is left out
   */
  rarity(key: number, atMs: number, weight: number, own: number): number {
    const slot = this.slots.get(key);
    if (slot === undefined) return 0;
    const hour = hourOf(atMs) % HOURS;
    const [counts, lived] = [sumOf(this.counts, slot), sumOf(this.lived, slot)];
    if (counts === 0 || lived === 0) return 0;
    const average = counts / lived;
    // A sighting or less an hour needs many quiet hours before they say anything.
    const prior = Math.max(PRIOR_HOURS * weight, weight / average);
    const ownHere = (own * weight) / 2;
    let sameHours = prior * average - ownHere;
    let sameLived = prior;
    for (let day = hour % 24; day < HOURS; day += 24) {
      sameHours += near(this.counts, slot, day);
      sameLived += near(this.lived, slot, day);
    }
    const daily = Math.max(0, sameHours) / sameLived;
    const here = Math.max(0, near(this.counts, slot, hour) - ownHere);
    const believed = PRIOR_WEEKS * weight;
    const rate = (here + daily * believed) / (near(this.lived, slot, hour) + believed);
    return rate >= average ? 0 : Math.log(average / Math.max(rate, Number.MIN_VALUE));
  }

  learn(key: number, atMs: number, weight: number): void {
    const slot = this.touch(key, hourOf(atMs));
    const behind = hourOf(atMs) - this.hours[slot]!;
    if (behind > 0) this.settle(slot, behind, weight);
    if (behind >= 0) this.pending[slot]! += weight;
    else this.counts[slot * HOURS + (hourOf(atMs) % HOURS)]! += weight;
  }

  /** The pending hour is over, and so are the silent ones after it. */
  private settle(slot: number, hours: number, weight: number): void {
    const from = this.hours[slot]!;
    this.counts[slot * HOURS + (from % HOURS)]! += this.pending[slot]!;
    const over = hours <= SILENCE_HOURS_MAX ? hours : 1;
    for (let hour = from; hour < from + over; hour += 1) {
      this.lived[slot * HOURS + (hour % HOURS)]! += weight;
    }
    this.hours[slot] = from + hours;
    this.pending[slot] = 0;
  }

  divide(by: number): void {
    for (const table of [this.counts, this.lived, this.pending]) {
      for (let i = 0; i < table.length; i += 1) table[i]! /= by;
    }
  }

  private touch(key: number, hour: number): number {
    let slot = this.slots.get(key);
    if (slot !== undefined) this.slots.delete(key);
    else {
      slot = this.free();
      this.counts.fill(0, slot * HOURS, (slot + 1) * HOURS);
      this.lived.fill(0, slot * HOURS, (slot + 1) * HOURS);
      this.hours[slot] = hour;
      this.pending[slot] = 0;
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
      for (const value of [key, this.hours[slot]!, this.pending[slot]!]) writer.f64(value);
      writer.sparse(this.counts.subarray(slot * HOURS, (slot + 1) * HOURS));
      writer.sparse(this.lived.subarray(slot * HOURS, (slot + 1) * HOURS));
    }
  }

  load(reader: ByteReader): void {
    this.slots.clear();
    const count = reader.u32();
    if (count > SLOTS) throw reader.broken("it holds too many namespaces");
    for (let slot = 0; slot < count; slot += 1) {
      this.slots.set(reader.f64(), slot);
      this.hours[slot] = reader.f64();
      this.pending[slot] = reader.f64();
      reader.sparse(this.counts.subarray(slot * HOURS, (slot + 1) * HOURS));
      reader.sparse(this.lived.subarray(slot * HOURS, (slot + 1) * HOURS));
    }
    if (this.slots.size !== count) throw reader.broken("it names a namespace twice");
  }
}

/** Since the epoch, which was a Thursday; which hour of the week is first does not matter. */
function hourOf(atMs: number): number {
  return Math.max(0, Math.floor(atMs / HOUR_MS));
}

function sumOf(table: Float32Array, slot: number): number {
  let sum = 0;
  for (let i = slot * HOURS; i < (slot + 1) * HOURS; i += 1) sum += table[i]!;
  return sum;
}

/** Half of an hour, and a quarter of each neighbour. */
function near(table: Float32Array, slot: number, hour: number): number {
  const at = slot * HOURS;
  const before = table[at + ((hour + HOURS - 1) % HOURS)]!;
  const after = table[at + ((hour + 1) % HOURS)]!;
  return (before + 2 * table[at + hour]! + after) / 4;
}
