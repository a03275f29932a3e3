/**
 * The boundary of: the policy tests and the questions they ask. One question that is executed; each
 * test changes what it is about and nothing else.
 */
import type { EvaluateInput, ReviewQuestion } from "../../machines/calls.ts";
import { actionDigest } from "../../machines/actions.ts";
import type {
  Action,
  Approval,
  Entity,
  Review,
  Target,
  TargetState,
} from "../../machines/vocabulary.ts";
import { defaultParametersPath } from "../../policies/bundle.ts";
import type { DecisionEntry } from "../../policies/decision-log.ts";
import { createDecisionPoint, type DecisionPoint } from "../../policies/decision-point.ts";
import { decide, type PolicyEngine } from "../../policies/engine.ts";
import { adjustParameters, loadParameters } from "../../policies/parameters.ts";

export const AT = 1_700_000_000_000;
/** Nothing was performed lately. */
export const NOW = { at: AT, recentEffects: 0 };

export const SHIPPED = loadParameters(defaultParametersPath());
/** As shipped, but enforcing: so that `auto_execute` means what it says. */
export const ENFORCING = adjustParameters(SHIPPED, { mode: "enforce" });

export const POD = {
  kind: "pod",
  namespace: "shop",
  name: "session-cache-0",
} as const satisfies Target;
export const WORKLOAD = {
  kind: "workload",
  namespace: "shop",
  name: "session-cache",
} as const satisfies Target;

export function action(
  type: Action["type"],
  target: Target = POD,
  params: Action["params"] = {},
): Action {
  return { type, target, params };
}

const ENTITY: Entity = {
  key: "shop/session-cache/redis",
  namespace: "shop",
  workload: "session-cache",
  pod: "session-cache-0",
  container: "redis",
  host: "worker-4",
  identity: "complete",
};

const QUESTION: ReviewQuestion = {
  case: "c-0123456789ab",
  action: action("isolate"),
  entity: ENTITY,
  origin: "live",
  priority: "critical",
  pValue: 0.0005,
  events: 4,
  techniques: ["T1059.004"],
  confidence: 0.92,
  flags: {
    injectionSuspected: false,
    schemaRepaired: false,
    agentsDisagree: false,
    budgetSpent: false,
    evidenceMissing: false,
    modelChanged: false,
  },
  policyRevision: null,
  approval: null,
};

const TARGET: TargetState = {
  exists: true,
  version: "7",
  criticality: "medium",
  labels: { "watchfloor.dev/customer-facing": "false" },
  owner: "team-shop",
  blast: { pods: 1, replicasShare: 0.5, services: 1, namespaces: 1 },
  diff: ["traffic: allowed -> denied"],
};

export interface Change {
  readonly question?: Partial<ReviewQuestion>;
  readonly entity?: Partial<Entity>;
  readonly flags?: Partial<ReviewQuestion["flags"]>;
  /** null: the cluster could not describe it. */
  readonly target?: Partial<TargetState> | null;
  readonly blast?: Partial<TargetState["blast"]>;
  /** The second review, after a person approved this very action; or what they said instead. */
  readonly approved?: Partial<Approval>;
}

export function ask(change: Change = {}): EvaluateInput {
  const { question = {}, entity = {}, flags = {}, target = {}, blast = {}, approved } = change;
  const asked = { ...QUESTION, ...question };
  const digest = actionDigest(asked.action);
  return {
    question: {
      ...asked,
      entity: { ...asked.entity, ...entity },
      flags: { ...asked.flags, ...flags },
      approval: approved === undefined ? asked.approval : { ...approvalOf(digest), ...approved },
    },
    actionDigest: digest,
    target: target === null ? null : { ...TARGET, ...target, blast: { ...TARGET.blast, ...blast } },
  };
}

function approvalOf(digest: string): Approval {
  return {
    answer: "approve",
    person: { user: "ana", uid: 1000, as: null },
    reason: null,
    dismissal: null,
    at: AT - 1000,
    actionDigests: [digest],
  };
}

/** A case without techniques, proposed to be closed. */
export function askToClose(change: Change = {}): EvaluateInput {
  const close = action("close_benign", { kind: "case", id: QUESTION.case });
  const quiet = { action: close, techniques: [], priority: "notice" as const };
  const target = { version: "case", criticality: "unknown" as const, labels: {}, owner: null };
  return ask({
    ...change,
    question: { ...quiet, ...change.question },
    target: change.target === null ? null : { ...target, ...change.target },
    blast: { pods: 0, replicasShare: 0, services: 0, namespaces: 0, ...change.blast },
  });
}

/** A point of decision over one engine; what it logs is kept. */
export function pointOf(
  engine: PolicyEngine | (() => PolicyEngine),
  entries: DecisionEntry[] = [],
  at = AT,
): DecisionPoint {
  return createDecisionPoint({
    engine: typeof engine === "function" ? engine : () => engine,
    log: { write: async (entry) => void entries.push(entry) },
    clock: { now: () => at, steady: () => 0 },
  });
}

export async function reviewed(engine: PolicyEngine, input: EvaluateInput): Promise<Review> {
  const decision = await decide(engine, input, NOW);
  const { actionDigest: digest, target, question } = input;
  return {
    action: question.action,
    actionDigest: digest,
    decision,
    confidence: question.confidence,
    target,
  };
}
