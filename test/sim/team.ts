/**
 * The boundary of: the real statecharts and a world they act on. Each tool here takes its time, fails,
 * or has its process die under it; the target keeps what was done to it, refuses what comes after its
 * deadline, and, unlike a good one, does again what it is asked again.
 */
import type { ActorDefinition, CallContext, ToolBinding } from "../../actors/define.ts";
import { ingestCompanion } from "../../actors/ingest/companion.ts";
import { MACHINES } from "../../actors/registry.ts";
import type { Screener, Screening } from "../../anomaly/index.ts";
import { actionDigest } from "../../machines/actions.ts";
import type { ActInput, EvaluateInput, GatherInput, RevertInput } from "../../machines/calls.ts";
import { COORDINATOR_SETTINGS } from "../../machines/coordinator.context.ts";
import { coordinatorMachineWith } from "../../machines/coordinator.machine.ts";
import { coordinatorHistory, coordinatorSummary } from "../../machines/coordinator.views.ts";
import { sha256 } from "../../machines/digest.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Envelope, Json, Kind } from "../../machines/protocol.ts";
import type { Action, Receipt, Verdict } from "../../machines/vocabulary.ts";
import { decision, DETECTOR, facts, receipt, report, TARGET } from "../kit/case-parts.ts";
import type { Link } from "./transport.ts";

/** The kinds that work a case; nobody trains a model here. */
export const KINDS: readonly Kind[] = [
  "ingest",
  "coordinator",
  "detector",
  "analyst",
  "reviewer",
  "remediator",
  "notifier",
  "approval",
];

const TIMEOUT_MS = 3_000;

/** What was done, by effect key. */
export class Target {
  readonly receipts = new Map<string, Receipt>();
}

/** What a tool needs to know of the process it runs in. */
export interface Place extends Link {
  readonly target: Target;
  /** Steady clock of the process, ms: the end of its lease as an observer of its renewals reckons. */
  leaseEnds(kind: string): number;
}

/** Made once: a chart is the same for every process. */
const COORDINATOR = coordinatorMachineWith({
  ...COORDINATOR_SETTINGS,
  approvalExpiryMs: 3_600_000,
});
const ASK = { call: "ask" } as const;
const ASKS = {
  askDetector: ASK,
  askAnalyst: ASK,
  askReviewer: ASK,
  askRemediator: ASK,
  askApproval: ASK,
};

export function definitionsFor(place: Place, kinds: readonly Kind[]): Map<Kind, ActorDefinition> {
  const tools = toolsOf(place);
  return new Map(
    kinds.map((kind) => {
      const { machine, version } = MACHINES[kind];
      const plain = { kind, version, machine, calls: tools[kind] ?? {} };
      return [kind, { ...plain, ...particulars(place, kind) }];
    }),
  );
}

function particulars(place: Place, kind: Kind): Partial<ActorDefinition> {
  if (kind === "ingest") return { batchMax: 3, companion: () => ingestCompanion(screener(place)) };
  if (kind !== "coordinator") return {};
  const views = { summary: coordinatorSummary, history: coordinatorHistory };
  return { machine: COORDINATOR, calls: ASKS, ...views };
}

const asJson = (value: unknown): Json => value as Json;

function toolsOf(place: Place): Partial<Record<Kind, Record<string, ToolBinding>>> {
  const read = (value: (input: Json, context: CallContext) => unknown): ToolBinding =>
    tool(place, async (input, context) => asJson(value(input, context)));
  return {
    detector: { gatherEvidence: read(() => DETECTOR) },
    analyst: {
      classify: read((input) => reading(input)),
      classifyByRules: read((input) => reading(input)),
    },
    reviewer: {
      describeTarget: read(() => TARGET),
      evaluateAction: read((input, { callId }) => evaluated(place, input, callId)),
    },
    remediator: {
      dryRun: read(() => ({ version: "v1", diff: [], blast: TARGET.blast })),
      verify: read(() => ({ holds: true })),
      act: effect(place, "act"),
      revert: effect(place, "revert"),
    },
    approval: {
      authorise: read(() => ({ allowed: true, peopleNeeded: 1, why: "" })),
      investigate: read(() => ({ lines: ["nothing more"] })),
    },
    notifier: { deliverNotice: read(() => null) },
  };
}

