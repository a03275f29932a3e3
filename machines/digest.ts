/**
 * The boundary of: identity by content. `node:crypto` is the one import of this room beside xstate
 * and zod: hashing is a pure function of its argument.
 */
import { hash } from "node:crypto";
import type { Json } from "./protocol.ts";

/** JSON with sorted keys and no white space, so that equal values have equal bytes (RFC 8785 for our values). */
export function canonicalJson(value: Json | undefined): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value ?? null);
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(",")}]`;
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
}

export function sha256(text: string): string {
  // In one call: half the time of an object that is fed, for the short texts there are.
  return hash("sha256", text, "hex");
}

export function digestOf(value: Json): string {
  return sha256(canonicalJson(value));
}
