/**
 * The boundary of: what this room keeps as bytes. Little-endian on every machine, named, versioned
 * and checksummed; bytes that are not exactly that are refused before anything is built of them.
 */
import { createHash } from "node:crypto";
import { WatchfloorError } from "../machines/errors.ts";

const MAGIC = "WFAN";
const HEADER_BYTES = 4 + 4 + 2 + 4;
const CHECKSUM_BYTES = 32;

export interface Format {
  /** Four letters. */
  readonly kind: string;
  readonly version: number;
}

export class ByteWriter {
  private bytes = new Uint8Array(4096);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  private room(count: number): number {
    const from = this.at;
    this.at += count;
    if (this.at > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.at, this.bytes.length * 2));
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return from;
  }

  u32(value: number): void {
    const from = this.room(4);
    this.view.setUint32(from, value, true);
  }

  f64(value: number): void {
    const from = this.room(8);
    this.view.setFloat64(from, value, true);
  }

  block(block: Uint8Array): void {
    this.u32(block.length);
    const from = this.room(block.length);
    this.bytes.set(block, from);
  }

  texts(texts: readonly string[]): void {
    this.u32(texts.length);
    for (const text of texts) this.block(new TextEncoder().encode(text));
  }

  u16s(values: Uint16Array): void {
    this.u32(values.length);
    const from = this.room(values.length * 2);
    for (let i = 0; i < values.length; i += 1) this.view.setUint16(from + i * 2, values[i]!, true);
  }

  u32s(values: Uint32Array): void {
    this.u32(values.length);
    const from = this.room(values.length * 4);
    for (let i = 0; i < values.length; i += 1) this.view.setUint32(from + i * 4, values[i]!, true);
  }

  f32s(values: Float32Array): void {
    this.u32(values.length);
    const from = this.room(values.length * 4);
    for (let i = 0; i < values.length; i += 1) this.view.setFloat32(from + i * 4, values[i]!, true);
  }

  /** Cells that are not zero, by index: most of a sketch is empty. */
  sparse(cells: Float32Array): void {
    const used: number[] = [];
    for (let i = 0; i < cells.length; i += 1) if (cells[i] !== 0) used.push(i);
    this.u32(cells.length);
    this.u32s(Uint32Array.from(used));
    this.f32s(Float32Array.from(used, (i) => cells[i]!));
  }

  /** All that was written, under its name, version and checksum. */
  seal(format: Format): Uint8Array {
    const sealed = new Uint8Array(HEADER_BYTES + CHECKSUM_BYTES + this.at);
    const view = new DataView(sealed.buffer);
    sealed.set(new TextEncoder().encode(MAGIC + format.kind));
    view.setUint16(8, format.version, true);
    view.setUint32(10, this.at, true);
    sealed.set(this.bytes.subarray(0, this.at), HEADER_BYTES + CHECKSUM_BYTES);
    sealed.set(checksum(sealed), HEADER_BYTES);
    return sealed;
  }
}

export class ByteReader {
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly what: string;
  private at = 0;

  /** @throws `model_unreadable` unless the bytes are whole and of exactly this format. */
  constructor(bytes: Uint8Array, format: Format) {
    this.what = format.kind;
    const start = HEADER_BYTES + CHECKSUM_BYTES;
    if (bytes.length < start) throw this.broken("it is too short");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const name = new TextDecoder().decode(bytes.subarray(0, 8));
    if (name !== MAGIC + format.kind) throw this.broken("it is something else");
    const version = view.getUint16(8, true);
    if (version !== format.version) {
      throw this.broken(`it has format ${version}, this one knows ${format.version}`);
    }
    if (view.getUint32(10, true) !== bytes.length - start) throw this.broken("its length is wrong");
    const sum = checksum(bytes);
    if (!sum.every((byte, i) => byte === bytes[HEADER_BYTES + i])) {
      throw this.broken("its checksum is wrong");
    }
    this.bytes = bytes.subarray(start);
    this.view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  }

  broken(why: string): WatchfloorError {
    return new WatchfloorError("model_unreadable", { what: this.what, why });
  }

  private take(count: number): number {
    const from = this.at;
    if (from + count > this.view.byteLength) throw this.broken("it ends early");
    this.at = from + count;
    return from;
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  f64(): number {
    return this.view.getFloat64(this.take(8), true);
  }

  block(): Uint8Array {
    const length = this.u32();
    const from = this.take(length);
    return this.bytes.slice(from, from + length);
  }

  texts(): readonly string[] {
    const count = this.u32();
    const texts: string[] = [];
    while (texts.length < count) texts.push(new TextDecoder().decode(this.block()));
    return texts;
  }

  u16s(): Uint16Array {
    const length = this.u32();
    const from = this.take(length * 2);
    const values = new Uint16Array(length);
    for (let i = 0; i < length; i += 1) values[i] = this.view.getUint16(from + i * 2, true);
    return values;
  }

  u32s(): Uint32Array {
    const length = this.u32();
    const from = this.take(length * 4);
    const values = new Uint32Array(length);
    for (let i = 0; i < length; i += 1) values[i] = this.view.getUint32(from + i * 4, true);
    return values;
  }

  f32s(): Float32Array {
    const length = this.u32();
    const from = this.take(length * 4);
    const values = new Float32Array(length);
    for (let i = 0; i < length; i += 1) values[i] = this.view.getFloat32(from + i * 4, true);
    return values;
  }

  /** The cells that `sparse` wrote, or null where it wrote a table of none. */
  cells(count: number): Float32Array | null {
    if (this.view.getUint32(this.at, true) === 0) {
      this.sparse(new Float32Array(0));
      return null;
    }
    const cells = new Float32Array(count);
    this.sparse(cells);
    return cells;
  }

  sparse(cells: Float32Array): void {
    if (this.u32() !== cells.length) throw this.broken("a table has another size");
    const used = this.u32s();
    const values = this.f32s();
    cells.fill(0);
    for (let i = 0; i < used.length; i += 1) {
      if (used[i]! >= cells.length) throw this.broken("a cell lies outside its table");
      cells[used[i]!] = values[i]!;
    }
  }

  end(): void {
    if (this.at !== this.view.byteLength) throw this.broken("it is longer than its content");
  }
}

/** Over everything but the checksum itself. */
function checksum(sealed: Uint8Array): Uint8Array {
  const hash = createHash("sha256");
  hash.update(sealed.subarray(0, HEADER_BYTES));
  hash.update(sealed.subarray(HEADER_BYTES + CHECKSUM_BYTES));
  return hash.digest();
}
