/**
 * The boundary of: one set of parameters and the next. Pure: a change by path, what differs between
 * two sets, and how a changed file is laid under what people set since.
 */
import { canonicalJson } from "../machines/digest.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { Json, JsonObject } from "../machines/protocol.ts";
import { checkedParameters, resourceOf, type ReviewParameters } from "./parameters.ts";

/** `confidenceFloor.contain` and its new value; a list or a map is set whole. */
export interface ParameterChange {
  readonly path: string;
  readonly value: Json;
}

/** What became of one parameter; null where it was or is not there. */
export interface ParameterDifference {
  readonly path: string;
  readonly from: Json;
  readonly to: Json;
}

const ORIGIN = "parameters";

/** Throws `config_invalid`, naming the path, before anything is changed. */
export function changedParameters(
  parameters: ReviewParameters,
  changes: readonly ParameterChange[],
): ReviewParameters {
  const spec = structuredClone(parameters.spec) as unknown as JsonObject;
  const seen = new Set<string>();
  for (const { path, value } of changes) {
    const known = path.replace(/^spec\./, "");
    if (seen.has(known)) throw invalid(known, "is set twice");
    seen.add(known);
    setAt(spec, known, value);
  }
  return checkedParameters(resourceOf(parameters.name, spec), ORIGIN);
}

function setAt(spec: JsonObject, path: string, value: Json): void {
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  const parent = keys.reduce<Json>((branch, key) => own(branch, key), spec);
  if (own(parent, last) === undefined) throw invalid(path, "is not a parameter");
  (parent as Record<string, Json>)[last] = value;
}

/** The value at a path, undefined where there is none. */
export function parameterAt(parameters: ReviewParameters, path: string): Json | undefined {
  const keys = path.replace(/^spec\./, "").split(".");
  return keys.reduce<Json | undefined>(
    (branch, key) => own(branch, key),
    parameters.spec as unknown as JsonObject,
  );
}

function own(branch: Json | undefined, key: string): Json {
  const has = isMap(branch) && Object.hasOwn(branch, key);
  return (has ? branch[key] : undefined) as Json;
}

function isMap(value: unknown): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(field: string, rule: string): WatchfloorError {
  return new WatchfloorError("config_invalid", { origin: ORIGIN, field: `spec.${field}`, rule });
}

/** Leaves that differ, in the order of their paths. A list is one leaf. */
export function differences(from: Json, to: Json, path = ""): ParameterDifference[] {
  if (isMap(from) && isMap(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].toSorted();
    return keys.flatMap((key) =>
      differences(from[key] ?? null, to[key] ?? null, path === "" ? key : `${path}.${key}`),
    );
  }
  return canonicalJson(from) === canonicalJson(to) ? [] : [{ path, from, to }];
}

/**
 * Three ways: where `theirs` differs from `base`, it counts; everything else is `ours`. So that a new
 * file brings what it changed, and keeps what people set since the last one.
 */
export function mergedSpec(base: Json, theirs: Json, ours: Json): Json {
  if (isMap(base) && isMap(theirs) && isMap(ours)) {
    const keys = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])];
    const merged = keys.map((key) => [
      key,
      mergedSpec(base[key] ?? null, theirs[key] ?? null, ours[key] ?? null),
    ]);
    return Object.fromEntries(merged.filter(([, value]) => value !== null)) as Json;
  }
  return canonicalJson(base) === canonicalJson(theirs) ? ours : theirs;
}
