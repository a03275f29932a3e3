/**
 * The boundary of: a machine and what it is bound to. A definition names, for each invoke source of
 * its machine, the work behind it and what happens when that work has no result after a crash.
 */
import type { AnyStateMachine } from "xstate";
import type { ActorAddress, Envelope, EventMeta, Json, Kind } from "../machines/protocol.ts";
import type { CaseSummary } from "../machines/vocabulary.ts";

/** What becomes of a call that was begun and has no result. There is no default. */
export type Recovery = "retry" | "reconcile" | "escalate";

export interface CallContext {
  readonly callId: string;
  /** Stable over retries and restarts: `<actor>:<turn>:<n>`. */
  readonly idempotencyKey: string;
  readonly actor: ActorAddress;
  readonly case: string | null;
  readonly traceparent: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Wall clock at the start of the call. */
  readonly at: number;
  /** Wall clock, ms: by then another runner may own the actor. Nothing may take effect from then on. */
  actUntil(): number;
}

/** Work outside the machine. `run` rejects with a WatchfloorError; anything else is `call_failed`. */
export interface ToolBinding {
  readonly call: "tool";
  readonly recovery: Recovery;
  readonly timeoutMs: number;
  /** Calls of this tool that may run at once in a runner. */
  readonly concurrencyMax: number;
  run(input: Json, context: CallContext): Promise<Json>;
  /** For `reconcile`: the result of the call if it took effect, null if it did not. */
  reconcile?(input: Json, context: CallContext): Promise<Json>;
}

/** A question to another actor; its input is an AskInput. */
interface AskBinding {
  readonly call: "ask";
}

export type CallBinding = ToolBinding | AskBinding;

/**
 * State beside the snapshot that is too large to be in every record: rebuilt from its checkpoint by
 * applying the mailbox again from there. Only an actor that is fed by its shard's mailbox has one.
 */
export interface Companion {
  restore(checkpoint: Uint8Array | null): void;
  /** Feeds envelopes in order; the result is the data of the one event made of them. */
  apply(envelopes: readonly Envelope[], known: readonly boolean[]): Json;
  checkpoint(): Uint8Array;
  /** Events of the last `apply` that a case will need, by digest: stored before the turn is taken. */
  keep(): readonly { readonly key: string; readonly value: Json }[];
}

export interface ActorDefinition {
  readonly kind: Kind;
  /** Of the machine; stored with every snapshot. A changed machine has a new one. */
  readonly version: number;
  readonly machine: AnyStateMachine;
  readonly calls: Readonly<Record<string, CallBinding>>;
  /** Versions this one can read, each with what turns its snapshot into ours. */
  readonly migrations?: Readonly<Record<number, (snapshot: Json) => Json>>;
  /** Envelopes of one mailbox read that become one event (type `batch`). */
  readonly batchMax?: number;
  companion?(shard: string): Companion;
  /** What people and the index see of it; coordinator only. */
  summary?(state: string, context: unknown): CaseSummary | null;
  /** What the turn adds to the case's history; coordinator only. */
  history?(
    event: { readonly type: string; readonly data: Json; readonly meta: EventMeta | null },
    context: unknown,
  ): Json;
}
