/**
 * The boundary of: the gate. Events go in, items come out, each with its fate at the gate. Only
 * here does an event become a ScoredEvent. Equal events after an equal checkpoint give equal items.
 */
import { WatchfloorError } from "../machines/errors.ts";
import type { Envelope, JsonObject } from "../machines/protocol.ts";
import {
  PRIORITIES,
  type Entity,
  type EventFacts,
  type FalcoEvent,
  type FeatureContribution,
  type Priority,
} from "../machines/vocabulary.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { entityOf, safeRule, safeSource, tagTechniques, workloadKey } from "./entity.ts";
import { atMsOf, COLUMNS, FEATURES, FeatureExtractor } from "./features.ts";
import { familiarRow, type Judge } from "./fitting.ts";
import type { RuleGaps } from "./gaps.ts";
import { injectionSuspected } from "./injection.ts";
import { LearningWindows } from "./learning.ts";
import type { Model } from "./model.ts";
import { RecentRows } from "./recent.ts";
import { cutOf, pValueOf } from "./threshold.ts";

declare const scored: unique symbol;
/** Facts with a score of this gate. No other room can make one. */
export type ScoredEvent = EventFacts & { readonly [scored]: true };

/** What an envelope to the gate carries. */
export interface SourceEvent {
  readonly event: FalcoEvent;
  readonly origin: "sample" | "live";
}

export interface ScreenedItem {
  readonly digest: string;
  /** Safe to show. */
  readonly rule: string;
  /** Event time, ms since the epoch. */
  readonly at: number;
  readonly traceId: string;
  readonly gate: "scored" | "duplicate" | "internal";
  /** Of scored items. Contributions only where forwarded: the rest is nobody's case. */
  readonly facts: ScoredEvent | null;
  readonly forward: boolean;
  /** On the event that starts its workload's learning window. */
  readonly learning: { readonly workload: string; readonly untilMs: number } | null;
}

/** JSON as it stands: it can be an event's data. */
export type Screening = JsonObject & { readonly items: readonly ScreenedItem[] };

export interface ScreenerOptions {
  /** A function is asked before each batch: another model serves from the next batch on, whole. */
  readonly model: Model | (() => Model);
  /** Share of ordinary events that may be forwarded; default 0.001. Asked as `model` is. */
  readonly budget?: number | (() => number);
  /** Event time a new workload learns for; default 24 h, 0 for never. */
  readonly learningMs?: number;
  /** Events of this priority or a higher one are forwarded whatever they score; default critical. */
  readonly priorityFloor?: Priority;
  /** Told of each judged event: its row as it stands, what the whole model scored, and its fate. */
  readonly judged?: (row: Float32Array, score: number, atMs: number, forwarded: boolean) => void;
}

export interface Screener {
  /** null: as after the baseline. @throws `model_unreadable`; the screener stays as it was */
  restore(checkpoint: Uint8Array | null): void;
  /** One item for each envelope, in order. A known one, or a repeat in the batch, is a duplicate. */
  apply(envelopes: readonly Envelope[], known: readonly boolean[]): Screening;
  checkpoint(): Uint8Array;
  /** Rows scored lately and not forwarded, one after another; forgotten at a restart. */
  recentRows(): Float32Array;
  /** Gauges: fields that events of each rule lacked since start. */
  fieldGaps(): Readonly<Record<string, RuleGaps>>;
}

const FORMAT = { kind: "GATE", version: 1 };
const DAY_MS = 86_400_000;
const TOP_FEATURES = 5;
/**
 * What a learning workload does is judged apart from how new it is. What is done must be rare by
 * itself, within twice the budget since six of seventeen features are silent; or at least unusual,
 * and then its novelty counts as well. Novelty alone is not enough.
 */
const RARE_BUDGETS = 2;
const UNUSUAL_SHARE = 0.02;
/** Room for the rows of a usual batch; a larger one makes more. */
const BATCH_ROWS = 512;

/** @throws `option_invalid` */
export function createScreener(options: ScreenerOptions): Screener {
  const { learningMs = DAY_MS, priorityFloor = "critical" } = options;
  const budget = asked(options.budget ?? 1e-3);
  checkBudget(budget());
  if (!(Number.isFinite(learningMs) && learningMs >= 0)) {
    throw new WatchfloorError("option_invalid", {
      option: "learningMs",
      rule: "must be 0 or more",
    });
  }
  const { judged = () => {} } = options;
  const settings = { model: asked(options.model), budget, learningMs, priorityFloor, judged };
  let gate = new Gate(settings);
  return {
    restore: (checkpoint) => {
      const restored = new Gate(settings);
      if (checkpoint !== null) restored.load(checkpoint);
      gate = restored;
    },
    apply: (envelopes, known) => gate.apply(envelopes, known),
    checkpoint: () => gate.save(),
    recentRows: () => gate.recent.all(),
    fieldGaps: () => gate.extractor.fieldGaps(),
  };
}

