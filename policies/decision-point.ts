/**
 * The boundary of: a question and a decision that counts. A decision is written to the log before
 * anyone sees it; what cannot be written is not decided, and so escalated or refused.
 */
import type { Authorisation, AuthoriseInput, EvaluateInput } from "../machines/calls.ts";
import { digestOf } from "../machines/digest.ts";
import { WatchfloorError } from "../machines/errors.ts";
import { asJson } from "../machines/step.ts";
import { ACTION_CLASSES, type Action, type Decision } from "../machines/vocabulary.ts";
import { approvalEntry, reviewEntry, type Asked, type DecisionSink } from "./decision-log.ts";
import { authorise, decide, policyInput, refusal, type PolicyEngine } from "./engine.ts";
import { RateWindow } from "./rate-window.ts";

declare const logged: unique symbol;

/** A decision that is in the log. Only this file makes one. */
export type LoggedDecision = Decision & { readonly [logged]: true };

export interface DecisionPoint {
  /** The engine in force: asked for at each decision. */
  engine(): PolicyEngine;
  /** Rejects with `decision_not_logged`; anything else is a verdict. */
  decideLogged(input: EvaluateInput, asked: Asked): Promise<LoggedDecision>;
  /** Never rejects: a decision that is not logged is an escalation that says so. */
  decide(input: EvaluateInput, asked: Asked): Promise<Decision>;
  /** Never rejects: whoever cannot be judged, or on the record, is refused. */
  authorise(input: AuthoriseInput, asked: Asked): Promise<Authorisation>;
  /** Counts an effect against its class's rate limit. */
  performs(action: Action): void;
}

export interface DecisionPointOptions {
  readonly engine: () => PolicyEngine;
  readonly log: DecisionSink;
  readonly clock: { now(): number; steady(): number };
  readonly recent?: RateWindow;
}

export function createDecisionPoint(options: DecisionPointOptions): DecisionPoint {
  const { engine, clock, recent = new RateWindow() } = options;
  const decideLogged: DecisionPoint["decideLogged"] = async (input, asked) => {
    // One engine for the decision and its record, whatever comes into force in between.
    const inForce = engine();
    const at = clock.now();
    const circumstances = { at, recentEffects: countOf(recent, input, at) };
    const begun = clock.steady();
    const decision = await decide(inForce, input, circumstances);
    const evalNs = Math.round((clock.steady() - begun) * 1e6);
    const full = policyInput(inForce, input, circumstances);
    await write(options, reviewEntry(inForce, full, decision, { ...asked, at, evalNs }));
    return decision as LoggedDecision;
  };
  return {
    engine,
    decideLogged,
    decide: async (input, asked) => {
      try {
        return await decideLogged(input, asked);
      } catch {
        return unlogged(engine(), clock.now());
      }
    },
    authorise: (input, asked) => authoriseLogged(options, input, asked),
    performs: (action) => recent.add(ACTION_CLASSES[action.type], clock.now()),
  };
}

async function authoriseLogged(
  options: DecisionPointOptions,
  input: AuthoriseInput,
  asked: Asked,
): Promise<Authorisation> {
  const { engine, clock } = options;
  const inForce = engine();
  const at = clock.now();
  const begun = clock.steady();
  const answer = await authorise(inForce, input);
  const evalNs = Math.round((clock.steady() - begun) * 1e6);
  try {
    const decisionId = digestOf([digestOf(asJson(input)), inForce.revision, at]);
    const facts = { ...asked, at, evalNs };
    await write(options, approvalEntry(inForce, decisionId, input, answer, facts));
    return answer;
  } catch {
    return refusal(new WatchfloorError("decision_not_logged").message);
  }
}

async function write({ log }: DecisionPointOptions, entry: Parameters<DecisionSink["write"]>[0]) {
  try {
    await log.write(entry);
  } catch (cause) {
    throw new WatchfloorError("decision_not_logged", {}, { cause });
  }
}

/** Input without a known action counts nothing; the policy escalates it for what it is. */
function countOf(recent: RateWindow, input: EvaluateInput, at: number): number {
  const type = (input as { question?: { action?: { type?: unknown } } } | null)?.question?.action
    ?.type;
  const known = typeof type === "string" && Object.hasOwn(ACTION_CLASSES, type);
  return known ? recent.count(ACTION_CLASSES[type as Action["type"]], at) : 0;
}

function unlogged(engine: PolicyEngine, at: number): Decision {
  const inputsDigest = digestOf([at, engine.revision]);
  return {
    decisionId: `unlogged-${inputsDigest.slice(0, 16)}`,
    verdict: "escalate",
    reasons: ["decision_not_logged"],
    ruleIds: ["default"],
    obligations: [],
    parametersUsed: {},
    policyRevision: engine.revision,
    inputsDigest,
  };
}
