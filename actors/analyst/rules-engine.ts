/**
 * The boundary of: the reading without a model. Rule, tags and fields through tables; the same
 * input always gives the same reading, and its usage says that no model was asked.
 */
import type { AnalystReading, ClassifyInput } from "../../machines/calls.ts";
import {
  NO_USAGE,
  PRIORITIES,
  type Entity,
  type EventFacts,
  type FalcoEvent,
  type TechniqueClaim,
} from "../../machines/vocabulary.ts";
import { remoteAddress } from "./address.ts";
import { ATTACK_VERSION, isKnown, sameFamily, tacticOf, techniqueOf } from "./attack.ts";
import { IMPACTS, stronger, weaker, type Impact, type Response } from "./impact.ts";
import { meaningOfRule, techniquesOfTags } from "./mapping.ts";
import { proposalsFor } from "./proposals.ts";
import { meaningsOfFields } from "./signals.ts";

/** What the tables give for a case. */
export interface Assessment {
  readonly techniques: readonly TechniqueClaim[];
  readonly impacts: readonly Impact[];
  readonly response: Response;
  /** In [0, 1]. */
  readonly claim: number;
  readonly benign: boolean;
  /** Of the event that weighs most: its names are the targets. */
  readonly entity: Entity;
  readonly address: string | null;
}

const TECHNIQUES_MAX = 16;

/** `evidence` has one entry for each of `input.facts`; null where the event is no longer kept. */
export function classifyByRules(
  input: ClassifyInput,
  evidence: readonly (FalcoEvent | null)[],
): AnalystReading {
  const assessment = assess(input, evidence);
  return {
    attackVersion: ATTACK_VERSION,
    techniques: assessment.techniques,
    proposals: proposalsFor({ ...assessment, case: input.case }),
    claim: assessment.claim,
    benign: assessment.benign,
    injectionSuspected: input.facts.some((fact) => fact.injectionSuspected),
    usage: NO_USAGE,
  };
}

export function assess(input: ClassifyInput, evidence: readonly (FalcoEvent | null)[]): Assessment {
  const readings = input.facts.map((fact, n) => readEvent(fact, evidence[n] ?? null));
  const lead = readings.toSorted(heaviestFirst)[0];
  const techniques = mergeClaims(readings.flatMap((reading) => reading.techniques));
  const benign = techniques.length === 0 && looksOrdinary(input);
  return {
    techniques,
    impacts: [...new Set(readings.flatMap((reading) => reading.impacts))].toSorted(byWeight),
    response: benign ? "none" : (lead?.response ?? "none"),
    claim: benign ? BENIGN_CLAIM : claimOf(readings, techniques),
    benign,
    entity: lead === undefined ? input.entity : entityOf(input, lead.fact),
    address: lead?.address ?? null,
  };
}

// ---- One event ---------------------------------------------------------------------------------

interface EventReading {
  readonly fact: EventFacts;
  readonly techniques: readonly TechniqueClaim[];
  readonly impacts: readonly Impact[];
  readonly response: Response;
  readonly strength: number;
  readonly address: string | null;
}

function readEvent(fact: EventFacts, event: FalcoEvent | null): EventReading {
  const rule = meaningOfRule(fact.rule);
  const shown = event === null ? [] : meaningsOfFields(event);
  const fromTags =
    event === null ? fact.tagTechniques.filter(isKnown) : techniquesOfTags(event.tags);
  const fromFields = shown.flatMap((meaning) => meaning.techniques);
  // What a command line merely mentions is named, and counts for nothing.
  const solid = shown
    .filter(({ impact }) => impact !== "none")
    .flatMap(({ techniques }) => techniques);
  const strength = strengthOf(fact, event, rule?.techniques ?? [], fromTags, solid);
  const meanings = rule === null ? shown : [rule, ...shown];
  const wanted = meanings.reduce<Response>(
    (most, { response }) => stronger(most, response),
    "none",
  );
  const unknown = meanings.length === 0 ? "mark" : wanted;
  return {
    fact,
    techniques: [
      ...claims(rule?.techniques ?? [], "rule", fact.digest),
      ...claims(fromTags, "tag", fact.digest),
      ...claims(fromFields, "field", fact.digest),
    ],
    impacts: meanings.map(({ impact }) => impact).filter((impact) => impact !== "none"),
    response: weaker(unknown, mostFor(strength)),
    strength,
    address: event === null ? null : remoteAddress(event),
  };
}

function claims(
  ids: readonly string[],
  because: TechniqueClaim["because"],
  digest: string,
): TechniqueClaim[] {
  return ids.flatMap((id) => {
    const technique = techniqueOf(id);
    return technique === null
      ? []
      : [{ id, tactic: tacticOf(technique), because, evidence: [digest] }];
  });
}

