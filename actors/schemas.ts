/**
 * The boundary of: the vocabulary and every tool call. The same types as machines/, as schemas that
 * hold at run time; `schemaOf` refuses to compile when the two part.
 */
import { z } from "zod";
import type {
  DryRun,
  EvaluateInput,
  ReviewFlags,
  ReviewQuestion,
  Verification,
} from "../machines/calls.ts";
import type { JsonObject } from "../machines/protocol.ts";
import {
  ACTION_CLASSES,
  DISMISSALS,
  PRIORITIES,
  VERDICTS,
  type Action,
  type ActionType,
  type Approval,
  type BlastRadius,
  type Decision,
  type Entity,
  type Person,
  type Receipt,
  type Target,
  type TargetState,
} from "../machines/vocabulary.ts";
import type { NodeFacts, PerformedEffect, PodFacts, WorkloadFacts } from "../transports/ports.ts";

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
type Same<A, B> = [DeepReadonly<A>] extends [DeepReadonly<B>]
  ? [DeepReadonly<B>] extends [DeepReadonly<A>]
    ? unknown
    : never
  : never;

/** A schema whose output is exactly `T`, but for `readonly`. */
function schemaOf<T>() {
  return <S extends z.ZodType>(schema: S & Same<z.output<S>, T>): S => schema;
}

// ---- Words -------------------------------------------------------------------------------------

const PARAMS_BYTES_MAX = 4_096;

const text = z.string().max(512);
const word = z.string().min(1).max(256);
const line = z.string().max(1_024);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().nonnegative();
const unit = z.number().min(0).max(1);
const wallMs = z.number().nonnegative();

/** JSON of any shape. zod's own type lacks the absent values that ours allows. */
const JsonObjectSchema = z.record(
  z.string().max(256),
  z.json(),
) as unknown as z.ZodType<JsonObject>;
const ParamsSchema = JsonObjectSchema.refine(
  (params) => Buffer.byteLength(JSON.stringify(params)) <= PARAMS_BYTES_MAX,
);

/** Names as the cluster's grammar has them: a target that does not fit it is not one. */
const name = z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);
const title = z.string().regex(/^[A-Za-z0-9 _.,:/()-]{1,128}$/);

// ---- Actions and targets -----------------------------------------------------------------------

const namespaced = { namespace: name, name };

export const TargetSchema = schemaOf<Target>()(
  z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("case"), id: word }),
    z.strictObject({ kind: z.literal("pod"), ...namespaced }),
    z.strictObject({ kind: z.literal("workload"), ...namespaced }),
    z.strictObject({ kind: z.literal("node"), name }),
    z.strictObject({ kind: z.literal("service_account"), ...namespaced }),
    z.strictObject({ kind: z.literal("rule"), name: title }),
    z.strictObject({ kind: z.literal("zone"), name: title }),
  ]),
);

const ACTION_TYPES = Object.keys(ACTION_CLASSES) as [ActionType, ...ActionType[]];

export const ActionSchema = schemaOf<Action>()(
  z.strictObject({ type: z.enum(ACTION_TYPES), target: TargetSchema, params: ParamsSchema }),
);

const BlastSchema = schemaOf<BlastRadius>()(
  z.strictObject({ pods: count, replicasShare: unit, services: count, namespaces: count }),
);

const CriticalitySchema = z.enum(["low", "medium", "high", "unknown"]);

export const TargetStateSchema = schemaOf<TargetState>()(
  z.strictObject({
    exists: z.boolean(),
    version: word,
    criticality: CriticalitySchema,
    labels: z.record(z.string(), text),
    owner: word.nullable(),
    blast: BlastSchema,
    diff: z.array(line).max(64),
  }),
);

export const DryRunSchema = schemaOf<DryRun>()(
  z.strictObject({ version: word, diff: z.array(line).max(64), blast: BlastSchema }),
);