function asked<T extends object | number>(value: T | (() => T)): () => T {
  return typeof value === "function" ? (value as () => T) : () => value;
}

function checkBudget(budget: number): void {
  if (budget > 0 && budget < 1) return;
  throw new WatchfloorError("option_invalid", { option: "budget", rule: "must be in (0, 1)" });
}

/** An event that was measured and learnt, and is not judged yet. */
interface Measured {
  readonly event: FalcoEvent;
  readonly origin: SourceEvent["origin"];
  readonly traceId: string;
  readonly at: number;
  readonly entity: Entity;
  readonly workload: string;
  readonly window: ReturnType<LearningWindows["enter"]> | null;
  readonly row: Float32Array;
}

interface Judgement {
  readonly score: number;
  readonly pValue: number;
  readonly novel: boolean;
}

interface GateSettings {
  readonly model: () => Model;
  readonly budget: () => number;
  readonly learningMs: number;
  readonly priorityFloor: Priority;
  readonly judged: NonNullable<ScreenerOptions["judged"]>;
}

class Gate {
  extractor: FeatureExtractor;
  readonly recent = new RecentRows();
  private readonly settings: GateSettings;
  private model: Model;
  private budget = 0;
  private windows: LearningWindows;
  private cuts = { full: 0, familiar: 0 };
  private readonly floor: number;
  /** Of the batch under way, one after another. */
  private rows = new Float32Array(BATCH_ROWS * COLUMNS);
  private readonly familiar = new Float32Array(COLUMNS);

  constructor(settings: GateSettings) {
    this.settings = settings;
    this.floor = PRIORITIES.indexOf(settings.priorityFloor);
    this.model = settings.model();
    this.extractor = begun(this.model);
    this.windows = new LearningWindows(this.model.workloads, settings.learningMs);
    this.consult();
  }

  /** What serves and what may be spent, as of now: once a batch, so that no event sees two of them. */
  private consult(): void {
    const model = this.settings.model();
    const budget = this.settings.budget();
    if (model === this.model && budget === this.budget) return;
    const before = this.model;
    this.model = model;
    this.budget = budget;
    // What was seen since stays known, unless the new model was taught in another memory.
    if (model.seed !== before.seed || !sameBytes(model.memory, before.memory)) {
      this.extractor = begun(model);
      this.windows = this.windows.under(model.workloads);
    }
    this.cuts = {
      full: cutOf(model.full.calibration, budget),
      familiar: cutOf(model.familiar.calibration, budget * RARE_BUDGETS),
    };
  }

  apply(envelopes: readonly Envelope[], known: readonly boolean[]): Screening {
    this.consult();
    const measured: Measured[] = [];
    const seen = new Set<string>();
    const ways = envelopes.map((envelope, i) => {
      const { event, origin } = envelope.data as unknown as SourceEvent;
      const repeated = known[i] === true || seen.has(event.digest);
      seen.add(event.digest);
      const traceId = traceIdOf(envelope.traceparent, event.digest);
      if (repeated || event.internal)
        return unscored(event, traceId, repeated ? "duplicate" : "internal");
      measured.push(this.measure(event, origin, traceId, measured.length));
      return null;
    });
    const items = this.judged(measured);
    let next = 0;
    return { items: ways.map((item) => item ?? items[next++]!) } as unknown as Screening;
  }

  save(): Uint8Array {
    const writer = new ByteWriter();
    writer.f64(this.model.seed);
    writer.block(this.extractor.save());
    this.windows.save(writer);
    return writer.seal(FORMAT);
  }

  load(checkpoint: Uint8Array): void {
    const reader = new ByteReader(checkpoint, FORMAT);
    if (reader.f64() !== this.model.seed) throw reader.broken("it was made under another seed");
    this.extractor.load(reader.block());
    this.windows.load(reader);
    reader.end();
  }

  /** Into the batch's rows. An event is learnt before the next one is measured, whatever it scores. */
  private measure(
    event: FalcoEvent,
    origin: SourceEvent["origin"],
    traceId: string,
    index: number,
  ): Measured {
    const at = atMsOf(event);
    const entity = entityOf(event);
    if (this.rows.length < (index + 1) * COLUMNS) this.rows = grown(this.rows);
    const row = this.rows.subarray(index * COLUMNS, (index + 1) * COLUMNS);
    this.extractor.measure(event, entity, at, row);
    const workload = workloadKey(entity);
    // What cannot be named cannot be learnt either: such an event is judged in full.
    const window = entity.identity === "missing" ? null : this.windows.enter(workload, at);
    this.extractor.learn();
    return { event, origin, traceId, at, entity, workload, window, row };
  }

