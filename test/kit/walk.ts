/**
 * The boundary of: a machine walked by hand. Applies `transition()` as a host would, keeps which
 * calls and timers are outstanding, and stores and restores the snapshot as JSON at every step.
 */
import assert from "node:assert/strict";
import {
  initialTransition,
  transition,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type EventObject,
} from "xstate";
import type { ErrorCode } from "../../machines/errors.ts";
import { ERRORS } from "../../machines/errors.ts";
import type { ActorAddress, Json, Outgoing, Reply, ReplyTo } from "../../machines/protocol.ts";
import type { EventOutcome } from "../../machines/vocabulary.ts";

const TRACE = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;
export const START_MS = 1_700_000_000_000;
export const REPLY_TO: ReplyTo = { actor: "coordinator/c-0123456789ab", callId: "call-1" };

export interface StartedCall {
  readonly id: string;
  readonly src: string;
  readonly input: unknown;
}

interface ActionData {
  readonly type: string;
  readonly params?: unknown;
}

export interface SendOptions {
  readonly replyTo?: ReplyTo | null;
  readonly random?: number;
}

export interface FailOptions {
  readonly retryAfterMs?: number;
  readonly data?: Json;
  readonly random?: number;
}

export class Walk {
  snapshot: AnyMachineSnapshot;
  /** Outstanding, by invoke id and by timer name. */
  readonly calls = new Map<string, StartedCall>();
  readonly timers = new Map<string, number>();
  /** Everything that was ever asked of the host, in order. */
  readonly started: StartedCall[] = [];
  readonly told: Outgoing[] = [];
  readonly replies: Reply[] = [];
  readonly recorded: EventOutcome[][] = [];
  readonly states: string[] = [];
  at = START_MS;
  private readonly machine: AnyStateMachine;

  constructor(
    machine: AnyStateMachine,
    address: ActorAddress,
    caseId: string | null = "c-0123456789ab",
  ) {
    this.machine = machine;
    const input = { address, case: caseId, traceparent: TRACE, at: this.at };
    const [snapshot, actions] = initialTransition(machine, input);
    this.snapshot = snapshot as AnyMachineSnapshot;
    this.perform(actions as readonly ActionData[]);
    this.states.push(this.state);
  }

  /** `a`, or `a.b` for a nested state. */
  get state(): string {
    return stateName(this.snapshot.value as Json);
  }

  get ended(): boolean {
    return this.snapshot.status === "done";
  }

  context<C>(): C {
    return this.snapshot.context as C;
  }

  /** The input of the outstanding call of that id. */
  input<I>(id: string): I {
    const call = this.calls.get(id);
    assert.ok(call, `no call ${id} is outstanding in ${this.state}`);
    return call.input as I;
  }

  send(
    type: string,
    data: unknown = null,
    { replyTo = REPLY_TO, random = 0.5 }: SendOptions = {},
  ): this {
    this.at += 1_000;
    const meta = {
      id: `env-${this.at}`,
      from: "edge/test",
      at: this.at,
      random,
      case: null,
      traceparent: TRACE,
      replyTo,
    };
    return this.apply({ type, data: jsonOf(data), meta } as EventObject);
  }

  done(id: string, value: unknown): this {
    this.input(id);
    this.calls.delete(id);
    return this.stray(id, value);
  }

  /** A result nobody waits for, as a host would not deliver it. */
  stray(id: string, value: unknown): this {
    this.at += 1_000;
    const output = { value: jsonOf(value), at: this.at, random: 0.5, durationMs: 5 };
    return this.apply({ type: `xstate.done.actor.${id}`, output } as EventObject);
  }

  fail(id: string, code: string, { retryAfterMs, data, random = 0.5 }: FailOptions = {}): this {
    this.input(id);
    this.calls.delete(id);
    this.at += 1_000;
    const retryable = ERRORS[code as ErrorCode]?.retryable ?? false;
    const error = {
      code,
      message: `failed with ${code}`,
      retryable,
      retryAfterMs: retryAfterMs ?? null,
      data: data ?? null,
      at: this.at,
      random,
      durationMs: 5,
    };
    return this.apply({ type: `xstate.error.actor.${id}`, error } as EventObject);
  }

  /** Fires the timer whose name contains `part`; without one, the next that is due. */
  fire(part = ""): this {
    const found = [...this.timers]
      .filter(([name]) => name.includes(part))
      .toSorted((a, b) => a[1] - b[1])[0];
    assert.ok(found, `no timer ${part} is armed in ${this.state}`);
    const [name, delayMs] = found;
    this.at += delayMs;
    this.timers.delete(name);
    return this.apply({ type: name } as EventObject);
  }

  /** Messages told of one type, in order. */
  toldOf(type: string): readonly Outgoing[] {
    return this.told.filter((message) => message.type === type);
  }

  private apply(event: EventObject): this {
    const [next, actions] = transition(this.machine, this.restored(), event);
    const snapshot = next as AnyMachineSnapshot;
    if (snapshot.status === "error") throw snapshot.error;
    this.snapshot = snapshot;
    this.perform(actions as readonly ActionData[]);
    this.states.push(this.state);
    this.check();
    return this;
  }

  /** What is stored is what is used: a snapshot that would not survive does not here either. */
  private restored(): AnyMachineSnapshot {
    const { value, context, status } = this.snapshot;
    const stored = JSON.parse(JSON.stringify({ value, context, status })) as never;
    const snapshot = this.machine.resolveState(stored) as AnyMachineSnapshot;
    // XState names the call it stops only if it knows a child of that id.
    for (const id of this.calls.keys()) snapshot.children[id] = { id } as never;
    return snapshot;
  }

  private check(): void {
    const { context } = this.snapshot;
    assert.deepStrictEqual(JSON.parse(JSON.stringify(context)), context, "a context is plain JSON");
    const active = this.ended
      ? []
      : this.snapshot._nodes.flatMap((node) => node.invoke.map((invoke) => invoke.id));
    assert.deepEqual(
      [...this.calls.keys()].toSorted(),
      active.toSorted(),
      `calls of ${this.state}`,
    );
    if (this.ended) assert.deepEqual([...this.timers.keys()], [], `timers left in ${this.state}`);
  }

  private perform(actions: readonly ActionData[]): void {
    for (const action of actions)
      this.one(action.type, (action.params ?? {}) as Record<string, unknown>);
  }

  private one(type: string, params: Record<string, unknown>): void {
    if (type === "xstate.spawnChild") {
      const call = {
        id: String(params["id"]),
        src: String(params["src"]),
        input: jsonOf(params["input"]),
      };
      this.calls.set(call.id, call);
      this.started.push(call);
    } else if (type === "xstate.stopChild") this.calls.delete(String(params["id"]));
    else if (type === "xstate.raise") {
      if (params["delay"] !== undefined)
        this.timers.set(String(params["id"]), Number(params["delay"]));
    } else if (type === "xstate.cancel") this.timers.delete(String(params["sendId"]));
    else if (type === "tell")
      this.told.push(...((Array.isArray(params) ? params : [params]) as Outgoing[]));
    else if (type === "reply") this.replies.push(params as unknown as Reply);
    else if (type === "record") this.recorded.push(params as unknown as EventOutcome[]);
  }
}

export function stateName(value: Json): string {
  if (typeof value === "string") return value;
  return Object.entries(value as Readonly<Record<string, Json>>)
    .map(([key, inner]) => [key, stateName(inner)].filter(Boolean).join("."))
    .join("+");
}

function jsonOf<T>(value: T): T {
  return JSON.parse(JSON.stringify(value ?? null)) as T;
}