// ---- Strength ----------------------------------------------------------------------------------

const STRENGTH = {
  rule: 0.5,
  tagAlone: 0.4,
  fieldAlone: 0.35,
  nothing: 0.2,
  agreement: 0.15,
  rare: 0.1,
  unusual: 0.05,
  learning: -0.15,
  evidenceMissing: -0.1,
  manyTactics: 0.05,
} as const;
const BENIGN_CLAIM = 0.6;
const P_RARE = 0.001;
const P_UNUSUAL = 0.01;
/** Under this the workload does such things too seldom to call it ordinary. */
const P_ORDINARY = 0.005;

/** Sources that say the same add up; one that is alone counts less. */
function strengthOf(
  fact: EventFacts,
  event: FalcoEvent | null,
  rule: readonly string[],
  tags: readonly string[],
  fields: readonly string[],
): number {
  const rarity =
    fact.pValue <= P_RARE ? STRENGTH.rare : fact.pValue <= P_UNUSUAL ? STRENGTH.unusual : 0;
  return (
    firstSource(rule, tags, fields) +
    agreements(rule, tags, fields) * STRENGTH.agreement +
    rarity +
    (fact.learning ? STRENGTH.learning : 0) +
    (event === null ? STRENGTH.evidenceMissing : 0)
  );
}

type Ids = readonly string[];

function firstSource(rule: Ids, tags: Ids, fields: Ids): number {
  if (rule.length > 0) return STRENGTH.rule;
  if (tags.length > 0) return STRENGTH.tagAlone;
  return fields.length > 0 ? STRENGTH.fieldAlone : STRENGTH.nothing;
}

function agreements(rule: Ids, tags: Ids, fields: Ids): number {
  const agree = (a: Ids, b: Ids): number =>
    a.some((id) => b.some((other) => sameFamily(id, other))) ? 1 : 0;
  return rule.length > 0 ? agree(rule, tags) + agree(rule, fields) : agree(tags, fields);
}

/** Weak evidence marks, fair evidence contains, only strong evidence disrupts. */
function mostFor(strength: number): Response {
  if (strength < 0.45) return "mark";
  return strength < 0.6 ? "contain" : "disrupt";
}

function claimOf(readings: readonly EventReading[], techniques: readonly TechniqueClaim[]): number {
  const best = Math.max(STRENGTH.nothing, ...readings.map((reading) => reading.strength));
  // An intrusion is several kinds of event; one kind repeated is often an operator.
  const kinds = new Set(
    techniques.filter(({ because }) => because === "rule").map(({ tactic }) => tactic),
  );
  const sum = best + (kinds.size > 1 ? STRENGTH.manyTactics : 0);
  return Math.round(Math.min(0.95, Math.max(0.05, sum)) * 100) / 100;
}

// ---- The case ----------------------------------------------------------------------------------

/** Without a technique: the workload is still being learnt, or this is not rare enough to matter. */
function looksOrdinary(input: ClassifyInput): boolean {
  const grave = PRIORITIES.indexOf("error");
  return (
    input.facts.length > 0 &&
    input.facts.every(
      ({ learning, pValue, priority }) =>
        (learning || pValue > P_ORDINARY) && PRIORITIES.indexOf(priority) > grave,
    )
  );
}

function heaviestFirst(a: EventReading, b: EventReading): number {
  if (a.response !== b.response) return stronger(a.response, b.response) === a.response ? -1 : 1;
  return b.strength - a.strength;
}

function byWeight(a: Impact, b: Impact): number {
  return IMPACTS.indexOf(b) - IMPACTS.indexOf(a);
}

/** The event's own pod, where it is of the case's entity. */
function entityOf(input: ClassifyInput, fact: EventFacts): Entity {
  return fact.entity.key === input.entity.key ? fact.entity : input.entity;
}

const SOURCES = ["rule", "tag", "field", "model"] as const;
const EVIDENCE_MAX = 8;

/** One claim a technique, by its best source, with all its evidence. */
function mergeClaims(all: readonly TechniqueClaim[]): TechniqueClaim[] {
  const merged = new Map<string, TechniqueClaim>();
  for (const claim of all.toSorted(
    (a, b) => SOURCES.indexOf(a.because) - SOURCES.indexOf(b.because),
  )) {
    const known = merged.get(claim.id);
    const evidence = [...new Set([...(known?.evidence ?? []), ...claim.evidence])];
    merged.set(claim.id, { ...(known ?? claim), evidence: evidence.slice(0, EVIDENCE_MAX) });
  }
  return [...merged.values()].slice(0, TECHNIQUES_MAX);
}
