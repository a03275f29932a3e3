/**
 * The boundary of: the WebAssembly that this process has, if any. Where it is switched off, or has
 * no SIMD, the engines that need it are not there, and a plainer one answers the same.
 */
import { get, moduleOf, OP, simd, SIMD, type FunctionCode, V128 } from "./encode.ts";

interface Platform {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: object } },
  ) => { readonly exports: Kernels };
  readonly Memory: new (size: { initial: number; maximum: number }) => {
    readonly buffer: ArrayBuffer;
  };
  readonly validate: (bytes: Uint8Array) => boolean;
}

export type Kernels = Readonly<Record<string, (...values: number[]) => void>>;

export interface Support {
  readonly wasm: boolean;
  readonly simd: boolean;
}

const PAGE_BYTES = 65_536;

export function platformSupport(): Support {
  const platform = platformOf();
  if (platform === null) return { wasm: false, simd: false };
  const vectors: FunctionCode = {
    name: "probe",
    parameters: [V128],
    locals: [],
    body: [...get(0), ...get(0), ...simd(SIMD.addI32), OP.drop],
  };
  return { wasm: true, simd: platform.validate(moduleOf([vectors])) };
}

export interface Compiled {
  readonly module: object;
}

export function compile(functions: readonly FunctionCode[]): Compiled {
  return { module: new (required().Module)(moduleOf(functions)) };
}

/** The kernels over a memory of their own, of at least so many bytes. */
export function instantiate(
  { module }: Compiled,
  bytes: number,
): { readonly kernels: Kernels; readonly buffer: ArrayBuffer } {
  const platform = required();
  const pages = Math.ceil(bytes / PAGE_BYTES);
  const memory = new platform.Memory({ initial: pages, maximum: pages });
  const { exports } = new platform.Instance(module, { env: { memory } });
  return { kernels: exports, buffer: memory.buffer };
}

function platformOf(): Platform | null {
  return (globalThis as { WebAssembly?: Platform }).WebAssembly ?? null;
}

function required(): Platform {
  const platform = platformOf();
  if (platform === null) throw new Error("WebAssembly was there when it was asked for");
  return platform;
}
