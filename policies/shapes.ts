/**
 * The boundary of: values from outside and the policy. Nothing reaches an engine, and no answer
 * leaves one, that does not fit these schemas: Rego would compare a string with a number and go on.
 */
import { z } from "zod";
import type { Authorisation, AuthoriseInput, EvaluateInput } from "../machines/calls.ts";
import { digestOf } from "../machines/digest.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { JsonObject } from "../machines/protocol.ts";
import {
  ACTION_CLASSES,
  DISMISSALS,
  PRIORITIES,
  VERDICTS,
  type ActionType,
  type Verdict,
} from "../machines/vocabulary.ts";

/** What the policy is asked: it reads no clock, counts nothing and does not know its own name. */
export interface PolicyInput extends EvaluateInput {
  /** Wall clock, ms. */
  readonly at: number;
  /** Effects of the action's class within the last hour. */
  readonly recentEffects: number;
  /** The revision that answers. */
  readonly policyRevision: string;
}

/** What the policy answers; all lists are sorted. */
export interface ReviewResult {
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
  readonly ruleIds: readonly string[];
  readonly obligations: readonly string[];
  readonly parametersUsed: JsonObject;
}

/** More people than this are never asked for one answer. */
export const PEOPLE_NEEDED_MAX = 10;

export const ACTION_TYPES = Object.keys(ACTION_CLASSES) as [ActionType, ...ActionType[]];

const text = z.string().min(1).max(256);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().nonnegative();
const unit = z.number().min(0).max(1);
const scalar = z.union([z.string().max(256), z.number(), z.boolean(), z.null()]);
const params = z.record(z.string().max(256), z.union([scalar, z.array(scalar).max(64)]));

const target = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("case"), id: text }),
  z.strictObject({ kind: z.literal("pod"), namespace: text, name: text }),
  z.strictObject({ kind: z.literal("workload"), namespace: text, name: text }),
  z.strictObject({ kind: z.literal("node"), name: text }),
  z.strictObject({ kind: z.literal("service_account"), namespace: text, name: text }),
  z.strictObject({ kind: z.literal("rule"), name: text }),
  z.strictObject({ kind: z.literal("zone"), name: text }),
]);

/** Strict, so that its digest covers every field of it. */
const action = z.strictObject({ type: z.enum(ACTION_TYPES), target, params });

const entity = z.object({
  key: z.string().min(1).max(1024),
  namespace: text.nullable(),
  workload: text.nullable(),
  pod: text.nullable(),
  container: text.nullable(),
  host: text.nullable(),
  identity: z.enum(["complete", "partial", "missing"]),
});

const person = z.object({ user: text, uid: count, as: z.string().max(256).nullable() });

const approval = z.object({
  answer: z.enum(["approve", "dismiss", "expired"]),
  person: person.nullable(),
  reason: z.string().max(4096).nullable(),
  dismissal: z.enum(DISMISSALS).nullable(),
  at: count,
  actionDigests: z.array(digest).max(64),
});

const question = z.object({
  case: text,
  action,
  entity,
  origin: z.enum(["sample", "live"]),
  priority: z.enum(PRIORITIES),
  pValue: unit,
  events: count,
  techniques: z.array(text).max(256),
  confidence: unit,
  flags: z.object({
    injectionSuspected: z.boolean(),
    schemaRepaired: z.boolean(),
    agentsDisagree: z.boolean(),
    budgetSpent: z.boolean(),
    evidenceMissing: z.boolean(),
    modelChanged: z.boolean(),
  }),
  policyRevision: text.nullable(),
  approval: approval.nullable(),
});

const targetState = z.object({
  exists: z.boolean(),
  version: z.string().max(256),
  criticality: z.enum(["low", "medium", "high", "unknown"]),
  labels: z.record(z.string().max(512), z.string().max(4096)),
  owner: z.string().max(256).nullable(),
  blast: z.object({ pods: count, replicasShare: unit, services: count, namespaces: count }),
  diff: z.array(z.string().max(4096)).max(1024),
});

export const reviewInput = z
  .object({
    question,
    actionDigest: digest,
    target: targetState.nullable(),
    at: count,
    recentEffects: count,
    policyRevision: text,
  })
  .refine((input) => digestOf(input.question.action) === input.actionDigest, {
    path: ["actionDigest"],
  });

const codes = z.array(z.string().min(1).max(128)).max(256);

export const reviewResult = z.strictObject({
  verdict: z.enum(VERDICTS),
  reasons: codes.min(1),
  ruleIds: codes.min(1),
  obligations: codes,
  parametersUsed: z.record(z.string(), z.json()),
});

export const authoriseInput = z.object({
  answer: z.object({
    id: text,
    answer: z.enum(["approve", "dismiss", "investigate"]),
    person,
    reason: z.string().max(4096).nullable(),
    dismissal: z.enum(DISMISSALS).nullable(),
  }),
  // Of a review, only the action counts here: what it decides was decided before.
  reviews: z.array(z.object({ action })).max(64),
  approvers: z.array(person).max(PEOPLE_NEEDED_MAX),
});

export const authorisation = z.strictObject({
  allowed: z.boolean(),
  peopleNeeded: z.int().min(1).max(PEOPLE_NEEDED_MAX),
  why: z.string().min(1).max(200),
});

/** What the approval policy reads of its input. */
export type ApprovalInput = z.output<typeof authoriseInput>;

function firstField(error: z.ZodError): string {
  return error.issues[0]?.path.map(String).join(".") || "input";
}

/** Throws `policy_invalid_input`, naming the field and never its value. */
export function checkedReviewInput(input: PolicyInput): PolicyInput {
  const parsed = reviewInput.safeParse(input);
  if (parsed.success) return checkedText(parsed.data);
  throw new WatchfloorError("policy_invalid_input", { field: firstField(parsed.error) });
}

/** JSON writes half of a surrogate pair as an escape, and nothing else so. */
const BROKEN_TEXT = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;
/** More than any sound question has, and less than what grows an engine's memory for good. */
const INPUT_CHARS_MAX = 256 * 1024;

/** Text that no engine reads the same way, or that is too much of it. */
function checkedText(input: PolicyInput): PolicyInput {
  const json = JSON.stringify(input);
  if (json.length <= INPUT_CHARS_MAX && !BROKEN_TEXT.test(json)) return input;
  throw new WatchfloorError("policy_invalid_input", { field: "text" });
}

/** Throws `policy_failed`: also where the policy was undefined. */
export function checkedReviewResult(result: unknown): ReviewResult {
  const parsed = reviewResult.safeParse(result);
  if (parsed.success) return parsed.data;
  const why = `its verdict does not fit at ${firstField(parsed.error)}`;
  throw new WatchfloorError("policy_failed", { why });
}

/** Throws `policy_invalid_input`. */
export function checkedApprovalInput(input: AuthoriseInput): ApprovalInput {
  const parsed = authoriseInput.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new WatchfloorError("policy_invalid_input", { field: firstField(parsed.error) });
}

/** Throws `policy_failed`. */
export function checkedAuthorisation(result: unknown): Authorisation {
  const parsed = authorisation.safeParse(result);
  if (parsed.success) return parsed.data;
  const why = `its authorisation does not fit at ${firstField(parsed.error)}`;
  throw new WatchfloorError("policy_failed", { why });
}