  private judged(measured: readonly Measured[]): readonly ScreenedItem[] {
    const scores = new Float32Array(measured.length);
    this.model.full.forest.scoreBatch(this.rows.subarray(0, scores.length * COLUMNS), scores);
    return measured.map((one, i) => {
      const item = this.itemOf(one, this.judge(one, scores[i]!));
      this.settings.judged(one.row, scores[i]!, one.at, item.forward);
      return item;
    });
  }

  /** Score and p-value are those of what was judged: without rarities while learning. */
  private judge({ event, row, window }: Measured, taught: number): Judgement {
    const { full, familiar, medians } = this.model;
    const score = unhidden(full, row, event.priority, taught);
    const pValue = pValueOf(full.calibration, score);
    const novel = pValue <= this.cuts.full;
    if (!window?.learning) return { score, pValue, novel };
    this.familiar.set(row);
    familiarRow(this.familiar, medians);
    const known = familiar.forest.scoreOne(this.familiar);
    const done = unhidden(familiar, this.familiar, event.priority, known);
    const donePValue = pValueOf(familiar.calibration, done);
    const rare = donePValue <= this.cuts.familiar;
    const forward = rare || (novel && donePValue <= UNUSUAL_SHARE);
    return { score: done, pValue: donePValue, novel: forward };
  }

  private itemOf(measured: Measured, { score, pValue, novel }: Judgement): ScreenedItem {
    const { event, origin, traceId, at, entity, workload, window, row } = measured;
    const forward = novel || PRIORITIES.indexOf(event.priority) <= this.floor;
    if (!forward) this.recent.offer(row, event, at);
    const facts: EventFacts = {
      digest: event.digest,
      rule: safeRule(event.rule),
      priority: event.priority,
      source: safeSource(event.source),
      at,
      entity,
      tagTechniques: tagTechniques(event.tags),
      score,
      pValue,
      features: forward ? this.explain(row) : [],
      learning: window?.learning ?? false,
      injectionSuspected: forward && injectionSuspected(event),
      origin,
      traceId,
    };
    const until = window?.startedUntilMs ?? null;
    return {
      digest: facts.digest,
      rule: facts.rule,
      at,
      traceId,
      gate: "scored",
      facts: facts as ScoredEvent,
      forward,
      learning: until === null ? null : { workload, untilMs: until },
    };
  }

  /** Of the row as it is: a learning workload's novelty is shown as evidence here. */
  private explain(row: Float32Array): readonly FeatureContribution[] {
    const contributions = this.model.full.forest.explain(row);
    return FEATURES.map(({ name }, i) => ({
      name,
      value: rounded(row[i]!),
      contribution: rounded(contributions[i]!),
    }))
      .toSorted((a, b) => b.contribution - a.contribution)
      .slice(0, TOP_FEATURES);
  }
}

/** With the model's own memory, as it was when it was trained. */
function begun({ seed, memory }: Model): FeatureExtractor {
  const extractor = new FeatureExtractor(seed);
  extractor.load(memory);
  return extractor;
}

function grown(rows: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const larger = new Float32Array(rows.length * 2);
  larger.set(rows);
  return larger;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}

const CRITICAL = PRIORITIES.indexOf("critical");

/** What people called benign makes no event of priority critical or higher less unusual. */
function unhidden(
  { forest, untaught }: Judge,
  row: Float32Array,
  priority: Priority,
  score: number,
): number {
  if (forest === untaught || PRIORITIES.indexOf(priority) > CRITICAL) return score;
  return Math.max(score, Math.fround(untaught.scoreOne(row)));
}

function unscored(
  event: FalcoEvent,
  traceId: string,
  gate: "duplicate" | "internal",
): ScreenedItem {
  const { digest } = event;
  const rule = safeRule(event.rule);
  return {
    digest,
    rule,
    at: atMsOf(event),
    traceId,
    gate,
    facts: null,
    forward: false,
    learning: null,
  };
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/** The trace id of a W3C traceparent, most often the event's own; the event's where it is none. */
function traceIdOf(traceparent: string, digest: string): string {
  const own = digest.slice(0, 32);
  if (traceparent.startsWith(own, 3) && traceparent.length === 55) return own;
  return TRACEPARENT.exec(traceparent)?.[1] ?? own;
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
