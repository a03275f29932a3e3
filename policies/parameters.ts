/**
 * The boundary of: ReviewParameters in YAML and what the policy weighs. Read once, checked whole and
 * frozen; an unknown or mistyped setting is refused by name, never ignored.
 */
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { z } from "zod";
import { digestOf } from "../machines/digest.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { JsonObject } from "../machines/protocol.ts";
import { ACTION_CLASSES, MODES, type ActionClass, type Mode } from "../machines/vocabulary.ts";
import { ACTION_TYPES, PEOPLE_NEEDED_MAX } from "./shapes.ts";

const unit = z.number().min(0).max(1);
const count = z.int().nonnegative();
const name = z.string().min(1).max(256);
const names = z.array(name).max(1024);

function byClass<S extends z.ZodType>(schema: (actionClass: ActionClass) => S) {
  return z.strictObject({
    close: schema("close"),
    mark: schema("mark"),
    contain: schema("contain"),
    disrupt: schema("disrupt"),
    detect: schema("detect"),
    network: schema("network"),
    undo: schema("undo"),
  });
}

/** Of the undo class, the list holds what may be undone. */
function actionsOf(actionClass: ActionClass) {
  const fits = ACTION_TYPES.filter(
    (type) => (ACTION_CLASSES[type] === actionClass) === (actionClass !== "undo"),
  );
  return z.array(z.enum(fits));
}

const blastLimits = z.strictObject({
  podsMax: count,
  replicasShareMax: unit,
  servicesMax: count,
  namespacesMax: count,
});

const spec = z.strictObject({
  mode: z.enum(MODES),
  killSwitch: z.boolean(),
  autoAllowed: byClass(actionsOf),
  confidenceFloor: byClass(() => unit),
  blastRadius: byClass(() => blastLimits),
  assets: z.strictObject({
    criticalityAuto: z.array(z.enum(["low", "medium", "high"])),
    alwaysEscalateNamespaces: names,
    alwaysEscalateNames: names,
    alwaysEscalateLabels: z.record(name, z.array(z.string().min(1).lowercase())),
    platformNamespaces: names,
  }),
  close: z.strictObject({ eventsMax: count, pValueMin: unit }),
  /** Share of ordinary events that the gate may let become alerts. */
  alertBudget: z.number().gt(0).max(0.1),
  /** How much of it is left when events wait. */
  shedding: z
    .strictObject({ depthFrom: count, depthTo: z.int().min(1), shareMin: z.number().gt(0).max(1) })
    .refine(({ depthFrom, depthTo }) => depthFrom < depthTo, "depthFrom must be below depthTo"),
  rateLimits: byClass(() => z.strictObject({ perHourMax: count })),
  undoAfterMs: z.strictObject({ contain: z.int().min(1000) }),
  approval: z.strictObject({
    validMs: z.int().min(1000),
    people: byClass(() => names.min(1)),
    peopleNeeded: byClass(() => z.int().min(1).max(PEOPLE_NEEDED_MAX)),
  }),
});
export type ParametersSpec = z.output<typeof spec>;

const resource = z.strictObject({
  apiVersion: z.literal("watchfloor.dev/v1alpha1"),
  kind: z.literal("ReviewParameters"),
  metadata: z.strictObject({ name }),
  spec: spec.superRefine((value, context) => {
    for (const [actionClass, people] of Object.entries(value.approval.people)) {
      const needed = value.approval.peopleNeeded[actionClass as ActionClass];
      if (people.includes("*") || new Set(people).size >= needed) continue;
      const message = `names fewer people than the ${needed} that are needed`;
      context.addIssue({ code: "custom", path: ["approval", "people", actionClass], message });
    }
  }),
});

/** The policy's data, as it is given to an engine. */
export const parametersData = spec.extend({ revision: z.string().min(1) });

/** Checked parameters. `revision` is the digest of all of them. */
export interface ReviewParameters {
  readonly name: string;
  readonly revision: string;
  readonly spec: Readonly<ParametersSpec>;
}

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

function made(resourceName: string, value: ParametersSpec): ReviewParameters {
  return frozen({ name: resourceName, revision: digestOf(value), spec: value });
}

/** Checks what is no text any more. Throws `config_invalid`, naming origin, field and rule. */
export function checkedParameters(value: unknown, origin: string): ReviewParameters {
  const parsed = resource.safeParse(value);
  if (parsed.success) return made(parsed.data.metadata.name, parsed.data.spec);
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join(".") || "the resource";
  throw new WatchfloorError("config_invalid", { origin, field, rule: issue?.message ?? "" });
}

/** The resource as it is written down. */
export function resourceOf(resourceName: string, value: unknown): JsonObject {
  return {
    apiVersion: "watchfloor.dev/v1alpha1",
    kind: "ReviewParameters",
    metadata: { name: resourceName },
    spec: value as JsonObject,
  };
}

/** Throws `config_invalid`, naming origin, field and the rule it breaks. */
export function parseParameters(yamlText: string, origin: string): ReviewParameters {
  const document = parseDocument(yamlText);
  const [fault] = document.errors;
  if (fault !== undefined) {
    const line = fault.linePos?.[0].line ?? 1;
    throw new WatchfloorError("config_invalid", {
      origin,
      field: `line ${line}`,
      rule: `is not YAML (${fault.code})`,
    });
  }
  return checkedParameters(document.toJS({ maxAliasCount: 10 }), origin);
}

/** Throws `config_unreadable` or `config_invalid`. */
export function loadParameters(path: string): ReviewParameters {
  let yamlText: string;
  try {
    yamlText = readFileSync(path, "utf8");
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? "it is not readable";
    throw new WatchfloorError("config_unreadable", { path, why }, { cause });
  }
  return parseParameters(yamlText, path);
}

/** The same parameters with another mode or kill switch: what flags and operators set. */
export function adjustParameters(
  parameters: ReviewParameters,
  change: {
    readonly mode?: Mode;
    readonly killSwitch?: boolean;
    readonly alertBudget?: number;
  },
): ReviewParameters {
  return made(parameters.name, structuredClone({ ...parameters.spec, ...change }));
}

/** The policy's data: `data.watchfloor.parameters` in the Rego. */
export function policyData(parameters: ReviewParameters): JsonObject {
  return { watchfloor: { parameters: parametersDocument(parameters) } };
}

/** An answer names the revision in it, so that it shows which parameters were weighed. */
export function parametersDocument({ spec: value, revision }: ReviewParameters): JsonObject {
  return { ...value, revision };
}
