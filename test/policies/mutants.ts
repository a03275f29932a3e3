/**
 * The boundary of: one sound question and everything like it that is not: each field dropped,
 * mistyped, emptied, enlarged, nested. The digest is made right again, so that the rest is looked at.
 */
import type { EvaluateInput } from "../../machines/calls.ts";
import { digestOf } from "../../machines/digest.ts";
import type { Json } from "../../machines/protocol.ts";

type Path = readonly string[];

export interface Mutant {
  readonly path: string;
  readonly mutant: EvaluateInput;
}

export function pathsOf(value: unknown, path: Path = []): Path[] {
  const own = path.length === 0 ? [] : [path];
  if (typeof value !== "object" || value === null || Array.isArray(value)) return own;
  return [...own, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], value);
}

/** A copy with `path` set, or dropped where `value` is undefined. */
export function mutated(base: EvaluateInput, path: Path, value: unknown): EvaluateInput {
  const copy = structuredClone(base) as unknown as Record<string, unknown>;
  const parent = valueAt(copy, path.slice(0, -1)) as Record<string, unknown>;
  const key = path.at(-1) ?? "";
  if (value === undefined) Reflect.deleteProperty(parent, key);
  else parent[key] = value;
  const mutant = copy as unknown as EvaluateInput;
  if (!path.includes("action")) return mutant;
  const question = mutant.question as EvaluateInput["question"] | undefined;
  return { ...mutant, actionDigest: digestOf((question?.action ?? null) as unknown as Json) };
}

/** What stands in for any value. */
const WRONG_VALUES: readonly unknown[] = [
  undefined,
  null,
  "0",
  "203.0.113.7/33",
  "999.1.1.1",
  -1,
  1e300,
  [],
  [[[["deep"]]]],
];

export function mutants(base: EvaluateInput): Mutant[] {
  return pathsOf(base).flatMap((path) =>
    WRONG_VALUES.map((value) => ({
      path: `${path.join(".")} = ${JSON.stringify(value)}`,
      mutant: mutated(base, path, value),
    })),
  );
}
