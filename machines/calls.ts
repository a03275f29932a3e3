/**
 * The boundary of: each machine's calls. Inputs and values of every invoke source, in one place, so
 * that a machine and the binding behind it agree by type.
 */
import type { Json } from "./protocol.ts";
import type {
  Action,
  AnalystReport,
  Approval,
  BlastRadius,
  Decision,
  DetectorReport,
  Entity,
  EventFacts,
  Mode,
  Person,
  Receipt,
  Review,
  TargetState,
} from "./vocabulary.ts";

// ---- detector ----------------------------------------------------------------------------------

export interface RuleCount {
  readonly rule: string;
  readonly source: string;
  readonly count: number;
}

/** `gatherEvidence` -> DetectorReport */
export interface GatherInput {
  readonly case: string;
  readonly entity: Entity;
  readonly facts: readonly EventFacts[];
  readonly counts: readonly RuleCount[];
}

// ---- analyst -----------------------------------------------------------------------------------

/** `classify` (the model) and `classifyByRules` (the table) -> AnalystReading */
export interface ClassifyInput {
  readonly case: string;
  readonly entity: Entity;
  readonly facts: readonly EventFacts[];
  readonly detector: DetectorReport | null;
  readonly maxTokens: number;
  /** The last answer did not fit its schema; this attempt says so to the model. */
  readonly repair: boolean;
}

/** The question a coordinator asks an analyst; the analyst itself sets the cap and the repair. */
export interface AnalyseQuestion extends Omit<ClassifyInput, "maxTokens" | "repair"> {
  /** `rules` when no model is configured, or the case's budget for it is spent. */
  readonly engine: "model" | "rules";
  /** Tokens the case has left for this question, in and out. */
  readonly tokensMax: number;
}

export type AnalystReading = Omit<AnalystReport, "failures" | "schemaRepaired">;

// ---- reviewer ----------------------------------------------------------------------------------

/** `describeTarget` -> TargetState (exists: false for what the cluster does not have) */
export interface DescribeInput {
  readonly action: Action;
}

/** Reasons to lower autonomy that code found, each a check of the policy. */
export interface ReviewFlags {
  readonly injectionSuspected: boolean;
  readonly schemaRepaired: boolean;
  readonly agentsDisagree: boolean;
  readonly budgetSpent: boolean;
  readonly evidenceMissing: boolean;
  /** Another model read a later round of the case than an earlier one. */
  readonly modelChanged: boolean;
}

/** The question a coordinator asks a reviewer. */
export interface ReviewQuestion {
  readonly case: string;
  readonly action: Action;
  readonly entity: Entity;
  readonly origin: "sample" | "live";
  readonly priority: EventFacts["priority"];
  readonly pValue: number;
  readonly events: number;
  readonly techniques: readonly string[];
  readonly confidence: number;
  readonly flags: ReviewFlags;
  /** Of the case's first review; null before it. Another one in force by now is a reason to ask. */
  readonly policyRevision: string | null;
  /** A person's answer, in a second review. */
  readonly approval: Approval | null;
}

/** `evaluateAction` -> Decision */
export interface EvaluateInput {
  readonly question: ReviewQuestion;
  readonly actionDigest: string;
  readonly target: TargetState | null;
}

// ---- remediator --------------------------------------------------------------------------------

/** The question a coordinator asks a remediator. */
export interface RemediationOrder {
  readonly question: ReviewQuestion;
  readonly review: Review;
}

/** `dryRun` -> DryRun */
export interface DryRun {
  readonly version: string;
  readonly diff: readonly string[];
  readonly blast: BlastRadius;
}

/** `act` -> Receipt. The binding evaluates the policy again before it mints the effect. */
export interface ActInput {
  readonly order: RemediationOrder;
  readonly version: string;
  /** The effect's idempotency key: the same for every attempt of this remediator. */
  readonly effectKey: string;
}

/** `verify` -> Verification */
export interface VerifyInput {
  readonly receipt: Receipt;
}
export interface Verification {
  readonly holds: boolean;
}

/** `revert` -> Receipt of the inverse */
export interface RevertInput {
  readonly receipt: Receipt;
  readonly decision: Decision | null;
  readonly because: "command" | "expiry";
  /** As in ActInput; another key than the effect's own. */
  readonly effectKey: string;
}

