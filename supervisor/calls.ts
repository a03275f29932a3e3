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

interface Lane {
  running: number;
  waiting: { order: CallOrder; binding: ToolBinding }[];
}

export class CallRunner {
  readonly #clock: Clock;
  readonly #finished: (report: CallReport) => void;
  readonly #lanes = new Map<string, Lane>();
  readonly #aborts = new Map<CallOrder, AbortController>();
  #stopped = false;

  constructor(clock: Clock, finished: (report: CallReport) => void) {
    this.#clock = clock;
    this.#finished = finished;
  }

  get running(): number {
    return this.#aborts.size;
  }

  start(definition: ActorDefinition, order: CallOrder): void {
    const binding = definition.calls[order.call.src];
    if (binding?.call !== "tool" || this.#stopped) return;
    const key = `${definition.kind}.${order.call.src}`;
    const lane = this.#lanes.get(key) ?? { running: 0, waiting: [] };
    this.#lanes.set(key, lane);
    lane.waiting.push({ order, binding });
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
  }

  #stopWhere(matches: (order: CallOrder) => boolean): void {
    for (const lane of this.#lanes.values())
      lane.waiting = lane.waiting.filter(({ order }) => !matches(order));
    for (const [order, abort] of this.#aborts) if (matches(order)) abort.abort();
  }

  #next(lane: Lane): void {
    while (lane.waiting.length > 0 && !this.#stopped) {
      const { binding, order } = lane.waiting[0]!;
      if (lane.running >= binding.concurrencyMax) return;
      lane.waiting.shift();
      // Whoever owns the shard next recovers it.
      if (!mayAct(this.#clock, order)) continue;
      lane.running++;
      void this.#perform(binding, order).finally(() => {
        lane.running--;
        this.#next(lane);
      });
    }
  }

  async #perform(binding: ToolBinding, order: CallOrder): Promise<void> {
    const abort = new AbortController();
    this.#aborts.set(order, abort);
    const began = this.#clock.steady();
    const outcome = await this.#outcome(binding, order, abort);
    this.#aborts.delete(order);
    if (this.#stopped) return;
    this.#finished({ order, outcome, durationMs: this.#clock.steady() - began });
  }

  async #outcome(
    binding: ToolBinding,
    order: CallOrder,
    abort: AbortController,
  ): Promise<CallOutcome> {
    const { call, actor } = order;
    const { timeoutMs } = binding;
    const context: CallContext = {
      callId: call.id,
      idempotencyKey: call.id,
      actor,
      case: order.case,
      traceparent: order.traceparent,
      signal: abort.signal,
      timeoutMs,
      at: this.#clock.now(),
      actUntil: () => actUntil(this.#clock, order),
    };
    let cancelTimeout = (): void => {};
    const late = new Promise<never>((_, reject) => {
      cancelTimeout = this.#clock.after(timeoutMs, () => {
        reject(new WatchfloorError("call_timeout", { tool: call.src, timeoutMs }));
        abort.abort();
      });
    });
    try {
      const value = await Promise.race([work(this.#clock, binding, order, context), late]);
      return { ok: true, value };
    } catch (error) {
      return { ok: false, failure: toFailure(error, call.src) };
    } finally {
      cancelTimeout();
    }
  }
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