// ---- Tools -------------------------------------------------------------------------------------

function tool(
  place: Place,
  run: (input: Json, context: CallContext) => Promise<Json>,
): ToolBinding {
  return {
    call: "tool",
    recovery: "retry",
    timeoutMs: TIMEOUT_MS,
    concurrencyMax: 4,
    run: (input, context) => {
      mayBegin(place, context);
      return work(place, context, () => run(input, context));
    },
  };
}

/** Nothing outside is begun before its call is in the journal, nor after the lease. */
function mayBegin(place: Place, { callId, actor }: CallContext): void {
  const { ledger, time, world } = place;
  const kind = actor.split("/")[0]!;
  if (time.dead) return;
  if (!ledger.calls.has(callId)) ledger.violate("a call is recorded before it begins", callId);
  if (time.steady() > place.leaseEnds(kind))
    ledger.violate("nothing begins after the own lease", `${callId} at ${world.now}`);
}

/** Takes its time on the way; the process may die before, between, or after. */
async function work(place: Place, context: CallContext, apply: () => Promise<Json>): Promise<Json> {
  const { faults, time, ledger, world, id } = place;
  const died = (when: string): Promise<never> => {
    ledger.note(world.now, id, () => `dies ${when} ${context.callId}`);
    place.die();
    return new Promise(() => {});
  };
  if (time.dead) return new Promise(() => {});
  if (faults.strikes("crashInCall")) return died("in");
  if (faults.strikes("toolFails"))
    throw new WatchfloorError("tool_error", { tool: context.callId });
  await taking(place, faults.strikes("toolSlow") ? faults.between(500, 6_000) : 0);
  const value = await apply();
  if (faults.strikes("crashAfterEffect")) return died("after");
  await taking(place, 0);
  return value;
}

async function taking(place: Place, slowMs: number): Promise<void> {
  const { faults, time, world } = place;
  const latencyMs = slowMs + faults.latencyMs();
  if (latencyMs === 0 && !time.paused) return;
  await new Promise<void>((resolve) => world.after(latencyMs, () => time.deliver(resolve)));
}

function effect(place: Place, kind: "act" | "revert"): ToolBinding {
  const run = (input: Json, context: CallContext): Promise<Json> => {
    const until = place.world.now + Math.max(0, context.actUntil() - place.time.now());
    return work(place, context, async () => asJson(perform(place, kind, input, context, until)));
  };
  return {
    call: "tool",
    recovery: "reconcile",
    timeoutMs: TIMEOUT_MS,
    concurrencyMax: 4,
    run: (input, context) => {
      mayBegin(place, context);
      return run(input, context);
    },
    reconcile: (input, context) =>
      work(place, context, async () =>
        asJson(place.target.receipts.get((input as unknown as ActInput).effectKey) ?? null),
      ),
  };
}

/** At the target: `until` is the end of the caller's lease, as the call carries it, in world time. */
function perform(
  place: Place,
  kind: "act" | "revert",
  input: Json,
  { callId }: CallContext,
  until: number,
): Receipt {
  const { ledger, world, target } = place;
  if (world.now >= until) throw new WatchfloorError("deadline_passed");
  const { effectKey } = input as unknown as ActInput;
  const known = target.receipts.get(effectKey);
  const [action, decisionId] = asked(kind, input);
  ledger.note(world.now, place.id, () => `effect ${kind} ${effectKey}`);
  ledger.effects.push({
    key: effectKey,
    callId,
    kind,
    decisionId,
    target: JSON.stringify(action.target),
    at: world.now,
  });
  const done = receipt(action, {
    id: `receipt-${effectKey}`,
    idempotencyKey: effectKey,
    performedAt: world.wall,
    decisionId: decisionId ?? "",
  });
  target.receipts.set(effectKey, known ?? done);
  return known ?? done;
}

