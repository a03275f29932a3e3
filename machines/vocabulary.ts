/**
 * The boundary of: what a case is made of. Every type here is safe to show, to log and to give to
 * a policy: enums, ids, numbers and names that were checked against a grammar. Text from events is
 * `Untrusted` and stays in the evidence store; a case knows it only by its digest.
 */
import type { FailureData, JsonObject } from "./protocol.ts";

declare const untrusted: unique symbol;
/** Text an attacker may have written. It is shown escaped, or read in quarantine; it never steers. */
export type Untrusted = string & { readonly [untrusted]: true };
export function asUntrusted(text: string): Untrusted {
  return text as Untrusted;
}

export const PRIORITIES = [
  "emergency",
  "alert",
  "critical",
  "error",
  "warning",
  "notice",
  "informational",
  "debug",
] as const;
export type Priority = (typeof PRIORITIES)[number];

export type FieldValue = string | number | boolean | null;

/** A Falco event as the sources hand it on: typed, bounded, and hostile in every string. */
export interface FalcoEvent {
  /** sha256 over hostname, source, rule, time and the sorted output fields; the event's identity. */
  readonly digest: string;
  /** Nanoseconds since the epoch, from the `time` string, as a decimal string (over 2^53). */
  readonly timeNs: string;
  readonly rule: Untrusted;
  readonly priority: Priority;
  readonly source: Untrusted;
  readonly hostname: Untrusted;
  readonly tags: readonly Untrusted[];
  readonly output: Untrusted;
  /** `null`, `"<NA>"` and `""` are all null here. */
  readonly fields: Readonly<Record<string, Untrusted | number | boolean | null>>;
  /** Metrics snapshots and Falco's own messages: routed, never scored. */
  readonly internal: boolean;
}

/** What an event happened to. Names that fail their grammar are dropped and lower `identity`. */
export interface Entity {
  /** `namespace/workload/container`, else `host/<name>`. */
  readonly key: string;
  readonly namespace: string | null;
  readonly workload: string | null;
  readonly pod: string | null;
  readonly container: string | null;
  readonly host: string | null;
  readonly identity: "complete" | "partial" | "missing";
}

export interface FeatureContribution {
  readonly name: string;
  readonly value: number;
  /** Share of this feature in the score, in [-1, 1]; positive drives the score up. */
  readonly contribution: number;
}

/** What a case knows of one event. */
export interface EventFacts {
  readonly digest: string;
  /** Rule name, only of characters `[A-Za-z0-9 _.,:/()-]`, at most 128; others become `_`. */
  readonly rule: string;
  readonly priority: Priority;
  readonly source: string;
  readonly at: number;
  readonly entity: Entity;
  /** Technique ids in the event's tags that exist in the table. */
  readonly tagTechniques: readonly string[];
  readonly score: number;
  readonly pValue: number;
  readonly features: readonly FeatureContribution[];
  /** The workload is in its learning window: novelty is evidence, not a reason of its own. */
  readonly learning: boolean;
  /** Text in the event resembles instructions to a model, by scanner. Lowers autonomy only. */
  readonly injectionSuspected: boolean;
  /** `sample`: from the bundled day, against the simulated cluster. */
  readonly origin: "sample" | "live";
  readonly traceId: string;
}

export type Gate = "screened" | "forwarded" | "grouped" | "duplicate" | "internal" | "rejected";
export const VERDICTS = ["auto_execute", "auto_reject", "escalate"] as const;
export type Verdict = (typeof VERDICTS)[number];
export const MODES = ["observe", "recommend", "enforce"] as const;
export type Mode = (typeof MODES)[number];

/** The recorded fate of one accepted event at the gate; the rest of its fate is its case's. */
export interface EventOutcome {
  readonly digest: string;
  readonly rule: string;
  readonly gate: Gate;
  readonly score: number | null;
  readonly pValue: number | null;
  readonly case: string | null;
  readonly traceId: string;
  readonly at: number;
}

// ---- Actions -----------------------------------------------------------------------------------

export type Target =
  | { readonly kind: "case"; readonly id: string }
  | { readonly kind: "pod"; readonly namespace: string; readonly name: string }
  | { readonly kind: "workload"; readonly namespace: string; readonly name: string }
  | { readonly kind: "node"; readonly name: string }
  | { readonly kind: "service_account"; readonly namespace: string; readonly name: string }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "zone"; readonly name: string };

export const ACTION_CLASSES = {
  close_benign: "close",
  reopen: "close",
  label: "mark",
  annotate: "mark",
  isolate: "contain",
  block_egress: "contain",
  terminate: "disrupt",
  scale_to_zero: "disrupt",
  cordon: "disrupt",
  revoke_token: "disrupt",
  deploy_rule: "detect",
  tune_rule: "detect",
  firewall_change: "network",
  undo: "undo",
} as const;
export type ActionType = keyof typeof ACTION_CLASSES;
export type ActionClass = (typeof ACTION_CLASSES)[ActionType];

/** A typed change. `params` hold only enums, ids, numbers and checked addresses, never event text. */
export interface Action {
  readonly type: ActionType;
  readonly target: Target;
  readonly params: JsonObject;
}

/** `kind/namespace/name` of a target, for people. */
export function targetName(target: Target): string {
  if (target.kind === "case") return `case/${target.id}`;
  if ("namespace" in target) return `${target.kind}/${target.namespace}/${target.name}`;
  return `${target.kind}/${target.name}`;
}

