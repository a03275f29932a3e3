/**
 * The boundary of: the gate and what steers it while it runs. Which model serves, what the policy lets
 * it forward, and how much of that is left when the queue grows: all asked before each batch, so that
 * a change counts from the next event on.
 */
import { Models, type Serving } from "../actors/trainer/models.ts";
import {
  createScreener,
  FEATURES,
  loadModel,
  type RuleGaps,
  type Screener,
} from "../anomaly/index.ts";
import type { WatchfloorError } from "../machines/errors.ts";
import type { Parameters } from "../policies/live-parameters.ts";
import { shedBudget } from "../policies/shedding.ts";
import type { Envelope, Json } from "../machines/protocol.ts";
import type { Clock, StateStore, Transport } from "../transports/ports.ts";
import { DriftWatch } from "./drift.ts";
import type { FirstModel } from "./first-model.ts";
import { shardOf } from "./placement.ts";
import { ServingModel } from "./serving-model.ts";

/** The one model's. */
export const TRAINER = "trainer/forest";

export interface GateOptions {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly parameters: Parameters;
  readonly learningMs: number;
  /** Asked for at a first start only. */
  readonly firstModel: FirstModel;
  readonly say: (line: string) => void;
  /** Events accepted and not yet screened, with what waits behind the gate. */
  readonly depth: () => number;
}

export interface GateControl {
  readonly models: Models;
  readonly serving: ServingModel;
  /** A gate for one slice of entities. */
  screener(): Screener;
  /** Share of ordinary events that may be forwarded now. */
  budget(): number;
  /** What the gates of this runner scored lately and let pass. */
  recentRows(): Float32Array;
  /** Of each gate of this runner: fields that events lacked, by rule. */
  fieldGaps(): readonly Readonly<Record<string, RuleGaps>>[];
}

export async function openGate(options: GateOptions): Promise<GateControl> {
  const { store, clock, parameters, learningMs, say, depth } = options;
  const serving = await ServingModel.open(
    {
      store,
      clock,
      changed: (now) => say(servingLine(now)),
      alarm: (error: WatchfloorError) =>
        say(`Alarm: the model that serves goes on: ${error.code}: ${error.message}`),
    },
    (models) => firstServing(models, options),
  );
  const drift = await DriftWatch.open(
    { store, budget: () => parameters.current().spec.alertBudget, say },
    serving.model(),
    serving.serving().digest,
  );
  const gates: Screener[] = [];
  const budget = (): number => {
    const { alertBudget, shedding } = parameters.current().spec;
    return shedBudget(alertBudget, shedding, depth());
  };
  return {
    models: new Models(store),
    serving,
    budget,
    screener: () => {
      const gate = createScreener({
        model: () => serving.model(),
        budget,
        learningMs,
        judged: (row, score, atMs, forwarded) => {
          const now = { model: serving.model(), digest: serving.serving().digest };
          drift.observe(now, row, score, atMs, forwarded);
        },
      });
      gates.push(gate);
      return gate;
    },
    recentRows: () => joinedRows(gates.map((gate) => gate.recentRows())),
    fieldGaps: () => gates.map((gate) => gate.fieldGaps()),
  };
}

async function firstServing(
  models: Models,
  { clock, firstModel, say }: GateOptions,
): Promise<Serving> {
  say("First start: the gate begins with the model of the bundled baseline.");
  const model = loadModel(await firstModel());
  const why = "first start, on the bundled baseline";
  const at = clock.now();
  const version = await models.keep(model, { at, source: "baseline", why, labels: 0 });
  return models.promote(version, { at, who: null, why });
}

function servingLine({ n, who, why, before }: Serving): string {
  const by = who === null ? "" : ` by ${who.user}`;
  const was = before === null ? "" : `, after version ${before}`;
  return `Model: version ${n} serves${was}${by}: ${why}.`;
}

/** A trainer that nobody wrote to yet is there from now on, so that its week begins. */
export async function wakeTrainer(
  { mailbox, store }: Transport,
  shardCount: number,
): Promise<void> {
  if ((await store.get("actors", TRAINER)) !== null) return;
  const envelope = trainerEnvelope("wake:trainer", "wake", null);
  await mailbox.publish(shardOf(TRAINER, shardCount), [envelope]);
}

/** From the edge: its id is what a repeat is known by. */
export function trainerEnvelope(id: string, type: string, data: Json): Envelope {
  return {
    id,
    from: "edge/model",
    to: TRAINER,
    type,
    data,
    traceparent: `00-${"0".repeat(31)}1-${"0".repeat(15)}1-00`,
    case: null,
    cause: null,
    replyTo: null,
    shard: null,
    seq: null,
  };
}

function joinedRows(parts: readonly Float32Array[]): Float32Array {
  const rows = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    rows.set(part, at);
    at += part.length;
  }
  return rows.subarray(0, rows.length - (rows.length % FEATURES.length));
}
