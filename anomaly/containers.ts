/**
 * The boundary of: what is remembered of each container. A fixed number of slots, the longest
 * unused one given away first: rate, kinds of event lately, and how much it may still teach.
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";

const SLOTS = 10_000;
const RATE_WINDOW_MS = 60_000;
/** Two bitmaps of 5 minutes: together they cover the last 5 to 10. */
const BITMAP_MS = 5 * 60_000;
const BITS = 256;
const WORDS = BITS / 32;
/** Sightings a container may add to the sketches in a minute; a flood cannot make the rare common. */
const LESSONS_PER_MINUTE = 30;

export class Containers {
  /** Key -> slot, the longest unused first. */
  private readonly slots = new Map<number, number>();
  private readonly seenMs = new Float64Array(SLOTS);
  private readonly rates = new Float32Array(SLOTS);
  private readonly minutes = new Uint32Array(SLOTS);
  private readonly lessons = new Uint32Array(SLOTS);
  private readonly epochs = new Uint32Array(SLOTS);
  private readonly bitmaps = new Uint32Array(SLOTS * WORDS * 2);

  /** Events a minute, faded over 60 s, as it stood at `atMs`. */
  rate(key: number, atMs: number): number {
    const slot = this.slots.get(key);
    return slot === undefined ? 0 : this.rates[slot]! * this.fade(slot, atMs);
  }

  /** Estimated distinct kinds of event within the last 10 minutes, by linear counting. */
  kinds(key: number, atMs: number): number {
    const slot = this.slots.get(key);
    if (slot === undefined) return 0;
    const age = Math.floor(atMs / BITMAP_MS) - this.epochs[slot]!;
    let set = 0;
    for (let word = 0; word < WORDS; word += 1) {
      const at = slot * WORDS * 2 + word;
      const recent = age <= 1 ? this.bitmaps[at]! : 0;
      const before = age <= 0 ? this.bitmaps[at + WORDS]! : 0;
      set += bitCount(recent | before);
    }
    return -BITS * Math.log(1 - Math.min(set, BITS - 1) / BITS);
  }

  /** Takes an event of one kind in. False once the container has taught enough this minute. */
  learn(key: number, atMs: number, kind: number): boolean {
    const slot = this.touch(key, atMs);
    this.rates[slot] = this.rates[slot]! * this.fade(slot, atMs) + 1;
    this.seenMs[slot] = Math.max(this.seenMs[slot]!, atMs);
    this.mark(slot, atMs, kind % BITS);
    const minute = Math.floor(atMs / 60_000) >>> 0;
    // A minute that is past stays spent: clocks that jump back and forth earn nothing.
    if (minute > this.minutes[slot]!) {
      this.minutes[slot] = minute;
      this.lessons[slot] = 0;
    }
    this.lessons[slot]! += 1;
    return this.lessons[slot]! <= LESSONS_PER_MINUTE;
  }

  private fade(slot: number, atMs: number): number {
    return Math.exp(-Math.max(0, atMs - this.seenMs[slot]!) / RATE_WINDOW_MS);
  }

  private touch(key: number, atMs: number): number {
    const known = this.slots.get(key);
    if (known !== undefined) {
      this.slots.delete(key);
      this.slots.set(key, known);
      return known;
    }
    const slot = this.free();
    this.slots.set(key, slot);
    this.seenMs[slot] = atMs;
    this.rates[slot] = 0;
    this.minutes[slot] = 0;
    this.lessons[slot] = 0;
    this.epochs[slot] = Math.floor(atMs / BITMAP_MS);
    this.bitmaps.fill(0, slot * WORDS * 2, (slot + 1) * WORDS * 2);
    return slot;
  }

  private free(): number {
    if (this.slots.size < SLOTS) return this.slots.size;
    const [oldest, slot] = this.slots.entries().next().value!;
    this.slots.delete(oldest);
    return slot;
  }

  private mark(slot: number, atMs: number, bit: number): void {
    const epoch = Math.floor(atMs / BITMAP_MS);
    const at = slot * WORDS * 2;
    const age = epoch - this.epochs[slot]!;
    if (age > 0) {
      if (age === 1) this.bitmaps.copyWithin(at + WORDS, at, at + WORDS);
      else this.bitmaps.fill(0, at + WORDS, at + 2 * WORDS);
      this.bitmaps.fill(0, at, at + WORDS);
      this.epochs[slot] = epoch;
    }
    this.bitmaps[at + (bit >> 5)]! |= 1 << (bit & 31);
  }

  /** In order of use, so that slots are given away alike after a restart. */
  save(writer: ByteWriter): void {
    writer.u32(this.slots.size);
    for (const [key, slot] of this.slots) {
      writer.f64(key);
      writer.f64(this.seenMs[slot]!);
      writer.f64(this.rates[slot]!);
      writer.u32(this.minutes[slot]!);
      writer.u32(this.lessons[slot]!);
      writer.u32(this.epochs[slot]!);
      writer.u32s(this.bitmaps.subarray(slot * WORDS * 2, (slot + 1) * WORDS * 2));
    }
  }

  load(reader: ByteReader): void {
    this.slots.clear();
    const count = reader.u32();
    if (count > SLOTS) throw reader.broken("it holds too many containers");
    for (let slot = 0; slot < count; slot += 1) {
      this.slots.set(reader.f64(), slot);
      this.seenMs[slot] = reader.f64();
      this.rates[slot] = reader.f64();
      this.minutes[slot] = reader.u32();
      this.lessons[slot] = reader.u32();
      this.epochs[slot] = reader.u32();
      const bitmap = reader.u32s();
      if (bitmap.length !== WORDS * 2) throw reader.broken("a bitmap has another size");
      this.bitmaps.set(bitmap, slot * WORDS * 2);
    }
    if (this.slots.size !== count) throw reader.broken("it names a container twice");
  }
}

function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
