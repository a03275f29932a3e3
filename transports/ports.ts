/**
 * The boundary of: the runtime and everything outside it. Types only; one adapter a file or folder.
 * What each port promises is what test/contract holds every adapter to.
 */
import type { ZodObject } from "zod";
import type { DryRun, Verification } from "../machines/calls.ts";
import type { Envelope, Json, JsonObject } from "../machines/protocol.ts";
import type { Action, ActionType, Receipt, Target, TargetState } from "../machines/vocabulary.ts";

// ---- Time and chance ---------------------------------------------------------------------------

export interface Clock {
  /** Wall clock, ms since the epoch. */
  now(): number;
  /** Steady clock, ms; only differences mean something. */
  steady(): number;
  /** Runs `fire` once after `delayMs`; the result cancels it. */
  after(delayMs: number, fire: () => void): () => void;
}

/** Uniform in [0, 1). */
export type Random = () => number;

// ---- Journal -----------------------------------------------------------------------------------

/** `kind.n` */
export type ShardId = string;
/**
 * In a journal it rises by one a record within its shard, and 0 means that it is empty. In a mailbox
 * it rises, from 1 or more, and numbers in between may stand for nothing.
 */
export type Position = number;

export interface StoredRecord {
  readonly position: Position;
  /** The record as JSON text, or null when its bytes cannot be read. */
  readonly text: string | null;
  /** Where they cannot: what is there, for people and for finding out whom it was about. */
  readonly damaged?: string;
}

export type AppendResult =
  | { readonly appended: true; readonly last: Position }
  | { readonly appended: false; readonly last: Position };

/**
 * One append-only log a shard. `append` is atomic and durable: when it resolves, the records
 * survive a power cut. It is conditional: when the shard's last position is not `expected`, nothing
 * is written and `appended` is false. It has a third outcome: a rejection with `append_unanswered`
 * says that nobody knows, and that the records may still land. After any other rejection none of
 * them is there, and none will be.
 */
export interface Journal {
  /** An append of more bytes than this is refused; absent where there is no such limit. */
  readonly appendBytesMax?: number;
  append(shard: ShardId, expected: Position, records: readonly string[]): Promise<AppendResult>;
  /** Records from `from` on, in order, at most `limit`. */
  read(shard: ShardId, from: Position, limit: number): Promise<readonly StoredRecord[]>;
  last(shard: ShardId): Promise<Position>;
  /**
   * Forgets the records strictly below `below`. Absolute: repeating it does no harm. What was
   * appended together may be kept together, and the last append may be kept whatever `below` is.
   */
  trim(shard: ShardId, below: Position): Promise<void>;
}

// ---- State store -------------------------------------------------------------------------------

/** Named tables of JSON by key, and one of bytes. */
export const TABLES = [
  "actors", // `kind/id` -> cold record of an actor
  "shards", // `kind.n` -> its latest checkpoint
  "timers", // `kind.n/<due, 15 digits>/<actor>/<name>` -> {}
  "calls", // `kind.n/<actor>/<call id>` -> {}
  "cases", // case id -> summary
  "entities", // `<digest of an entity>/<case>` -> 1
  "outcomes", // event digest -> outcome
  "members", // `<case>/<event digest>` -> 1
  "history", // `<case>/<n, 8 digits>` -> chained entry
  "deadletters", // id -> dead letter
  "traces", // trace id -> case id or event digest
  "evidence", // event digest -> the event as it was accepted
  "labels", // `<case>/<digest>` -> what a person taught
  "settings", // name -> value
] as const;
export type Table = (typeof TABLES)[number];

export interface Put {
  readonly table: Table;
  readonly key: string;
  /** null deletes. */
  readonly value: Json;
  /** The value as JSON text, where the writer has it already. */
  readonly text?: string;
}

/** Who writes as the owner of a shard. The epoch is the position of its claim in the journal. */
export interface Owner {
  readonly shard: ShardId;
  readonly epoch: Position;
}

/**
 * The puts of one `write` are durable when it resolves, in their order; on one machine they are
 * also atomic together. A write with an owner is refused with `fenced` where a later epoch of that
 * shard wrote before: of all its puts that the later owner wrote, none is applied. A later owner may
 * overlap with the write of an earlier one only in what it is going to write again itself.
 * Keys sort as UTF-8 bytes.
 */
