/**
 * The boundary of: a bundle that loads and one that may serve. Questions with known answers, asked
 * before any other: a policy that gets one of them wrong is not used.
 */
import { digestOf } from "../machines/digest.ts";
import type { Action, Verdict } from "../machines/vocabulary.ts";
import { parseParameters } from "./parameters.ts";
import type { PolicyInput } from "./shapes.ts";

interface SmokeVector {
  readonly name: string;
  readonly input: object;
  readonly verdict: Verdict;
}

/** Beside the shipped parameters, not taken from them: these hold whatever an operator configures. */
export const SMOKE_PARAMETERS = parseParameters(
  JSON.stringify({
    apiVersion: "watchfloor.dev/v1alpha1",
    kind: "ReviewParameters",
    metadata: { name: "smoke" },
    spec: {
      mode: "enforce",
      killSwitch: false,
      autoAllowed: {
        close: ["close_benign"],
        mark: ["label"],
        contain: ["isolate"],
        disrupt: [],
        detect: [],
        network: [],
        undo: [],
      },
      confidenceFloor: byClass(0.8),
      blastRadius: byClass({ podsMax: 1, replicasShareMax: 1, servicesMax: 1, namespacesMax: 1 }),
      assets: {
        criticalityAuto: ["low"],
        alwaysEscalateNamespaces: ["kube-system"],
        alwaysEscalateNames: [],
        alwaysEscalateLabels: {},
        platformNamespaces: [],
      },
      close: { eventsMax: 5, pValueMin: 0.001 },
      alertBudget: 0.001,
      shedding: { depthFrom: 10000, depthTo: 80000, shareMin: 0.1 },
      rateLimits: byClass({ perHourMax: 10 }),
      undoAfterMs: { contain: 60_000 },
      approval: { validMs: 60_000, people: byClass(["*"]), peopleNeeded: byClass(1) },
    },
  }),
  "smoke parameters",
);

function byClass<T>(value: T) {
  return {
    close: value,
    mark: value,
    contain: value,
    disrupt: value,
    detect: value,
    network: value,
    undo: value,
  };
}

const ISOLATE: Action = {
  type: "isolate",
  target: { kind: "pod", namespace: "shop", name: "cart-0" },
  params: {},
};

const EXECUTES: PolicyInput = {
  question: {
    case: "c-000000000000",
    action: ISOLATE,
    entity: {
      key: "shop/cart/cart",
      namespace: "shop",
      workload: "cart",
      pod: "cart-0",
      container: "cart",
      host: null,
      identity: "complete",
    },
    origin: "live",
    priority: "critical",
    pValue: 0.001,
    events: 3,
    techniques: ["T1059.004"],
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
  },
  actionDigest: digestOf({ ...ISOLATE }),
  target: {
    exists: true,
    version: "1",
    criticality: "low",
    labels: {},
    owner: null,
    blast: { pods: 1, replicasShare: 0.5, services: 1, namespaces: 1 },
    diff: [],
  },
  at: 1_700_000_000_000,
  recentEffects: 0,
  policyRevision: "smoke",
};

const { question } = EXECUTES;

export const SMOKE_VECTORS: readonly SmokeVector[] = [
  { name: "all checks hold", verdict: "auto_execute", input: EXECUTES },
  {
    name: "confidence below its floor",
    verdict: "escalate",
    input: { ...EXECUTES, question: { ...question, confidence: 0.79 } },
  },
  {
    name: "confidence as text",
    verdict: "escalate",
    input: { ...EXECUTES, question: { ...question, confidence: "low" } },
  },
  { name: "nothing at all", verdict: "escalate", input: {} },
  {
    name: "another pod than the entity's",
    verdict: "auto_reject",
    input: {
      ...EXECUTES,
      question: { ...question, entity: { ...question.entity, pod: "cart-1" } },
    },
  },
];
