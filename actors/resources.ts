/**
 * The boundary of: the agents' resources (YAML, the same in a folder and as custom resources) and
 * what they may change. A resource can make what a tool declares tighter, never looser.
 */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";
import { WatchfloorError } from "../machines/errors.ts";
import { KINDS, type Json, type JsonObject, type Kind } from "../machines/protocol.ts";
import type { CallBinding, Recovery, ToolBinding } from "./define.ts";

/** From loose to tight: to repeat a call, to ask what became of it, to leave it to a person. */
const RECOVERIES = ["retry", "reconcile", "escalate"] as const satisfies readonly Recovery[];

const name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "must be a DNS label");
const word = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, "must be a name");
const count = z.int().positive();

const ResourceSchema = z.strictObject({
  apiVersion: z.literal("watchfloor.dev/v1alpha1"),
  kind: z.literal("Agent"),
  metadata: z.looseObject({ name }),
  spec: z.strictObject({
    kind: z.enum(KINDS),
    description: z.string().min(1).max(500),
    /** What the agent's model is told; agents without one have no model. */
    prompt: z.string().min(1).max(8_000).nullable().default(null),
    model: z
      .strictObject({ id: z.string().min(1).max(100) })
      .nullable()
      .default(null),
    /** Tools the agent may call, by server. */
    tools: z
      .array(z.strictObject({ server: word, names: z.array(word).min(1).max(32) }))
      .max(8)
      .default([]),
    /** JSON Schema of the model's answer. Code checks the answer again, whatever this says. */
    outputSchema: z.record(z.string(), z.json()).nullable().default(null),
    limits: z
      .strictObject({
        /** Of one call. */
        timeoutMs: count.max(3_600_000).nullable().default(null),
        /** Calls of one tool at once in a runner. */
        concurrency: count.max(1_024).nullable().default(null),
        /** Tokens of one answer. */
        tokens: count.max(65_536).nullable().default(null),
      })
      .default({ timeoutMs: null, concurrency: null, tokens: null }),
    /** By call of the agent's machine. */
    recovery: z.record(word, z.enum(RECOVERIES)).default({}),
  }),
});

type AgentSpec = z.output<typeof ResourceSchema>["spec"];

export interface AgentResource extends AgentSpec {
  readonly name: string;
  /** Where it was read, for errors. */
  readonly path: string;
}

/** One resource. Throws `resource_invalid` with path, field and rule. */
export function parseResource(path: string, text: string): AgentResource {
  const document = parseDocument(text);
  const [fault] = document.errors;
  if (fault !== undefined)
    throw invalid(path, `line ${fault.linePos?.[0].line ?? 1}`, "is not YAML");
  const parsed = ResourceSchema.safeParse(document.toJS({ maxAliasCount: 10 }));
  if (!parsed.success) throw invalidIssue(path, parsed.error.issues[0]);
  return { ...parsed.data.spec, name: parsed.data.metadata.name, path };
}

/**
 * The resources of a folder (`*.yaml`, `*.yml`), one for every kind. Throws `resource_invalid`, or
 * `config_unreadable` for a folder or file that cannot be read.
 */
export async function loadResources(
  folder: string,
): Promise<Readonly<Record<Kind, AgentResource>>> {
  const found = new Map<Kind, AgentResource>();
  for (const file of await filesOf(folder)) {
    const path = join(folder, file);
    const resource = parseResource(path, await readable(path, () => readFile(path, "utf8")));
    if (found.has(resource.kind)) throw invalid(path, "spec.kind", `repeats ${resource.kind}`);
    found.set(resource.kind, resource);
  }
  const missing = KINDS.find((kind) => !found.has(kind));
  if (missing !== undefined) throw invalid(folder, "spec.kind", `has no resource for ${missing}`);
  return Object.fromEntries(found) as Record<Kind, AgentResource>;
}

async function filesOf(folder: string): Promise<string[]> {
  const files = await readable(folder, () => readdir(folder));
  return files.filter((file) => /\.ya?ml$/.test(file)).toSorted();
}

async function readable<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? "unreadable";
    throw new WatchfloorError("config_unreadable", { path, why }, { cause });
  }
}

// ---- Tightening --------------------------------------------------------------------------------

/**
 * An agent's calls under its resource: the smaller limit counts, the tighter recovery counts, and a
 * resource that asks for a looser one, or names a call that is not there, is invalid.
 */
export function tightenAll(
  calls: Readonly<Record<string, CallBinding>>,
  resource: AgentResource,
): Record<string, CallBinding> {
  const unknown = Object.keys(resource.recovery).find((call) => calls[call]?.call !== "tool");
  if (unknown !== undefined)
    throw invalid(resource.path, `spec.recovery.${unknown}`, "names no tool call of this agent");
  return Object.fromEntries(
    Object.entries(calls).map(([call, binding]) => [
      call,
      binding.call === "tool" ? tighten(call, binding, resource) : binding,
    ]),
  );
}

export function tighten(call: string, binding: ToolBinding, resource: AgentResource): ToolBinding {
  return {
    ...binding,
    recovery: tighterRecovery(call, binding, resource),
    timeoutMs: Math.min(binding.timeoutMs, resource.limits.timeoutMs ?? Infinity),
    concurrencyMax: Math.min(binding.concurrencyMax, resource.limits.concurrency ?? Infinity),
  };
}

function tighterRecovery(call: string, binding: ToolBinding, resource: AgentResource): Recovery {
  const wanted = resource.recovery[call];
  if (wanted === undefined) return binding.recovery;
  const field = `spec.recovery.${call}`;
  if (RECOVERIES.indexOf(wanted) < RECOVERIES.indexOf(binding.recovery))
    throw invalid(resource.path, field, `is looser than the tool's own ${binding.recovery}`);
  if (wanted === "reconcile" && binding.reconcile === undefined)
    throw invalid(resource.path, field, "asks for reconcile, and the tool cannot be asked");
  return wanted;
}

// ---- Errors ------------------------------------------------------------------------------------

function invalid(path: string, field: string, rule: string): WatchfloorError {
  return new WatchfloorError("resource_invalid", { path, field, rule });
}

function invalidIssue(path: string, issue: z.core.$ZodIssue | undefined): WatchfloorError {
  const at = (issue?.path ?? []).map(String).join(".");
  if (issue?.code === "unrecognized_keys")
    return invalid(path, [at, issue.keys[0]].filter(Boolean).join("."), "is not a known field");
  const message = issue?.message ?? "is not valid";
  return invalid(
    path,
    at === "" ? "document" : at,
    message.charAt(0).toLowerCase() + message.slice(1),
  );
}

/** The schema as the port of a model takes it. */
export function schemaOf(resource: AgentResource): JsonObject | null {
  return resource.outputSchema as Record<string, Json> | null;
}