export interface StateStore {
  get(table: Table, key: string): Promise<Json>;
  getMany(table: Table, keys: readonly string[]): Promise<readonly Json[]>;
  /** Entries whose key starts with `prefix`, in key order (or reversed), after `after` if given. */
  list(
    table: Table,
    prefix: string,
    options?: { readonly limit?: number; readonly reverse?: boolean; readonly after?: string },
  ): Promise<readonly { readonly key: string; readonly value: Json }[]>;
  write(puts: readonly Put[], owner?: Owner): Promise<void>;
  getBlob(key: string): Promise<Uint8Array | null>;
  putBlob(key: string, bytes: Uint8Array, owner?: Owner): Promise<void>;
}

// ---- Mailbox -----------------------------------------------------------------------------------

export interface MailboxEntry {
  readonly position: Position;
  /** Null when its bytes cannot be read. */
  readonly envelope: Envelope | null;
}

/**
 * The durable, ordered queue of a shard, read from a cursor. When `publish` resolves, the
 * envelopes survive a power cut, in the order given. It takes all of them or none.
 */
export interface Mailbox {
  publish(shard: ShardId, envelopes: readonly Envelope[]): Promise<Position>;
  /** Entries after `after`, in order, at most `limit`. */
  read(shard: ShardId, after: Position, limit: number): Promise<readonly MailboxEntry[]>;
  /** How many envelopes are after `after`; where others publish too, it may be a moment behind. */
  depth(shard: ShardId, after: Position): Promise<number>;
  /** Forgets what is up to `upTo`; what was published together may be kept together. */
  trim(shard: ShardId, upTo: Position): Promise<void>;
  /** Rings when something was published by this process or, at the latest within a second, another. */
  subscribe(shard: ShardId, ring: () => void): () => void;
}

// ---- Leases ------------------------------------------------------------------------------------

/** Of a key's value. Rises with every write of the key and is never used again, removed or not. */
export type Revision = number;

export interface Register {
  readonly key: string;
  readonly revision: Revision;
  readonly value: Json;
}

/**
 * Small registers that are compared and set: who is alive, and who may run what. They give
 * liveness only; the journal gives safety. A read sees every write that was answered before it.
 * A write whose answer is lost rejects, and may have happened: read it back.
 *
 * Keys: `<kind>/runners/<runner id>` is written by that runner again and again while it lives,
 * `<kind>/shards/<n>` by whoever takes or gives up the shard.
 */
export interface Leases {
  read(key: string): Promise<Register | null>;
  /** Registers whose key starts with `prefix`, in key order. */
  list(prefix: string): Promise<readonly Register[]>;
  /** The new revision; null when the current one is not `expected` (0: there is none). */
  write(key: string, expected: Revision, value: Json): Promise<Revision | null>;
  /** False when the current revision is not `expected`. */
  remove(key: string, expected: Revision): Promise<boolean>;
  /** Rings soon after a register under `prefix` changed, whoever changed it. May ring for nothing. */
  subscribe(prefix: string, ring: () => void): () => void;
}

/** One durable place: what a runner is started on. */
export interface Transport {
  readonly name: "memory" | "local" | "nats";
  readonly journal: Journal;
  readonly store: StateStore;
  readonly mailbox: Mailbox;
  /** Null where one process owns everything for as long as it has the transport open. */
  readonly leases: Leases | null;
  /** Why it cannot be used right now, in words; empty when it can. */
  reasons?(): readonly string[];
  close(): Promise<void>;
}

// ---- Tools -------------------------------------------------------------------------------------

export interface ToolCallOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly traceparent: string;
  readonly idempotencyKey: string;
}

/** Calls a tool of one MCP server. Any answer but a valid structured result is a WatchfloorError. */
export interface ToolCaller {
  call(tool: string, args: JsonObject, options: ToolCallOptions): Promise<JsonObject>;
  close(): Promise<void>;
}

/** What a tool's handler knows of the call it serves. */
export interface ToolContext {
  readonly signal: AbortSignal;
  /** As the caller sent them; null where it sent none. */
  readonly idempotencyKey: string | null;
  readonly traceparent: string | null;
}

/** One tool of a server. Both schemas are enforced on both sides; a handler fails with a WatchfloorError. */
export interface ToolDefinition {
  readonly name: string;
  readonly description: string;
  readonly input: ZodObject;
  readonly output: ZodObject;
  /** Changes nothing. */
  readonly readOnly: boolean;
  /** A repeat with the same idempotency key changes nothing more. */
  readonly idempotent: boolean;
  /** May take something away from a running workload. */
  readonly destructive: boolean;
  handle(args: JsonObject, context: ToolContext): Promise<JsonObject>;
}

