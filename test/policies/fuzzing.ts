/**
 * The boundary of: sound questions and a million like them. Seeded: one to four mutations at any
 * depth, the digest made right again for half of them; each is decided behind the schema and by the
 * Rego alone, and what is executed is held against the second reading of the rules.
 */
import { loadPolicy, type LoadedPolicy } from "@open-policy-agent/opa-wasm";
import type { EvaluateInput } from "../../machines/calls.ts";
import { digestOf } from "../../machines/digest.ts";
import type { Json } from "../../machines/protocol.ts";
import { loadBundle } from "../../policies/bundle.ts";
import { decide, escalationFor, policyInput, type PolicyEngine } from "../../policies/engine.ts";
import { policyData, type ReviewParameters } from "../../policies/parameters.ts";
import { loadWasmEngine } from "../../policies/wasm-engine.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { APPROVED_ROWS } from "./approved-rows.ts";
import { ENFORCING, NOW } from "./fixtures.ts";
import { isSafe } from "./oracle.ts";
import { REVIEW_ROWS } from "./review-rows.ts";

interface FuzzReport {
  readonly seed: number;
  readonly inputs: number;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly bareVerdicts: Readonly<Record<string, number>>;
  readonly crashes: readonly string[];
  readonly unsafe: readonly string[];
}

const EXAMPLES_MAX = 5;
const MUTATIONS_MAX = 4;
const BASES = [...REVIEW_ROWS, ...APPROVED_ROWS].map(({ input }) => JSON.stringify(input));
/** Inputs of which one is decided with its digests, as a question of the product; the rest without. */
const WHOLE_EVERY = 16;

type Random = () => number;
type Branch = Record<string, unknown>;

const pick = <T>(random: Random, from: readonly T[]): T =>
  from[Math.floor(random() * from.length)] as T;

const STRANGERS: readonly unknown[] = [
  null,
  true,
  false,
  "",
  "0",
  "0.9",
  "low",
  "true",
  "*",
  "watchfloor",
  "kube-system",
  "203.0.113.7/0",
  "999.1.1.1",
  "::",
  "\u0000",
  "\ud800",
  "x".repeat(300),
  -1,
  -0,
  0,
  0.5,
  1,
  2,
  50,
  51,
  1e9,
  2 ** 53,
  1e300,
  1_700_000_000_000,
  [],
  ["x"],
  {},
  { kind: "pod" },
];
/** A copy: what is put into one input may be mutated there. */
const stranger = (random: Random): unknown => structuredClone(pick(random, STRANGERS));
const KEYS = ["__proto__", "constructor", "toString", "kind", "type", "extra", ""];

/** A walk down from the root, which ends anywhere. */
function branchOf(random: Random, root: Branch): Branch {
  let branch = root;
  for (;;) {
    const inner = Object.values(branch).filter(
      (value): value is Branch => typeof value === "object" && value !== null,
    );
    if (inner.length === 0 || random() < 0.3) return branch;
    branch = pick(random, inner);
  }
}

function mutate(random: Random, root: Branch): void {
  const branch = branchOf(random, root);
  const keys = Object.keys(branch);
  const key = keys.length === 0 ? pick(random, KEYS) : pick(random, keys);
  const value = Object.hasOwn(branch, key) ? branch[key] : null;
  const set = (given: unknown): void =>
    void Object.defineProperty(branch, key, {
      value: given,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  switch (Math.floor(random() * 9)) {
    case 0:
      return void Reflect.deleteProperty(branch, key);
    case 1:
      return set(stranger(random));
    case 2:
      return set(
        typeof value === "number" ? String(value) : typeof value === "string" ? Number(value) : 7,
      );
    case 3:
      return set([value]);
    case 4:
      return set({ [pick(random, KEYS)]: value });
    case 5:
      return set(typeof value === "number" ? value * pick(random, [0.999, 1.001, 10, -1]) : value);
    case 6: {
      const other = pick(random, keys.length === 0 ? [key] : keys);
      return set(Object.hasOwn(branch, other) ? structuredClone(branch[other]) : null);
    }
    case 7:
      return void Object.defineProperty(branch, pick(random, KEYS), {
        value: stranger(random),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    default:
      return set(typeof value === "boolean" ? !value : stranger(random));
  }
}

function mutant(random: Random): EvaluateInput {
  const base = JSON.parse(pick(random, BASES)) as Branch;
  const times = 1 + Math.floor(random() * MUTATIONS_MAX);
  for (let n = 0; n < times; n += 1) mutate(random, base);
  // As it would come over a wire.
  const input = JSON.parse(JSON.stringify(base)) as Branch;
  if (random() < 0.5) {
    const question = input["question"] as { action?: unknown } | null | undefined;
    input["actionDigest"] = digestOf((question?.action ?? null) as Json);
  }
  return input as unknown as EvaluateInput;
}

export function* mutantsOf(seed: number, count: number): Generator<EvaluateInput> {
  const random = seededRandom(seed);
  for (let n = 0; n < count; n += 1) yield mutant(random);
}

interface Judge {
  readonly engine: PolicyEngine;
  readonly bare: LoadedPolicy;
  readonly parameters: ReviewParameters;
}

export async function openJudge(parameters: ReviewParameters = ENFORCING): Promise<Judge> {
  const engine = await loadWasmEngine(parameters);
  const bare = await loadPolicy(loadBundle().wasm);
  bare.setData(policyData(parameters));
  return { engine, bare, parameters };
}

/** @param progress told every so many inputs */
export async function fuzz(
  { engine, bare, parameters }: Judge,
  { inputs, seed, progress }: { inputs: number; seed: number; progress?: (done: number) => void },
): Promise<FuzzReport> {
  const [verdicts, bareVerdicts]: [Record<string, number>, Record<string, number>] = [{}, {}];
  const [crashes, unsafe]: [string[], string[]] = [[], []];
  let n = 0;
  for (const input of mutantsOf(seed, inputs)) {
    const full = policyInput(engine, input, NOW);
    try {
      const { verdict } = await (n % WHOLE_EVERY === 0
        ? decide(engine, input, NOW)
        : engine.review(full).catch(escalationFor));
      const alone = judgeBare(bare, full);
      verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
      bareVerdicts[alone] = (bareVerdicts[alone] ?? 0) + 1;
      const executes = verdict === "auto_execute" || alone === "auto_execute";
      if (executes && !isSafe(full, parameters)) note(unsafe, input);
    } catch (error) {
      note(crashes, { input, error: String(error) });
    }
    n += 1;
    if (n % 10_000 === 0) progress?.(n);
  }
  return { seed, inputs, verdicts, bareVerdicts, crashes, unsafe };
}

/** The runtime throws strings at broken text; a product's engine never gets that far. */
function judgeBare(bare: LoadedPolicy, input: object): string {
  try {
    const [answer] = bare.evaluate(input, "watchfloor/review/result") as {
      result: { verdict: string };
    }[];
    return answer?.result.verdict ?? "undefined";
  } catch {
    return "aborted";
  }
}

function note(list: string[], what: object): void {
  if (list.length < EXAMPLES_MAX) list.push(JSON.stringify(what).slice(0, 4_000));
}