/** Data of `undo`: the person's command as the policy decided it. */
export interface UndoOrder {
  readonly decision: Decision;
}

// ---- approval ----------------------------------------------------------------------------------

export interface HumanAnswer {
  readonly id: string;
  readonly answer: "approve" | "dismiss" | "investigate";
  readonly person: Person;
  readonly reason: string | null;
  readonly dismissal: Approval["dismissal"];
}

/** `human.undo`: a person wants what the remediators did reversed. */
export interface HumanUndo {
  readonly id: string;
  readonly person: Person;
  readonly reason: string | null;
}

/** The question a coordinator asks an approval actor. */
export interface ApprovalQuestion {
  readonly case: string;
  readonly entity: Entity;
  readonly reviews: readonly Review[];
  readonly mode: Mode | null;
  /** After this nobody's answer counts any more; the approval's own default when it is absent. */
  readonly expiresInMs?: number;
}

/** `approval.accepted`: an answer that counted; said after what it led to. */
export interface ApprovalAccepted {
  readonly id: string;
}

/** `approval.refused`: an answer that did not count, and why. */
export interface ApprovalRefused {
  readonly id: string;
  readonly why: string;
}

/** `authorise` -> Authorisation: may this person answer for these actions? */
export interface AuthoriseInput {
  readonly answer: HumanAnswer;
  readonly reviews: readonly Review[];
  /** People who approved before, for four eyes. */
  readonly approvers: readonly Person[];
}
export interface Authorisation {
  readonly allowed: boolean;
  /** Distinct people needed in all. */
  readonly peopleNeeded: number;
  readonly why: string;
}

/** `investigate` -> Findings: further calls of cluster-read and history, nothing else. */
export interface InvestigateInput {
  readonly case: string;
  readonly entity: Entity;
  readonly actions: readonly Action[];
}
export interface Findings {
  readonly lines: readonly string[];
}

// ---- trainer -----------------------------------------------------------------------------------

/** What a person's answer teaches: about these events, benign or not. */
export interface Label {
  readonly case: string;
  readonly digests: readonly string[];
  readonly benign: boolean;
  readonly dismissal: Approval["dismissal"];
  readonly person: Person;
  readonly at: number;
}

/** `train`: fit now. */
export interface TrainOrder {
  /** Who and what for, in words. */
  readonly why: string;
}
/** `forget`: what this person taught counts no more. */
export interface ForgetOrder {
  readonly user: string;
}

/** `fitCandidate` -> Candidate; `compareCandidate` -> Comparison; `promoteCandidate` -> Promotion */
export interface FitInput {
  readonly labels: readonly Label[];
  /** What asked for it, for the record. */
  readonly why: string;
}
export interface CompareInput {
  readonly candidate: Candidate;
  readonly labels: readonly Label[];
}
export interface PromoteInput {
  readonly candidate: Candidate;
  readonly comparison: Comparison;
  readonly why: string;
}
export interface Candidate {
  /** Its digest. */
  readonly model: string;
  readonly version: number;
  readonly rows: number;
  readonly labels: number;
}
export interface Comparison {
  readonly worse: boolean;
  readonly figures: Json;
}
export interface Promotion {
  readonly model: string;
}

// ---- case events, faults and notices -------------------------------------------------------------

/** `case.event`: one event for a case, or one that stands for several of a storm. */
export interface CaseEvent {
  readonly facts: EventFacts;
  /** Events this message stands for; 1 when absent. */
  readonly events?: number;
}

/** `case.fault`: an envelope became a dead letter; `case` is the one it belonged to. */
export interface CaseFault {
  readonly letter: string;
  readonly actor: string;
  readonly case: string | null;
  readonly code: string;
  readonly at: number;
}

/** `deliverNotice`: what people are told. The same id is the same notice. */
export interface CaseNotice {
  readonly id: string;
  readonly case: string | null;
  readonly kind:
    | "opened"
    | "verdict"
    | "performed"
    | "undone"
    | "waiting"
    | "answered"
    | "closed"
    | "fault"
    | "learning";
  readonly lines: readonly string[];
}