export const ReceiptSchema = schemaOf<Receipt>()(
  z.strictObject({
    id: word,
    idempotencyKey: text.min(1),
    action: ActionSchema,
    actionDigest: digest,
    performedAt: wallMs,
    versionBefore: word,
    versionAfter: word,
    inverse: ParamsSchema.nullable(),
    decisionId: word,
  }),
);

export const VerificationSchema = schemaOf<Verification>()(z.strictObject({ holds: z.boolean() }));

// ---- Policy ------------------------------------------------------------------------------------

export const DecisionSchema = schemaOf<Decision>()(
  z.strictObject({
    decisionId: word,
    verdict: z.enum(VERDICTS),
    reasons: z.array(word).max(256),
    ruleIds: z.array(word).max(256),
    obligations: z.array(word).max(256),
    parametersUsed: JsonObjectSchema,
    policyRevision: word,
    inputsDigest: digest,
  }),
);

const EntitySchema = schemaOf<Entity>()(
  z.strictObject({
    key: z.string().max(1_024),
    namespace: text.nullable(),
    workload: text.nullable(),
    pod: text.nullable(),
    container: text.nullable(),
    host: text.nullable(),
    identity: z.enum(["complete", "partial", "missing"]),
  }),
);

const PersonSchema = schemaOf<Person>()(
  z.strictObject({ user: word, uid: count, as: text.nullable() }),
);

const ApprovalSchema = schemaOf<Approval>()(
  z.strictObject({
    answer: z.enum(["approve", "dismiss", "expired"]),
    person: PersonSchema.nullable(),
    reason: z.string().max(4_096).nullable(),
    dismissal: z.enum(DISMISSALS).nullable(),
    at: wallMs,
    actionDigests: z.array(digest).max(64),
  }),
);

const FlagsSchema = schemaOf<ReviewFlags>()(
  z.strictObject({
    injectionSuspected: z.boolean(),
    schemaRepaired: z.boolean(),
    agentsDisagree: z.boolean(),
    budgetSpent: z.boolean(),
    evidenceMissing: z.boolean(),
    modelChanged: z.boolean(),
  }),
);

const QuestionSchema = schemaOf<ReviewQuestion>()(
  z.strictObject({
    case: word,
    action: ActionSchema,
    entity: EntitySchema,
    origin: z.enum(["sample", "live"]),
    priority: z.enum(PRIORITIES),
    pValue: unit,
    events: count,
    techniques: z.array(word).max(256),
    confidence: unit,
    flags: FlagsSchema,
    policyRevision: word.nullable(),
    approval: ApprovalSchema.nullable(),
  }),
);

export const EvaluateInputSchema = schemaOf<EvaluateInput>()(
  z.strictObject({
    question: QuestionSchema,
    actionDigest: digest,
    target: TargetStateSchema.nullable(),
  }),
);

// ---- What readers of the cluster see -----------------------------------------------------------

export const PodFactsSchema = schemaOf<PodFacts>()(
  z.strictObject({
    namespace: name,
    name,
    node: name,
    workload: name,
    controller: word.nullable(),
    containers: z.array(word).max(64),
    serviceAccount: name,
    isolated: z.boolean(),
    version: word,
  }),
);

export const WorkloadFactsSchema = schemaOf<WorkloadFacts>()(
  z.strictObject({
    namespace: name,
    name,
    kind: word,
    replicas: count,
    pods: z.array(name),
    services: z.array(name),
    criticality: CriticalitySchema,
    owner: word,
    customerFacing: z.boolean(),
    isolated: z.boolean(),
    addressesBlocked: z.array(word),
    version: word,
  }),
);

export const NodeFactsSchema = schemaOf<NodeFacts>()(
  z.strictObject({
    name,
    cordoned: z.boolean(),
    pods: count,
    namespaces: count,
    version: word,
  }),
);

export const PerformedEffectSchema = schemaOf<PerformedEffect>()(
  z.strictObject({
    n: count,
    at: wallMs,
    effect: z.enum(["perform", "revert"]),
    idempotencyKey: text,
    receiptId: word,
    type: z.enum(ACTION_TYPES),
    target: line,
    actionDigest: digest,
    decisionId: word,
  }),
);
