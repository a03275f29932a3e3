/**
 * The boundary of: WebAssembly as bytes. The few sections and instructions that the engines need,
 * written out; what they mean is in the WebAssembly core specification, release 2.
 */

export const I32 = 0x7f;
export const F32 = 0x7d;
export const V128 = 0x7b;

export interface FunctionCode {
  readonly name: string;
  readonly parameters: readonly number[];
  /** Types of the locals after the parameters. */
  readonly locals: readonly number[];
  readonly body: ArrayLike<number>;
}

/** Plain instructions, by their names in the specification. */
export const OP = {
  end: 0x0b,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Shl: 0x74,
  i32ShrU: 0x76,
  drop: 0x1a,
  i32LtU: 0x49,
  f32Gt: 0x5e,
  f32Lt: 0x5d,
  f32Add: 0x92,
  f32Mul: 0x94,
} as const;

/** Instructions of fixed-width SIMD, by their numbers after the prefix. */
export const SIMD = {
  load: 0,
  store: 11,
  shuffle: 13,
  swizzle: 14,
  splatI32: 17,
  splatF32: 19,
  extractF32: 31,
  gtI8: 39,
  gtF32: 68,
  or: 80,
  bitselect: 82,
  subI8: 113,
  extendLowU8: 137,
  extendHighU8: 138,
  addI32: 174,
  minI32: 182,
  maxI32: 184,
  addF32: 228,
  subF32: 229,
  mulF32: 230,
  truncSatF32: 248,
} as const;

const SIMD_PREFIX = 0xfd;
const LOAD32_LANE = 86;
const EXTRACT_I32 = 27;

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  while (left >= 128) {
    bytes.push((left & 127) | 128);
    left = Math.floor(left / 128);
  }
  bytes.push(left);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  while (left < -64 || left > 63) {
    bytes.push((left & 127) | 128);
    left >>= 7;
  }
  bytes.push(left & 127);
  return bytes;
}

export const get = (local: number): number[] => [0x20, ...unsigned(local)];
export const set = (local: number): number[] => [0x21, ...unsigned(local)];
export const tee = (local: number): number[] => [0x22, ...unsigned(local)];
export const i32 = (value: number): number[] => [0x41, ...signed(value)];
export const call = (index: number): number[] => [0x10, ...unsigned(index)];
export const loadI32 = (offset: number): number[] => [0x28, 2, ...unsigned(offset)];
export const loadF32 = (offset: number): number[] => [0x2a, 2, ...unsigned(offset)];
export const loadU8 = (offset: number): number[] => [0x2d, 0, ...unsigned(offset)];
export const loadU16 = (offset: number): number[] => [0x2f, 1, ...unsigned(offset)];
export const storeI32 = (offset: number): number[] => [0x36, 2, ...unsigned(offset)];
export const storeI8 = (offset: number): number[] => [0x3a, 0, ...unsigned(offset)];
export const storeI16 = (offset: number): number[] => [0x3b, 1, ...unsigned(offset)];

export const simd = (op: number): number[] => [SIMD_PREFIX, ...unsigned(op)];
export const loadVector = (offset: number): number[] => [
  ...simd(SIMD.load),
  4,
  ...unsigned(offset),
];
export const storeVector = (offset: number): number[] => [
  ...simd(SIMD.store),
  4,
  ...unsigned(offset),
];
export const shuffle = (lanes: readonly number[]): number[] => [...simd(SIMD.shuffle), ...lanes];
export const loadLane = (offset: number, lane: number): number[] => [
  ...simd(LOAD32_LANE),
  2,
  ...unsigned(offset),
  lane,
];
export const extractLane = (lane: number): number[] => [...simd(EXTRACT_I32), lane];

/** Instructions one after another. */
export function seq(...code: readonly (number | readonly number[])[]): number[] {
  return code.flat();
}

export const LOOP = [0x03, 0x40];
/** Ends a loop's body: runs it again if the value before is not 0. */
export const AGAIN = [0x0d, 0, OP.end];

/** Runs the body at least once, and again while the condition at its end leaves a value not 0. */
export function repeatWhile(body: readonly number[], condition: readonly number[]): number[] {
  return [...LOOP, ...body, ...condition, ...AGAIN];
}

/** Bytes that grow: a forest's code is some hundred thousand of them. */
export class Code {
  private bytes = new Uint8Array(1024);
  private at = 0;

  push(code: ArrayLike<number>): this {
    const from = this.at;
    this.at += code.length;
    if (this.at > this.bytes.length) {
      const grown = new Uint8Array(this.at * 2);
      grown.set(this.bytes);
      this.bytes = grown;
    }
    // Most pieces are a few bytes long, for which a call of `set` is the larger part.
    if (code.length > 64) this.bytes.set(code, from);
    else for (let i = 0; i < code.length; i += 1) this.bytes[from + i] = code[i]!;
    return this;
  }

  taken(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }
}

/** A module of functions without results over one imported memory (`env.memory`), all exported. */
export function moduleOf(functions: readonly FunctionCode[]): Uint8Array {
  const types = functions.map(({ parameters }) => [0x60, ...vector(parameters.map(one)), 0]);
  const memory = [...text("env"), ...text("memory"), 2, 0, 1];
  const exported = functions.map(({ name }, i) => [...text(name), 0, ...unsigned(i)]);
  const bodies = new Code().push(unsigned(functions.length));
  for (const code of functions) pushBody(bodies, code);
  return new Code()
    .push([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    .push(section(1, vector(types)))
    .push(section(2, vector([memory])))
    .push(section(3, vector(functions.map((_, i) => unsigned(i)))))
    .push(section(7, vector(exported)))
    .push([10, ...unsigned(bodies.taken().length)])
    .push(bodies.taken())
    .taken()
    .slice();
}

function pushBody(to: Code, { locals, body }: FunctionCode): void {
  const declared = vector(locals.map((type) => [1, type]));
  to.push(unsigned(declared.length + body.length + 1))
    .push(declared)
    .push(body)
    .push([OP.end]);
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [unsigned(items.length), ...items].flat();
}

function text(value: string): number[] {
  return vector([...new TextEncoder().encode(value)].map(one));
}

function one(value: number): number[] {
  return [value];
}
