/**
 * The boundary of: work outside the machines. Starts recorded calls, bounds how many run at once and
 * how long, and hands each result back exactly once. What happens to a call that was begun before a
 * crash is decided by its tool's declaration, here and nowhere else.
 */
import type { ActorDefinition, CallContext, ToolBinding } from "../actors/define.ts";
import { errorMessage, toFailure, WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress, FailureData, Json } from "../machines/protocol.ts";
import type { Clock } from "../transports/ports.ts";
import type { CallOutcome, OutstandingCall } from "./record.ts";

/** Under whose ownership a call runs; it ends when a shard moves, and another one begins elsewhere. */
export interface CallTenure {
  /** Steady clock, ms: no work is begun from then on. */
  readonly actUntil: number;
  finishCall(actor: ActorAddress, call: OutstandingCall, result: CallOutcome): void;
}

export interface CallOrder {
  readonly tenure: CallTenure;
  readonly actor: ActorAddress;
  readonly call: OutstandingCall;
  readonly case: string | null;
  readonly traceparent: string;
  /** Begun before this process started: it may have taken effect. */
  readonly recovered: boolean;
}

export interface CallReport {
  readonly order: CallOrder;
  readonly outcome: CallOutcome;
  readonly durationMs: number;
}

/** One call under way. */
interface Running {
  readonly order: CallOrder;
  readonly began: number;
  readonly lateAt: number;
  /** Made when somebody asks for it: most tools resolve without looking. */
  abort: AbortController | null;
  ended: boolean;
}

/** The calls of one tool of one kind. */
interface Lane {
  readonly binding: ToolBinding;
  waiting: CallOrder[];
  /** Oldest first: all have the same time, so the first one here is the first to be late. */
  readonly running: Set<Running>;
  /** Armed for the oldest, and left armed when that ends: most calls end long before. */
  cancelClock: (() => void) | null;
}

export class CallRunner {
  readonly #clock: Clock;
  readonly #finished: (report: CallReport) => void;
  readonly #lanes = new Map<string, Lane>();
  #stopped = false;

  constructor(clock: Clock, finished: (report: CallReport) => void) {
    this.#clock = clock;
    this.#finished = finished;
  }

