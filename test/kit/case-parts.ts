/** The boundary of: parts of a case for the tests of the machines: each whole, typed, and boring. */
import { actionDigest } from "../../machines/actions.ts";
import type { AnalyseQuestion, HumanAnswer, ReviewQuestion } from "../../machines/calls.ts";
import type { ScreenedItem } from "../../machines/ingest.types.ts";
import { sha256 } from "../../machines/digest.ts";
import type { FailureData } from "../../machines/protocol.ts";
import {
  NO_USAGE,
  type Action,
  type AnalystReport,
  type Approval,
  type Decision,
  type DetectorReport,
  type Entity,
  type EventFacts,
  type Person,
  type Receipt,
  type Remediation,
  type Review,
  type TargetState,
  type Verdict,
} from "../../machines/vocabulary.ts";

export const CASE = "c-0123456789ab";

export const ENTITY: Entity = {
  key: "shop/cart/web",
  namespace: "shop",
  workload: "cart",
  pod: "cart-7d9f",
  container: "web",
  host: "node-1",
  identity: "complete",
};

export const PERSON: Person = { user: "ada", uid: 1001, as: null };

export function facts(n: number, over: Partial<EventFacts> = {}): EventFacts {
  return {
    digest: sha256(`event ${n}`),
    rule: "Terminal shell in container",
    priority: "notice",
    source: "syscall",
    at: 1_700_000_000_000 + n * 1_000,
    entity: ENTITY,
    tagTechniques: ["T1059"],
    score: 0.7,
    pValue: 0.0005,
    features: [{ name: "rarity", value: 1, contribution: 0.5 }],
    learning: false,
    injectionSuspected: false,
    origin: "sample",
    traceId: sha256(`trace ${n}`).slice(0, 32),
    ...over,
  };
}

export function item(n: number, over: Partial<ScreenedItem> = {}): ScreenedItem {
  const known = facts(n);
  return {
    digest: known.digest,
    rule: known.rule,
    at: known.at,
    traceId: known.traceId,
    gate: "scored",
    facts: known,
    forward: true,
    learning: null,
    ...over,
  };
}

export const ISOLATE: Action = {
  type: "isolate",
  target: { kind: "workload", namespace: "shop", name: "cart" },
  params: {},
};
export const LABEL: Action = {
  type: "label",
  target: { kind: "pod", namespace: "shop", name: "cart-7d9f" },
  params: { key: "watch", value: "true" },
};

export const TARGET: TargetState = {
  exists: true,
  version: "v1",
  criticality: "low",
  labels: {},
  owner: "team",
  blast: { pods: 2, replicasShare: 0.5, services: 1, namespaces: 1 },
  diff: ["+ network policy deny-all for cart"],
};

export function decision(verdict: Verdict, over: Partial<Decision> = {}): Decision {
  return {
    decisionId: `d-${verdict}`,
    verdict,
    reasons: [`because_${verdict}`],
    ruleIds: ["r1"],
    obligations: [],
    parametersUsed: { mode: "enforce" },
    policyRevision: "rev1",
    inputsDigest: sha256(verdict),
    ...over,
  };
}

export function review(action: Action, verdict: Verdict, over: Partial<Decision> = {}): Review {
  return {
    action,
    actionDigest: actionDigest(action),
    decision: decision(verdict, over),
    confidence: 0.9,
    target: TARGET,
  };
}

export function question(action: Action = ISOLATE): ReviewQuestion {
  return {
    case: CASE,
    action,
    entity: ENTITY,
    origin: "sample",
    priority: "critical",
    pValue: 0.0005,
    events: 3,
    techniques: ["T1059"],
    confidence: 0.9,
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
}

export function analyseQuestion(over: Partial<AnalyseQuestion> = {}): AnalyseQuestion {
  return {
    case: CASE,
    entity: ENTITY,
    facts: [facts(1)],
    detector: null,
    engine: "model",
    tokensMax: 100_000,
    ...over,
  };
}

export const DETECTOR: DetectorReport = {
  pValue: 0.0005,
  score: 0.7,
  features: [],
  counts: [],
  priorCases: 0,
  storm: false,
  learning: false,
  priority: "notice",
};

export function report(
  proposals: readonly Action[],
  over: Partial<AnalystReport> = {},
): AnalystReport {
  return {
    attackVersion: "v1",
    techniques: [{ id: "T1059.004", tactic: "execution", because: "rule", evidence: [] }],
    proposals,
    claim: 0.9,
    benign: false,
    injectionSuspected: false,
    schemaRepaired: false,
    usage: NO_USAGE,
    failures: [],
    ...over,
  };
}

export function receipt(action: Action, over: Partial<Receipt> = {}): Receipt {
  return {
    id: "receipt-1",
    idempotencyKey: "key-1",
    action,
    actionDigest: actionDigest(action),
    performedAt: 1_700_000_000_000,
    versionBefore: "v1",
    versionAfter: "v2",
    inverse: { remove: "policy" },
    decisionId: "d-auto_execute",
    ...over,
  };
}

export function remediated(
  action: Action,
  state: Remediation["state"],
  failure: FailureData | null = null,
): Remediation {
  const proof = state === "done" || state === "undone" ? receipt(action) : null;
  return { actionDigest: actionDigest(action), state, receipt: proof, failure };
}

export function answer(kind: HumanAnswer["answer"], over: Partial<HumanAnswer> = {}): HumanAnswer {
  return {
    id: `answer-${kind}`,
    answer: kind,
    person: PERSON,
    reason: null,
    dismissal: null,
    ...over,
  };
}

export function approval(kind: Approval["answer"], over: Partial<Approval> = {}): Approval {
  return {
    answer: kind,
    person: kind === "expired" ? null : PERSON,
    reason: null,
    dismissal: null,
    at: 1_700_000_000_000,
    actionDigests: [],
    ...over,
  };
}
