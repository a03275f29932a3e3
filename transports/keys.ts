/**
 * The boundary of: keys of the state store, alike in every adapter. Keys are ordered as UTF-8
 * bytes, which is not the order of JavaScript strings, and are short enough for a B-tree page.
 */
import { WatchfloorError } from "../machines/errors.ts";

const KEY_BYTES_MAX = 1024;

/** Whether something can be stored under this key at all. */
export function isStorable(key: string): boolean {
  const bytes = Buffer.byteLength(key);
  return bytes >= 1 && bytes <= KEY_BYTES_MAX;
}

/** Throws `key_invalid` for a key that no adapter can store. */
export function checkKey(table: string, key: string): void {
  if (isStorable(key)) return;
  const bytes = Buffer.byteLength(key);
  throw new WatchfloorError("key_invalid", { table, bytes, limit: KEY_BYTES_MAX });
}

/** Negative, zero or positive, as the UTF-8 bytes of `a` sort before, with or after those of `b`. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above every other code unit, so they are moved to the top. */
function rank(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}
