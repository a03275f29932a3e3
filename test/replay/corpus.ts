/**
 * The boundary of: recorded histories and the machines of today. What each machine was given, and
 * what it made of it, step by step: recorded once a version, replayed by every later one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AnyMachineSnapshot, AnyStateMachine, EventObject } from "xstate";
import { digestOf } from "../../machines/digest.ts";
import type { ActorInput, Json, Kind } from "../../machines/protocol.ts";
import { begin, persist, stateName, step, type Step } from "../../supervisor/chart.ts";
import type { PersistedSnapshot } from "../../supervisor/record.ts";

export const FOLDER = join(import.meta.dirname, "histories");

export interface RecordedStep {
  readonly event: Json;
  /** After it. */
  readonly state: string;
  readonly context: string;
  /** Of what it wanted done: calls, timers, messages, in order. */
  readonly wishes: string;
}

export interface RecordedHistory {
  readonly kind: Kind;
  readonly version: number;
  readonly input: ActorInput;
  readonly steps: readonly RecordedStep[];
  /** As it was stored in the end: what a migration has to read. */
  readonly snapshot: PersistedSnapshot;
}

export function readCorpus(): RecordedHistory[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(FOLDER, name), "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as RecordedHistory);
}

/** A step as it is compared: what people see of it, and digests of the rest. */
function stepOf(event: Json, { snapshot, wishes }: Step): RecordedStep {
  return {
    event,
    state: stateName(snapshot.value as Json),
    context: digestOf(asJson(snapshot.context)),
    wishes: digestOf(asJson(wishes)),
  };
}

/** Takes the recorded events again; the steps as they come out now. */
export function replayed(
  machine: AnyStateMachine,
  history: RecordedHistory,
): { steps: RecordedStep[]; snapshot: PersistedSnapshot } {
  const opened = begin(machine, history.input);
  let snapshot: AnyMachineSnapshot = opened.snapshot;
  const steps = history.steps.map(({ event }, index) => {
    const taken = step(machine, snapshot, event as unknown as EventObject);
    snapshot = taken.snapshot;
    const wishes = index === 0 ? [...opened.wishes, ...taken.wishes] : taken.wishes;
    return stepOf(event, { snapshot, wishes });
  });
  return { steps, snapshot: persist(snapshot) };
}

function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value ?? null)) as Json;
}
