/**
 * The boundary of: everything that can go wrong and has a name. One table; operators search by
 * code, the README lists it, and a test keeps the two equal.
 */
import type { FailureData, Json } from "./protocol.ts";

interface ErrorEntry {
  /** What it says to a person; `{field}` is replaced. */
  readonly message: string;
  readonly retryable: boolean;
}

export const ERRORS = {
  // Input from outside.
  not_json: { message: "line {line}: not JSON", retryable: false },
  not_falco: { message: "line {line}: not a Falco event: {field} {rule}", retryable: false },
  line_too_long: {
    message: "line {line}: {bytes} bytes, over the limit of {limit}",
    retryable: false,
  },
  nothing_readable: {
    message: "nothing in {source} could be read as a Falco event",
    retryable: false,
  },
  // Kafka.
  kafka_unreachable: { message: "Kafka cannot be reached at {brokers}: {why}", retryable: true },
  kafka_refused: { message: "Kafka at {brokers} refuses this client: {why}", retryable: true },
  kafka_topic_missing: { message: "topic {topic} does not exist at {brokers}", retryable: true },
  kafka_partition_lost: {
    message: "topic {topic} had {before} partitions and now has {now}",
    retryable: true,
  },
  kafka_offset_lost: {
    message:
      "the records of {topic}/{partition} at the committed offset are gone; it is read on from the oldest that is left",
    retryable: false,
  },
  kafka_unreadable: { message: "records of topic {topic} cannot be read: {why}", retryable: true },
  kafka_failed: { message: "Kafka failed: {why}", retryable: true },
  // Configuration and start.
  config_unreadable: { message: "cannot read {path}: {why}", retryable: false },
  config_invalid: { message: "{origin}: {field} {rule}", retryable: false },
  unknown_kind: { message: "unknown agent kind {kind}; known: {known}", retryable: false },
  resource_invalid: { message: "agent resource {path}: {field} {rule}", retryable: false },
  tool_undeclared: {
    message: "tool {tool} declares no recovery (retry, reconcile or escalate)",
    retryable: false,
  },
  port_taken: {
    message: "{host}:{port} is taken by another process; choose another with {option}",
    retryable: false,
  },
  data_newer: {
    message:
      "{path} was written by a newer version (format {found}, this one knows {known}); start that version, or choose another --data",
    retryable: false,
  },
  data_in_use: {
    message: "{path} is in use by process {pid}; stop it, or choose another --data",
    retryable: false,
  },
  data_unusable: { message: "cannot use {path}: {why}", retryable: false },
  disk_full: {
    message: "no space left for {path}; nothing was damaged: free some space and start again",
    retryable: true,
  },
  value_unreadable: {
    message: "{key} in table {table} cannot be read: its bytes were changed on the disk",
    retryable: false,
  },
  key_invalid: {
    message: "a key of table {table} has {bytes} bytes, outside 1 to {limit}",
    retryable: false,
  },
  shards_changed: {
    message:
      "{path} was made with {found} shards a kind, not {wanted}; the count is fixed at first start",
    retryable: false,
  },
  http_exposed: {
    message: "{host} is not loopback: configure http.tls (mutual) or http.secretPath",
    retryable: false,
  },
  // The runtime.
  fenced: { message: "shard {shard} is owned by a newer epoch", retryable: false },
  lease_passed: { message: "the lease on {shard} has passed", retryable: true },
  shard_set_aside: {
    message:
      "shard {shard} is set aside and its actors wait; the others go on: {why}; look with: watchfloor journal {shard}",
    retryable: false,
  },
  mailbox_unreadable: {
    message:
      "envelope {position} in the mailbox of {shard} cannot be read: its bytes were changed on the disk; it is left out and the next are taken",
    retryable: false,
  },
  sequence_gap: {
    message: "shard {shard} misses envelopes of {sender}; what came after them is applied",
    retryable: false,
  },
  // NATS.
  nats_unreachable: {
    message: "cannot reach NATS at {url}: {why}; start it, or name another with --nats or NATS_URL",
    retryable: true,
  },
  nats_refused: {
    message: "NATS at {url} refuses the credentials; see watchfloor nats permissions",
    retryable: false,
  },
  nats_jetstream_off: {
    message: "NATS at {url} has JetStream off, for the server or for this account; turn it on",
    retryable: false,
  },
  nats_too_old: {
    message: "NATS at {url} is {found}; {of} must be {wanted} or newer: upgrade it",
    retryable: false,
  },
  nats_stream_differs: {
    message:
      "stream {stream} has {field} {found}, not {wanted}; change it with nats stream edit, or use another account",
    retryable: false,
  },
  nats_recreated: {
    message:
      "stream {stream} on {path} was made anew since the first start; restore it, or remove all streams",
    retryable: false,
  },
  nats_full: {
    message:
      "NATS has no room for {target}; nothing was damaged: free some space or raise its limits",
    retryable: true,
  },
  nats_payload: { message: "NATS does not take {target}: {why}", retryable: false },
  nats_forbidden: {
    message:
      "NATS forbids the {operation} on {target} to this credential; see watchfloor nats permissions",
    retryable: false,
  },
  nats_unanswered: {
    message: "NATS at {url} does not answer for {target}: {why}",
    retryable: true,
  },
  nats_failed: { message: "NATS refused a request on {target}: {why}", retryable: false },
  nats_foreign: {
    message:
      "message {seq} on {target} was written by another program; the shard {shard} is stopped",
    retryable: false,
  },
  journal_forked: {
    message:
      "the journal of {shard} has two successors of one append at position {position} (message {seq})",
    retryable: false,
  },
  envelope_refused: {
    message: "what lies at {position} in the mailbox of {shard}, put there as {sender}, {why}",
    retryable: false,
  },
  append_unanswered: {
    message: "an append to {shard} got no answer; it may have happened",
    retryable: true,
  },
  record_too_large: {
    message: "a turn of {actor} takes {bytes} bytes, over the limit of {limit}",
    retryable: false,
  },
  record_unreadable: {
    message:
      "journal record {position} of {shard} cannot be read: {why}; set aside: {aside}; look with: watchfloor journal {shard} --from {position}",
    retryable: false,
  },
  machine_failed: { message: "the machine of {actor} failed on {type}: {why}", retryable: true },
  unknown_actor_kind: { message: "no machine for {actor}", retryable: false },
  unknown_version: {
    message: "{actor} was stored by version {found} of its machine; this one knows {known}",
    retryable: false,
  },
  mailbox_full: {
    message: "the mailbox of {shard} holds {depth} envelopes, its limit",
    retryable: true,
  },
  ask_timeout: { message: "{to} did not answer within {timeoutMs} ms", retryable: true },
  ask_dead: { message: "the question to {to} could not be applied", retryable: false },
  call_timeout: { message: "{tool} did not finish within {timeoutMs} ms", retryable: true },
  call_aborted: { message: "{tool} was given up before it answered", retryable: true },
  call_failed: { message: "{tool} failed: {why}", retryable: true },
  call_outcome_unknown: {
    message: "it is not known whether {tool} took effect; a person must look",
    retryable: false,
  },
  call_unknown: { message: "{actor} has no tool {tool}", retryable: false },
  // Model.
  model_rate_limited: { message: "the model's service limits the rate", retryable: true },
  model_overloaded: { message: "the model's service is overloaded", retryable: true },
  model_timeout: { message: "the model did not answer within {timeoutMs} ms", retryable: true },
  model_stream_cut: { message: "the model's answer was cut off", retryable: true },
  model_body_broken: {
    message: "the body of the model's answer cannot be read to its end",
    retryable: true,
  },
  model_unavailable: { message: "the model's service cannot be reached", retryable: true },
  model_rejected: {
    message: "the model's service refused the request with status {status}",
    retryable: false,
  },
  model_refused: { message: "the model refused to answer", retryable: false },
  model_max_tokens: { message: "the model's answer reached its token limit", retryable: true },
  model_bad_schema: {
    message: "the model's answer does not fit its schema at {field}",
    retryable: true,
  },
  model_tool_loop: {
    message: "the model asked for tools more than {limit} times",
    retryable: false,
  },
  model_tool_asked: { message: "the model asked for a tool where it has none", retryable: true },
  model_paused: { message: "the model paused its turn before it answered", retryable: true },
  model_context_exceeded: {
    message: "the request is larger than the model's context",
    retryable: false,
  },
  model_absent: { message: "no model is configured", retryable: false },
  budget_spent: { message: "the case's budget of {what} is spent", retryable: false },
  // Policy and tools.
  policy_invalid_input: { message: "the policy's input is invalid at {field}", retryable: false },
  policy_failed: { message: "the policy could not be evaluated: {why}", retryable: true },
  policy_unusable: { message: "the policy bundle cannot be used: {why}", retryable: false },
  policy_unreachable: { message: "the policy server cannot be reached: {why}", retryable: true },
  policy_stale: {
    message: "the policy server answered by revision {found}, not by {wanted}",
    retryable: true,
  },
  log_unreadable: { message: "{path} is no decision log: {why}", retryable: false },
  decision_not_logged: { message: "the decision could not be written to its log", retryable: true },
  policy_denied: {
    message: "the policy does not allow this effect now: {verdict}",
    retryable: false,
  },
  tool_error: { message: "tool {tool} answered with an error", retryable: true },
  tool_bad_result: { message: "tool {tool} answered outside its schema", retryable: false },
  tool_no_result: { message: "tool {tool} answered without a structured result", retryable: false },
  tool_unreachable: { message: "the tool server {server} cannot be reached", retryable: true },
  tool_not_granted: { message: "{kind} has no grant for {tool}", retryable: false },
  tool_bad_input: {
    message: "tool {tool} was called outside its schema at {field}",
    retryable: false,
  },
  action_impossible: { message: "{action} cannot be done to {target}: {why}", retryable: false },
  key_reused: {
    message: "the idempotency key of this effect was used for another one",
    retryable: false,
  },
  target_unknown: { message: "the cluster has no {target}", retryable: false },
  target_changed: { message: "{target} changed since the review", retryable: false },
  effect_not_held: {
    message: "the effect on {target} was not there when it was checked",
    retryable: false,
  },
  no_inverse: { message: "what was done to {target} cannot be undone", retryable: false },
  deadline_passed: { message: "the deadline for this effect has passed", retryable: false },
  // The anomaly gate.
  option_invalid: { message: "{option} {rule}", retryable: false },
  row_width: { message: "{found} values where {wanted} were expected", retryable: false },
  row_not_finite: {
    message: "row {row}, column {column} is not a finite number",
    retryable: false,
  },
  rows_too_few: {
    message: "{rows} rows are too few; at least {needed} are needed",
    retryable: false,
  },
  rows_constant: {
    message: "all {rows} rows are equal: nothing can be isolated",
    retryable: false,
  },
  model_unknown: { message: "there is no version {n} of the model", retryable: false },
  no_earlier_model: { message: "no version of the model served before this one", retryable: false },
  model_unreadable: { message: "the stored {what} cannot be used: {why}", retryable: false },
  // People and commands.
  case_unknown: { message: "no case, event or trace has the id {id}", retryable: false },
  id_ambiguous: {
    message: "{id} is the beginning of {count} ids or more; give more of it",
    retryable: false,
  },
  dismissal_needed: {
    message: "say why case {id} is dismissed: --because {choices}",
    retryable: false,
  },
  not_taken: {
    message:
      "the command {id} is stored and was not taken within {seconds} s; look again with {look}",
    retryable: true,
  },
  command_refused: { message: "case {id}: the answer did not count: {why}", retryable: false },
  control_invalid: { message: "the runner's control socket: {why}", retryable: false },
  peer_unproven: { message: "who sends this command is not proven: {why}", retryable: false },
  evidence_unfit: { message: "{path} is no evidence of a case: {field} {rule}", retryable: false },
  identity_unusable: { message: "cannot use the identity {path}: {why}", retryable: false },
  not_waiting: { message: "case {id} waits for nobody: it is {state}", retryable: false },
  case_working: {
    message: "case {id} is being worked; try again when it is settled",
    retryable: true,
  },
  nothing_to_undo: { message: "case {id} has nothing that can be undone", retryable: false },
  not_permitted: { message: "{user} may not answer this: {why}", retryable: false },
  evidence_broken: { message: "entry {n} does not fit the chain: {why}", retryable: false },
  dead_letter_unknown: { message: "no dead letter has the id {id}", retryable: false },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorFields = Readonly<Record<string, string | number>>;

const MESSAGE_CHARS_MAX = 300;

/** A named failure. `fields` fill the message; `cause` and `data` never reach a log at info level. */
export class WatchfloorError extends Error {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
  readonly data: Json;

  constructor(
    code: ErrorCode,
    fields: ErrorFields = {},
    more: { cause?: unknown; retryAfterMs?: number; data?: Json } = {},
  ) {
    super(errorMessage(code, fields), more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "WatchfloorError";
    this.code = code;
    this.fields = fields;
    this.retryable = ERRORS[code].retryable;
    this.retryAfterMs = more.retryAfterMs ?? null;
    this.data = more.data ?? null;
  }
}

export function errorMessage(code: ErrorCode, fields: ErrorFields): string {
  const text = ERRORS[code].message.replace(/\{(\w+)\}/g, (_, name: string) =>
    String(fields[name] ?? "?"),
  );
  return text.slice(0, MESSAGE_CHARS_MAX);
}

/** Any thrown value as data. An error without a code becomes `call_failed` with no text of its own. */
export function toFailure(error: unknown, tool: string): FailureData {
  const known =
    error instanceof WatchfloorError
      ? error
      : new WatchfloorError("call_failed", { tool, why: nameOf(error) });
  const { code, message, retryable, retryAfterMs, data } = known;
  return { code, message, retryable, retryAfterMs, data };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
