/**
 * The boundary of: stored bytes and what they mean. Eight hex digits of CRC-32, a space, then the
 * content, which for everything but blobs is JSON text that people can read in a dump. A changed
 * byte is noticed; whoever wants to forge can recompute the sum, which is not what it is for.
 */
import { crc32 } from "node:zlib";

const SUM_BYTES = 9;

/** One allocation and one encoding: this is done for every record. */
export function seal(content: string | Uint8Array): Buffer {
  const length = typeof content === "string" ? Buffer.byteLength(content) : content.length;
  const sealed = Buffer.allocUnsafe(SUM_BYTES + length);
  if (typeof content === "string") sealed.write(content, SUM_BYTES, "utf8");
  else sealed.set(content, SUM_BYTES);
  sealed.write(sumOf(sealed.subarray(SUM_BYTES)), 0, "latin1");
  return sealed;
}

/** The content, or null when it is not what was sealed. */
export function unseal(sealed: Uint8Array): Buffer | null {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const content = bytes.subarray(SUM_BYTES);
  return bytes.subarray(0, SUM_BYTES).toString("latin1") === sumOf(content) ? content : null;
}

export function unsealText(sealed: Uint8Array): string | null {
  return unseal(sealed)?.toString("utf8") ?? null;
}

function sumOf(bytes: Uint8Array): string {
  return `${crc32(bytes).toString(16).padStart(8, "0")} `;
}

/** What is there, sealed or not, as text of one character a byte. */
export function damagedText(sealed: Uint8Array): string {
  return Buffer.from(sealed).subarray(SUM_BYTES).toString("latin1");
}
