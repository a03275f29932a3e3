/**
 * The boundary of: the compiled policy and this process. It reports a missing built-in only when one
 * is called, throws strings, and treats bad data as undefined: all three end here as errors.
 */
import { loadPolicy, type LoadedPolicy } from "@open-policy-agent/opa-wasm";
import { z } from "zod";
import { WatchfloorError } from "../machines/errors.ts";
import type { JsonObject } from "../machines/protocol.ts";
import { loadBundle, type PolicyBundle } from "./bundle.ts";
import { engineRevision } from "./engine.ts";
import type { RenewableEngine } from "./serving.ts";
import { policyData, type ReviewParameters } from "./parameters.ts";
import {
  checkedApprovalInput,
  checkedAuthorisation,
  checkedReviewInput,
  checkedReviewResult,
} from "./shapes.ts";
import { SMOKE_PARAMETERS, SMOKE_VECTORS } from "./smoke.ts";

const REVIEW = "watchfloor/review/result";
const APPROVAL = "watchfloor/approval/result";

/** The built-ins that opa-wasm lends a module from JavaScript; a test holds this to the package. */
export const HOST_BUILTINS: readonly string[] = [
  "json.is_valid",
  "regex.split",
  "sprintf",
  "yaml.is_valid",
  "yaml.marshal",
  "yaml.unmarshal",
];

/** The same policy with other parameters is a fresh instance; this one stays as it is. */
export type WasmEngine = RenewableEngine;

/** Rejects with `policy_unusable` if the bundle is not what it says or fails its smoke vectors. */
let shipped: PolicyBundle | null = null;

/** Read once: it is part of the package, and does not change under a running process. */
function shippedBundle(): PolicyBundle {
  return (shipped ??= loadBundle());
}

export async function loadWasmEngine(
  parameters: ReviewParameters,
  bundle: PolicyBundle = shippedBundle(),
): Promise<WasmEngine> {
  for (const entrypoint of [REVIEW, APPROVAL]) {
    if (!bundle.entrypoints.includes(entrypoint)) throw unusable(`it has no ${entrypoint}`);
  }
  await checkSmoke(bundle);
  return engineOf(bundle, parameters);
}

function unusable(why: string, cause?: unknown): WatchfloorError {
  return new WatchfloorError("policy_unusable", { why }, { cause });
}

async function engineOf(bundle: PolicyBundle, parameters: ReviewParameters): Promise<WasmEngine> {
  let policy = await instantiate(bundle, policyData(parameters));
  // What was aborted may have left anything behind: the next question gets an instance of its own.
  const renew = async (error: unknown): Promise<never> => {
    policy = await instantiate(bundle, policyData(parameters));
    throw error;
  };
  return {
    revision: engineRevision(bundle.revision, parameters),
    bundleRevision: bundle.revision,
    parameters,
    // Async, so that whatever throws rejects.
    review: async (input) => {
      const checked = checkedReviewInput(input);
      try {
        return checkedReviewResult(evaluate(policy, REVIEW, checked));
      } catch (error) {
        return renew(error);
      }
    },
    approve: async (input) => {
      const checked = checkedApprovalInput(input);
      try {
        return checkedAuthorisation(evaluate(policy, APPROVAL, checked));
      } catch (error) {
        return renew(error);
      }
    },
    withParameters: (other) => engineOf(bundle, other),
  };
}

/** By bundle: an instance of a compiled module is had in a millisecond, a compiled module is not. */
const modules = new WeakMap<PolicyBundle, Promise<CompiledModule>>();

/** Opaque: only the runtime looks into it. */
type CompiledModule = object;
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: { compile(bytes: Uint8Array): Promise<CompiledModule> };
};

function compiled(bundle: PolicyBundle): Promise<CompiledModule> {
  const known = modules.get(bundle);
  if (known !== undefined) return known;
  const compiling = WebAssembly.compile(bundle.wasm);
  modules.set(bundle, compiling);
  return compiling;
}

async function instantiate(bundle: PolicyBundle, data: JsonObject): Promise<LoadedPolicy> {
  try {
    const policy = await loadPolicy(await compiled(bundle));
    policy.setData(data);
    return policy;
  } catch (cause) {
    throw unusable("it is not a policy module", cause);
  }
}

/** Exactly one result, or undefined: an empty set is what an undefined rule looks like. */
const resultSet = z.tuple([z.object({ result: z.unknown() })]);

function evaluate(policy: LoadedPolicy, entrypoint: string, input: object): unknown {
  try {
    return resultSet.safeParse(policy.evaluate(input, entrypoint)).data?.[0].result;
  } catch (cause) {
    throw new WatchfloorError("policy_failed", { why: "its evaluation was aborted" }, { cause });
  }
}

interface PolicyExports {
  builtins(): number;
  opa_json_dump(address: number): number;
}

/** The runtime would report a built-in that nothing implements when it is first called. */
function checkBuiltins(policy: LoadedPolicy): void {
  const { exports } = policy.wasmInstance as unknown as { readonly exports: PolicyExports };
  const memory = new Uint8Array((policy.mem as { readonly buffer: ArrayBuffer }).buffer);
  const start = exports.opa_json_dump(exports.builtins());
  const json = new TextDecoder().decode(memory.subarray(start, memory.indexOf(0, start)));
  const called = Object.keys(z.record(z.string(), z.number()).parse(JSON.parse(json)));
  const missing = called.filter((name) => !HOST_BUILTINS.includes(name));
  if (missing.length > 0) throw unusable(`nothing implements ${missing.join(", ")}`);
}

/** With parameters of their own, so that they hold whatever an operator configures. */
async function checkSmoke(bundle: PolicyBundle): Promise<void> {
  const policy = await instantiate(bundle, policyData(SMOKE_PARAMETERS));
  checkBuiltins(policy);
  for (const { name, input, verdict } of SMOKE_VECTORS) {
    const result = checkedReviewResult(evaluate(policy, REVIEW, input));
    if (result.verdict !== verdict) throw unusable(`smoke vector ${name} gave ${result.verdict}`);
  }
}
