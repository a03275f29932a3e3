/**
 * The boundary of: how often something was seen lately, in constant memory. A count-min sketch
 * whose counts fade; what drives the fading is the events' own time.
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";

const ROWS = 4;
const WIDTH = 4096;
const HALF_LIFE_HOURS = 7 * 24;
const HOUR_MS = 3_600_000;
/** Weights stay far below what float32 can hold. */
const WEIGHT_MAX = 2 ** 40;
/** Events in a row more than an hour behind before the clock is set back. */
const BEHIND_MAX = 1000;

/**
 * Fading without touching the cells: instead of shrinking old counts, new ones weigh more, and a
 * reading divides by the weight of now. A step forward counts for an hour at most, so that neither
 * silence nor one event with a clock far ahead wipes the memory. Events behind count for nothing;
 * only when very many in a row are behind was the clock wrong, and is set back.
 */
export class DecayClock {
  private lastMs = Number.NEGATIVE_INFINITY;
  private ageHours = 0;
  private originHours = 0;
  private behind = 0;
  private weightNow = 1;

  /** Moves to an event's time. True when the weight has grown too large: rescale all cells. */
  advance(atMs: number): boolean {
    const stepHours = (atMs - this.lastMs) / HOUR_MS;
    this.behind = stepHours < -1 ? this.behind + 1 : 0;
    if (stepHours > 0 || this.behind > BEHIND_MAX) this.lastMs = atMs;
    // The very first step is infinite: it starts the clock.
    if (stepHours > 0 && stepHours < Number.POSITIVE_INFINITY) {
      this.ageHours += Math.min(1, stepHours);
      this.weigh();
    }
    return this.weightNow > WEIGHT_MAX;
  }

  /** What one sighting weighs now. */
  weight(): number {
    return this.weightNow;
  }

  /** Hours of memory so far; only differences mean something. */
  age(): number {
    return this.ageHours;
  }

  /** What a sighting at that age still counts for now. */
  remaining(ageHours: number): number {
    return 2 ** ((ageHours - this.ageHours) / HALF_LIFE_HOURS);
  }

  /** Makes now the time of weight 1; every cell is to be divided by what is returned. */
  rescale(): number {
    const weight = this.weightNow;
    this.originHours = this.ageHours;
    this.weigh();
    return weight;
  }

  private weigh(): void {
    this.weightNow = 2 ** ((this.ageHours - this.originHours) / HALF_LIFE_HOURS);
  }

  save(writer: ByteWriter): void {
    writer.f64(this.lastMs);
    writer.f64(this.ageHours);
    writer.f64(this.originHours);
    writer.u32(this.behind);
  }

  load(reader: ByteReader): void {
    this.lastMs = reader.f64();
    this.ageHours = reader.f64();
    this.originHours = reader.f64();
    this.behind = reader.u32();
    this.weigh();
  }
}

export class Sketch {
  private readonly cells = new Float32Array(ROWS * WIDTH);

  /** The faded count of a key, never below the truth. */
  count(a: number, b: number, weight: number): number {
    return this.least(a, b) / weight;
  }

  /** Raises only the cells that hold the least, which keeps overestimates small. */
  add(a: number, b: number, weight: number): void {
    const raised = this.least(a, b) + weight;
    for (let row = 0; row < ROWS; row += 1) {
      const cell = cellOf(a, b, row);
      if (this.cells[cell]! < raised) this.cells[cell] = raised;
    }
  }

  divide(by: number): void {
    for (let i = 0; i < this.cells.length; i += 1) this.cells[i]! /= by;
  }

  save(writer: ByteWriter): void {
    writer.sparse(this.cells);
  }

  load(reader: ByteReader): void {
    reader.sparse(this.cells);
  }

  private least(a: number, b: number): number {
    let least = this.cells[cellOf(a, b, 0)]!;
    for (let row = 1; row < ROWS; row += 1) {
      const cell = this.cells[cellOf(a, b, row)]!;
      if (cell < least) least = cell;
    }
    return least;
  }
}

function cellOf(a: number, b: number, row: number): number {
  return row * WIDTH + (((a + Math.imul(row, b | 1)) >>> 7) & (WIDTH - 1));
}