function asked(kind: "act" | "revert", input: Json): [Action, string | null] {
  if (kind === "act") {
    const { review } = (input as unknown as ActInput).order;
    return [review.action, review.decision.decisionId];
  }
  const { receipt: of, decision: by } = input as unknown as RevertInput;
  return [of.action, by?.decisionId ?? null];
}

// ---- Answers -----------------------------------------------------------------------------------

/** A number in [0, 1) that is the same for the same text. */
function drawn(text: string): number {
  return Number.parseInt(sha256(text).slice(0, 8), 16) / 2 ** 32;
}

function reading(input: Json): unknown {
  const { entity, case: id } = input as unknown as GatherInput;
  const {
    failures: _f,
    schemaRepaired: _s,
    ...rest
  } = report(proposals(id, entity.key), {
    benign: drawn(`benign ${id}`) < 0.15,
  });
  return rest;
}

function proposals(id: string, entity: string): readonly Action[] {
  const [namespace = "shop", name = "cart"] = entity.split("/");
  const isolate: Action = {
    type: "isolate",
    target: { kind: "workload", namespace, name },
    params: {},
  };
  const label: Action = {
    type: "label",
    target: { kind: "pod", namespace, name: `${name}-7d9f` },
    params: { key: "watch", value: "true" },
  };
  const draw = drawn(`proposals ${id}`);
  if (draw < 0.1) return [];
  return draw < 0.7 ? [isolate] : [label, isolate];
}

function evaluated({ ledger }: Place, input: Json, callId: string): unknown {
  const { question, actionDigest: digest } = input as unknown as EvaluateInput;
  const draw = drawn(`verdict ${question.case} ${digest}`);
  const first: Verdict = draw < 0.55 ? "auto_execute" : draw < 0.7 ? "auto_reject" : "escalate";
  const verdict = question.approval?.answer === "approve" ? "auto_execute" : first;
  const decisionId = `d-${callId}`;
  ledger.verdicts.set(decisionId, verdict);
  return decision(verdict, { decisionId, inputsDigest: actionDigest(question.action) });
}

// ---- The gate ----------------------------------------------------------------------------------

/** Lets everything through but repeats, which it knows from its own memory. */
function screener({ ledger }: Place): Screener {
  let seen = new Set<string>();
  return {
    restore: (checkpoint) => {
      const text = checkpoint ? Buffer.from(checkpoint).toString("utf8") : "[]";
      seen = new Set(JSON.parse(text) as string[]);
    },
    checkpoint: () => Buffer.from(JSON.stringify([...seen])),
    recentRows: () => new Float32Array(),
    fieldGaps: () => ({}),
    apply: (envelopes, known) => {
      const items = envelopes.map((envelope, index) => {
        const repeat = known[index] === true || seen.has(envelope.id);
        seen.add(envelope.id);
        return screened(envelope, repeat);
      });
      if (seen.size > 10_000) ledger.violate("the gate's memory is bounded", String(seen.size));
      return { items } as unknown as Screening;
    },
  };
}

function screened(envelope: Envelope, repeat: boolean): unknown {
  const { entity, at, quiet } = envelope.data as unknown as SimulatedEvent;
  const known = facts(0, {
    digest: envelope.id,
    at,
    traceId: envelope.traceparent.split("-")[1]!,
    entity: { ...facts(0).entity, key: entity, namespace: "shop", workload: entity.split("/")[1]! },
  });
  return {
    digest: envelope.id,
    rule: known.rule,
    at,
    traceId: known.traceId,
    gate: repeat ? "duplicate" : "scored",
    facts: repeat ? null : known,
    forward: !repeat && !quiet,
    learning: null,
  };
}

/** Data of an event, as the simulation's source sends it. */
interface SimulatedEvent {
  readonly entity: string;
  readonly at: number;
  /** Ordinary: it opens no case. */
  readonly quiet: boolean;
  readonly event: { readonly digest: string };
}