  get running(): number {
    let running = 0;
    for (const lane of this.#lanes.values()) running += lane.running.size;
    return running;
  }

  start(definition: ActorDefinition, order: CallOrder): void {
    const binding = definition.calls[order.call.src];
    if (binding?.call !== "tool" || this.#stopped) return;
    const lane = this.#laneOf(`${definition.kind}.${order.call.src}`, binding);
    lane.waiting.push(order);
    this.#next(lane);
  }

  /** The chart left the state: the work is told to stop, and its result is no longer wanted. */
  cancel(callId: string): void {
    this.#stopWhere((order) => order.call.id === callId);
  }

  /** Stops what runs under a tenure that ended: it stays recorded, and the next tenure recovers it. */
  release(tenure: CallTenure): void {
    this.#stopWhere((order) => order.tenure === tenure);
  }

  /** Aborts everything: the calls stay recorded and are recovered at the next start. */
  stop(): void {
    this.#stopped = true;
    this.#stopWhere(() => true);
    for (const lane of this.#lanes.values()) lane.cancelClock?.();
  }

  #stopWhere(matches: (order: CallOrder) => boolean): void {
    for (const lane of this.#lanes.values()) {
      lane.waiting = lane.waiting.filter((order) => !matches(order));
      for (const running of lane.running) if (matches(running.order)) abortOf(running).abort();
    }
  }

  #laneOf(key: string, binding: ToolBinding): Lane {
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = { binding, waiting: [], running: new Set(), cancelClock: null };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #next(lane: Lane): void {
    while (lane.running.size < lane.binding.concurrencyMax && !this.#stopped) {
      const order = lane.waiting.shift();
      if (order === undefined) return;
      // Whoever owns the shard next recovers it.
      if (mayAct(this.#clock, order)) this.#perform(lane, order);
    }
  }

  #perform(lane: Lane, order: CallOrder): void {
    const { binding } = lane;
    const began = this.#clock.steady();
    const lateAt = began + binding.timeoutMs;
    const running: Running = { order, began, lateAt, abort: null, ended: false };
    lane.running.add(running);
    this.#watch(lane);
    const context = contextOf(this.#clock, running, binding.timeoutMs);
    work(this.#clock, binding, order, context).then(
      (value) => this.#end(lane, running, { ok: true, value }),
      (error: unknown) => this.#fail(lane, running, error),
    );
  }

  #fail(lane: Lane, running: Running, error: unknown): void {
    this.#end(lane, running, { ok: false, failure: toFailure(error, running.order.call.src) });
  }

  #end(lane: Lane, running: Running, outcome: CallOutcome): void {
    // It was late, and its failure is on its way already.
    if (running.ended) return;
    running.ended = true;
    const { order, began } = running;
    lane.running.delete(running);
    if (this.#stopped) return;
    this.#finished({ order, outcome, durationMs: this.#clock.steady() - began });
    this.#next(lane);
  }

  #watch(lane: Lane): void {
    if (lane.cancelClock !== null || this.#stopped) return;
    const oldest = lane.running.values().next().value;
    if (oldest === undefined) return;
    const leftMs = Math.max(0, oldest.lateAt - this.#clock.steady());
    lane.cancelClock = this.#clock.after(leftMs, () => {
      lane.cancelClock = null;
      this.#expire(lane);
      this.#watch(lane);
    });
  }

  #expire(lane: Lane): void {
    const { timeoutMs } = lane.binding;
    const now = this.#clock.steady();
    for (const running of lane.running) {
      if (running.lateAt > now) return;
      const tool = running.order.call.src;
      this.#fail(lane, running, new WatchfloorError("call_timeout", { tool, timeoutMs }));
      abortOf(running).abort();
    }
  }
}

function abortOf(running: Running): AbortController {
  return (running.abort ??= new AbortController());
}

function contextOf(clock: Clock, running: Running, timeoutMs: number): CallContext {
  const { order } = running;
  const { call, actor, case: caseId, traceparent } = order;
  return {
    callId: call.id,
    idempotencyKey: call.id,
    actor,
    case: caseId,
    traceparent,
    get signal() {
      return abortOf(running).signal;
    },
    timeoutMs,
    at: clock.now(),
    actUntil: () => actUntil(clock, order),
  };
}

async function work(
  clock: Clock,
  binding: ToolBinding,
  order: CallOrder,
  context: CallContext,
): Promise<Json> {
  const { call } = order;
  if (!order.recovered || binding.recovery === "retry") return binding.run(call.input, context);
  if (binding.recovery === "escalate" || !binding.reconcile) {
    throw new WatchfloorError("call_outcome_unknown", { tool: call.src });
  }
  const happened = await binding.reconcile(call.input, context);
  if (happened !== null) return happened;
  // The target never saw the key: the work is begun for the first time, if it may still begin.
  if (!mayAct(clock, order)) throw new WatchfloorError("deadline_passed");
  return binding.run(call.input, context);
}

function mayAct(clock: Clock, { tenure }: CallOrder): boolean {
  return clock.steady() < tenure.actUntil;
}

/** On the wall clock, which tools know; the lease itself is measured by the steady one. */
function actUntil(clock: Clock, { tenure }: CallOrder): number {
  const leftMs = tenure.actUntil - clock.steady();
  return leftMs === Infinity ? Number.MAX_SAFE_INTEGER : clock.now() + leftMs;
}

export function askFailure(
  code: "ask_timeout" | "ask_dead",
  to: string,
  timeoutMs: number,
): FailureData {
  const message = errorMessage(code, { to, timeoutMs });
  return { code, message, retryable: code === "ask_timeout", retryAfterMs: null, data: null };
}
