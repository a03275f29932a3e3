/**
 * The boundary of: `npm run replay:record`. Works the attacks of the sample day on the whole floor,
 * writes down what every machine was given, and keeps one history for each way through a chart.
 * A recorded version is never written again: what it recorded stays the measure of the next.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AnyMachineSnapshot, AnyStateMachine } from "xstate";
import type { ActorInput, Json, Kind } from "../../machines/protocol.ts";
import { fitBaseline } from "../../supervisor/baseline.ts";
import { composeFloor } from "../../supervisor/compose.ts";
import { loadConfig } from "../../supervisor/config.ts";
import { systemClock } from "../../transports/clock.ts";
import { parseFalcoLine } from "../../transports/falco/parse.ts";
import { openMemory } from "../../transports/memory.ts";
import { attackLines } from "../../transports/sample/scenarios.ts";
import { CHARTS } from "../kit/charts.ts";
import { FOLDER, replayed, type RecordedHistory } from "./corpus.ts";

const HISTORIES_MAX = 12;
const BYTES_MAX = 60_000;

interface Taken {
  readonly kind: Kind;
  readonly input: ActorInput;
  readonly events: Json[];
}

const byAddress = new Map<string, Taken>();
const ofSnapshot = new WeakMap<AnyMachineSnapshot, Taken>();

type Methods = Pick<AnyStateMachine, "transition" | "getInitialSnapshot">;

/** Writes down what the runtime gives a machine; what it does is unchanged. */
function listenTo(methods: Methods, kindOf: (machine: AnyStateMachine) => Kind | null): void {
  const { transition, getInitialSnapshot } = methods;
  methods.getInitialSnapshot = function (this: AnyStateMachine, scope, input) {
    const snapshot = getInitialSnapshot.call(this, scope, input);
    const [kind, given] = [kindOf(this), input as ActorInput | undefined];
    if (kind === null || given?.address === undefined) return snapshot;
    const taken = { kind, input: given, events: [] };
    byAddress.set(given.address, taken);
    ofSnapshot.set(snapshot, taken);
    return snapshot;
  };
  methods.transition = function (this: AnyStateMachine, snapshot, event, scope) {
    const next = transition.call(this, snapshot, event, scope);
    const taken = ofSnapshot.get(snapshot);
    taken?.events.push(JSON.parse(JSON.stringify(event)) as Json);
    if (taken) ofSnapshot.set(next, taken);
    return next;
  };
}

async function work(): Promise<void> {
  const env = { WATCHFLOOR_TRANSPORT: "memory", WATCHFLOOR_MODE: "enforce" };
  const config = loadConfig({ flags: {}, env, cwd: import.meta.dirname, folder: null });
  const floor = await composeFloor(config, {
    transport: openMemory({ clock: systemClock }),
    sink: { deliver: async () => {} },
    observers: [],
    say: () => {},
    firstModel: async () => fitBaseline(1),
  });
  for (const { text } of attackLines(1)) {
    await floor.intake.accept([parseFalcoLine(text, 1)], "sample", "record");
    do await new Promise((resolve) => void setTimeout(resolve, 10));
    while (!floor.runner.idle);
  }
  await floor.close();
}

/** One for each way through the chart, shortest text first, so that the corpus stays small. */
function kept(kind: Kind): RecordedHistory[] {
  const { machine, version } = CHARTS[kind];
  const ways = new Map<string, RecordedHistory>();
  for (const { kind: of, input, events } of byAddress.values()) {
    if (of !== kind || events.length === 0) continue;
    const empty = { kind, version, input, snapshot: null as never };
    const asked = { ...empty, steps: events.map((event) => ({ event })) } as never;
    const { steps, snapshot } = replayed(machine, asked);
    const history = { kind, version, input, steps, snapshot };
    const way = steps.map(({ event, state }) => `${(event as { type: string }).type}>${state}`);
    if (JSON.stringify(history).length > BYTES_MAX || ways.has(way.join())) continue;
    ways.set(way.join(), history);
  }
  return [...ways.values()]
    .toSorted((a, b) => JSON.stringify(a).length - JSON.stringify(b).length)
    .slice(0, HISTORIES_MAX);
}

for (const [kind, { machine }] of Object.entries(CHARTS)) listenTo(machine, () => kind as Kind);
// The coordinator's is made anew with the floor's settings: its class is listened to.
listenTo(Object.getPrototypeOf(CHARTS.coordinator.machine) as Methods, ({ id }) =>
  id === "coordinator" ? id : null,
);
await work();
mkdirSync(FOLDER, { recursive: true });
for (const kind of Object.keys(CHARTS) as Kind[]) {
  const file = join(FOLDER, `${kind}.${CHARTS[kind].version}.jsonl`);
  if (existsSync(file)) {
    process.stdout.write(`${file} is there already; a recorded version stays as it is\n`);
    continue;
  }
  const histories = kept(kind);
  if (histories.length === 0) continue;
  writeFileSync(file, `${histories.map((history) => JSON.stringify(history)).join("\n")}\n`);
  process.stdout.write(`${file}: ${histories.length} histories\n`);
}
process.exit(0);