export interface BlastRadius {
  readonly pods: number;
  readonly replicasShare: number;
  readonly services: number;
  readonly namespaces: number;
}

/** What the cluster says of a target, before anything is decided. */
export interface TargetState {
  readonly exists: boolean;
  /** Changes whenever the object changes. */
  readonly version: string;
  readonly criticality: "low" | "medium" | "high" | "unknown";
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: string | null;
  readonly blast: BlastRadius;
  /** One line a field of what would change. */
  readonly diff: readonly string[];
}

/** Proof of a performed effect, with what undoes it. */
export interface Receipt {
  readonly id: string;
  readonly idempotencyKey: string;
  readonly action: Action;
  readonly actionDigest: string;
  readonly performedAt: number;
  readonly versionBefore: string;
  readonly versionAfter: string;
  /** The inverse, or null where there is none. */
  readonly inverse: JsonObject | null;
  readonly decisionId: string;
}

// ---- What the agents answer --------------------------------------------------------------------

export interface ModelUsage {
  readonly engine: "rules" | "model";
  readonly model: string | null;
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Millionths of a US dollar. */
  readonly costMicroUsd: number;
}

export const NO_USAGE: ModelUsage = {
  engine: "rules",
  model: null,
  calls: 0,
  inputTokens: 0,
  outputTokens: 0,
  costMicroUsd: 0,
};

export interface DetectorReport {
  readonly pValue: number;
  readonly score: number;
  readonly features: readonly FeatureContribution[];
  /** Events of this case by rule and source. */
  readonly counts: readonly {
    readonly rule: string;
    readonly source: string;
    readonly count: number;
  }[];
  /** Earlier cases of the entity. */
  readonly priorCases: number;
  readonly storm: boolean;
  readonly learning: boolean;
  readonly priority: Priority;
}

export interface TechniqueClaim {
  /** ATT&CK id that exists in the table of `attackVersion`. */
  readonly id: string;
  readonly tactic: string;
  /** Why, as a code: the tag, the rule, or the field that led here. */
  readonly because: "rule" | "tag" | "field" | "model";
  readonly evidence: readonly string[];
}

export interface AnalystReport {
  readonly attackVersion: string;
  readonly techniques: readonly TechniqueClaim[];
  readonly proposals: readonly Action[];
  /** The analyst's own claim in [0, 1]; never used as confidence without calibration. */
  readonly claim: number;
  readonly benign: boolean;
  readonly injectionSuspected: boolean;
  readonly schemaRepaired: boolean;
  readonly usage: ModelUsage;
  /** Every failed attempt, in order: visible in the case. */
  readonly failures: readonly FailureData[];
}

/** The policy's answer for one action. */
export interface Decision {
  readonly decisionId: string;
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
  readonly ruleIds: readonly string[];
  /** `record_only`: nothing may be performed. `undo_after:<ms>`: undone by expiry. */
  readonly obligations: readonly string[];
  readonly parametersUsed: JsonObject;
  readonly policyRevision: string;
  readonly inputsDigest: string;
}

export interface Review {
  readonly action: Action;
  readonly actionDigest: string;
  readonly decision: Decision;
  readonly confidence: number;
  readonly target: TargetState | null;
}

export interface Remediation {
  readonly actionDigest: string;
  readonly state: "done" | "failed" | "undone" | "skipped";
  readonly receipt: Receipt | null;
  readonly failure: FailureData | null;
}

export const DISMISSALS = ["false_positive", "expected", "true_handled", "wrong_action"] as const;
export type Dismissal = (typeof DISMISSALS)[number];

/** Who answered, as the operating system says; `as` is a note of theirs, never an identity. */
export interface Person {
  readonly user: string;
  readonly uid: number;
  readonly as: string | null;
}

/** A human's answer, bound to the digests it was asked about. */
export interface Approval {
  readonly answer: "approve" | "dismiss" | "expired";
  readonly person: Person | null;
  readonly reason: string | null;
  readonly dismissal: Dismissal | null;
  readonly at: number;
  readonly actionDigests: readonly string[];
}

/** `cases --json`, and the heart of what people see of a case. */
export interface CaseSummary {
  readonly case: string;
  readonly entity: string;
  readonly openedAt: number;
  readonly updatedAt: number;
  readonly state: string;
  readonly verdict: Verdict | null;
  readonly reasons: readonly string[];
  readonly rules: readonly string[];
  readonly events: number;
  readonly pValue: number;
  readonly techniques: readonly string[];
  readonly actions: readonly CaseAction[];
  /** What a person is asked, while one is. */
  readonly waitingFor: "approval" | null;
  readonly expiresAt: number | null;
  readonly mode: Mode;
  readonly usage: ModelUsage;
  readonly failures: readonly string[];
  readonly traceId: string;
  /** The last command of a person that was taken. */
  readonly lastCommand?: LastCommand | null;
}

export interface LastCommand {
  readonly id: string;
  readonly accepted: boolean;
  /** Why it was refused, as a code or a short safe text. */
  readonly code: string | null;
}

export interface CaseAction {
  readonly type: ActionType;
  readonly target: string;
  readonly digest: string;
  readonly verdict: Verdict | null;
  readonly state: "proposed" | "done" | "skipped" | "waiting" | "failed" | "undone";
  readonly diff: readonly string[];
}