/** A tool server as data: what it is called and what it offers. */
export interface ToolServerSpec {
  readonly name: string;
  readonly version: string;
  readonly tools: readonly ToolDefinition[];
}

// ---- Cluster -----------------------------------------------------------------------------------

/** A change as the policy allowed it. Only the cluster-act server sends one. */
export interface EffectRequest {
  readonly action: Action;
  readonly actionDigest: string;
  /** The target's version at the review; another one refuses the effect. */
  readonly versionExpected: string;
  readonly decisionId: string;
}

export interface EffectOptions {
  readonly idempotencyKey: string;
  /** Wall clock in ms; nothing takes effect after it. */
  readonly deadline: number;
}

export interface RevertOptions extends EffectOptions {
  readonly decisionId: string;
}

export interface PerformedEffect {
  /** Order of taking effect, from 1. */
  readonly n: number;
  readonly at: number;
  readonly effect: "perform" | "revert";
  readonly idempotencyKey: string;
  readonly receiptId: string;
  readonly type: ActionType;
  /** `kind/namespace/name` */
  readonly target: string;
  readonly actionDigest: string;
  readonly decisionId: string;
}

export interface PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly workload: string;
  /** What recreates it; null for a bare pod. */
  readonly controller: string | null;
  readonly containers: readonly string[];
  readonly serviceAccount: string;
  readonly isolated: boolean;
  readonly version: string;
}

export interface WorkloadFacts {
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  readonly replicas: number;
  readonly pods: readonly string[];
  readonly services: readonly string[];
  readonly criticality: TargetState["criticality"];
  readonly owner: string;
  readonly customerFacing: boolean;
  readonly isolated: boolean;
  readonly addressesBlocked: readonly string[];
  readonly version: string;
}

export interface NodeFacts {
  readonly name: string;
  readonly cordoned: boolean;
  readonly pods: number;
  readonly namespaces: number;
  readonly version: string;
}

/**
 * A cluster to look at and to act on. An effect is idempotent by its key: a repeat answers with the
 * first receipt and changes nothing. When `perform` or `revert` rejects, nothing was changed.
 */
export interface Cluster {
  /** `exists: false` for what the cluster does not have; a case is no cluster object. */
  describe(action: Action): Promise<TargetState>;
  /** Rejects with target_unknown or action_impossible where `perform` would. */
  dryRun(action: Action): Promise<DryRun>;
  /** Rejects with deadline_passed, target_unknown, target_changed, action_impossible or key_reused. */
  perform(request: EffectRequest, options: EffectOptions): Promise<Receipt>;
  /** Undoes what the receipt proves, and nothing that another effect did. */
  revert(receipt: Receipt, options: RevertOptions): Promise<Receipt>;
  /** The receipt of the effect with this key, null if it never took effect. */
  lookup(idempotencyKey: string): Promise<Receipt | null>;
  /** Does what the receipt proves still hold? */
  verify(receipt: Receipt): Promise<Verification>;
  pod(namespace: string, name: string): Promise<PodFacts | null>;
  workload(namespace: string, name: string): Promise<WorkloadFacts | null>;
  node(name: string): Promise<NodeFacts | null>;
  /** Every effect in the order of taking effect; of one target, if given. */
  log(target?: Target): Promise<readonly PerformedEffect[]>;
  close(): Promise<void>;
}

// ---- Model -------------------------------------------------------------------------------------

export interface ModelRequest {
  readonly model: string;
  readonly system: string;
  readonly prompt: string;
  readonly maxTokens: number;
  /** JSON Schema the answer must fit. */
  readonly outputSchema: JsonObject;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly traceparent: string;
}

export interface ModelAnswer {
  /** The text of the answer; the caller validates it. */
  readonly text: string;
  readonly stopReason: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly model: string;
  readonly requestId: string | null;
}

/** One attempt, without retries. Failures are WatchfloorErrors `model_*`; `data` carries usage. */
export interface Model {
  complete(request: ModelRequest): Promise<ModelAnswer>;
}

// ---- People ------------------------------------------------------------------------------------

export interface Notice {
  /** Same id, same notice: a repeat is recognised by it. */
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

export interface NoticeSink {
  deliver(notice: Notice): Promise<void>;
}
