/**
 * The boundary of: a runner in a test. Small machines under the real supervisor, on the memory
 * transport and a virtual clock; `crash` and `start` are a killed process and its successor.
 */
import { assign, setup } from "xstate";
import type { ActorDefinition, ToolBinding } from "../../actors/define.ts";
import { declaredCall, hostActions } from "../../machines/host.ts";
import type {
  ActorAddress,
  ActorInput,
  AskInput,
  Envelope,
  Json,
  Kind,
  MachineEvent,
  ReplyTo,
} from "../../machines/protocol.ts";
import { shardOf } from "../../supervisor/placement.ts";
import type { JournalRecord } from "../../supervisor/record.ts";
import { Runner, type Observer } from "../../supervisor/runner.ts";
import type { MemoryOperation } from "../../transports/memory-gate.ts";
import { MemoryDisk, openMemory } from "../../transports/memory.ts";
import type { Transport } from "../../transports/ports.ts";
import { seededRandom } from "./seeded-random.ts";
import { virtualClock, type VirtualClock } from "./virtual-clock.ts";

const TRACEPARENT = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;

/** A detector that works on what it is asked (`work`), and answers; it waits before a second try. */
const workerMachine = setup({
  types: {
    context: {} as { replyTo: ReplyTo | null; job: Json; tries: number; error: string | null },
    input: {} as ActorInput,
    events: {} as
      MachineEvent<"job", Json> | MachineEvent<"poison", Json> | MachineEvent<"note", Json>,
  },
  actors: { work: declaredCall<Json, Json>() },
  actions: hostActions,
  delays: { pause: 1_000 },
}).createMachine({
  id: "detector",
  initial: "idle",
  context: { replyTo: null, job: null, tries: 0, error: null },
  states: {
    idle: {
      on: {
        job: {
          target: "working",
          actions: assign({
            replyTo: ({ event }) => event.meta.replyTo,
            job: ({ event }) => event.data,
            tries: 0,
          }),
        },
        poison: {
          actions: () => {
            throw new Error("never run");
          },
          guard: () => {
            throw new Error("a guard that throws");
          },
        },
        note: { actions: assign({ tries: ({ context }) => context.tries + 1 }) },
      },
    },
    working: {
      entry: assign({ tries: ({ context }) => context.tries + 1 }),
      invoke: {
        id: "work",
        src: "work",
        input: ({ context }) => context.job,
        onDone: {
          target: "idle",
          actions: {
            type: "reply",
            params: ({ context, event }) => ({ to: context.replyTo!, output: event.output.value }),
          },
        },
        onError: {
          target: "pausing",
          actions: assign({ error: ({ event }) => (event.error as { code: string }).code }),
        },
      },
    },
    pausing: { after: { pause: "working" } },
  },
});

/** A coordinator that asks one worker and keeps what it answered. */
const askerMachine = setup({
  types: {
    context: {} as { answers: Json[]; error: string | null; case: string },
    input: {} as ActorInput,
    events: {} as MachineEvent<"ask", { to: ActorAddress; job: Json; timeoutMs: number | null }>,
  },
  actors: { askWorker: declaredCall<AskInput, Json>() },
  actions: hostActions,
}).createMachine({
  id: "coordinator",
  initial: "idle",
  context: ({ input }) => ({ answers: [], error: null, case: input.case ?? "" }),
  states: {
    idle: { on: { ask: "asking" } },
    asking: {
      invoke: {
        id: "ask",
        src: "askWorker",
        input: ({ event }) => {
          const { to, job, timeoutMs } = (
            event as MachineEvent<"ask", { to: ActorAddress; job: Json; timeoutMs: number | null }>
          ).data;
          return { to, type: "job", data: job, timeoutMs };
        },
        onDone: {
          target: "idle",
          actions: assign({
            answers: ({ context, event }) => [...context.answers, event.output.value],
          }),
        },
        onError: {
          target: "idle",
          actions: assign({ error: ({ event }) => (event.error as { code: string }).code }),
        },
      },
    },
  },
});

export interface FloorOptions {
  readonly work?: Partial<ToolBinding>;
  readonly seed?: number;
  readonly before?: (operation: MemoryOperation) => Promise<void>;
  readonly workerVersion?: number;
}

export class Floor {
  readonly clock: VirtualClock = virtualClock();
  readonly disk = new MemoryDisk();
  readonly records: JournalRecord[] = [];
  readonly alarms: string[] = [];
  readonly lost: string[] = [];
  readonly #options: FloorOptions;
  transport!: Transport;
  runner!: Runner;
  #edge = 0;

  constructor(options: FloorOptions = {}) {
    this.#options = options;
  }

  async start(): Promise<this> {
    const { before, seed = 1 } = this.#options;
    this.transport = openMemory({
      clock: this.clock,
      disk: this.disk,
      ...(before ? { before } : {}),
    });
    const observer: Observer = {
      committed: (_, records) => this.records.push(...records),
      alarm: (error) => this.alarms.push(error.code),
      lost: (_, error) => this.lost.push((error as { code?: string }).code ?? String(error)),
    };
    this.runner = new Runner({
      transport: this.transport,
      definitions: definitionsWith(this.#options.work, this.#options.workerVersion),
      shardCount: 4,
      clock: this.clock,
      random: seededRandom(seed),
      runnerId: "test",
      observers: [observer],
    });
    await this.runner.start();
    return this;
  }

  /** A killed process: nothing in memory survives. */
  crash(): void {
    this.runner.halt();
  }

  /** An envelope from outside, by the mailbox. */
  async send(
    to: ActorAddress,
    type: string,
    data: Json,
    id = `edge-${++this.#edge}`,
  ): Promise<void> {
    const envelope = edgeEnvelope(to, type, data, id);
    await this.transport.mailbox.publish(shardOf(to, 4), [envelope]);
  }

  /** Lets everything run that waits for no timer, then what is due within `ms`. */
  async settle(ms = 10): Promise<void> {
    await this.clock.advance(ms);
    for (let round = 0; round < 50 && !this.runner.idle; round++) await this.clock.advance(1);
  }

  /** The actor's record, read back from the store after a clean stop. */
  async stored(
    actor: ActorAddress,
  ): Promise<{ snapshot: { value: Json; context: Record<string, Json> } }> {
    await this.runner.drain();
    return (await this.transport.store.get("actors", actor)) as never;
  }

  turnsOf(actor: ActorAddress): string[] {
    return this.records.flatMap((record) =>
      record.r === "turn" && record.actor === actor ? [`${record.event} -> ${record.is}`] : [],
    );
  }
}

/** As a source outside would send it. */
export function edgeEnvelope(to: ActorAddress, type: string, data: Json, id: string): Envelope {
  return {
    id,
    from: "edge/test",
    to,
    type,
    data,
    traceparent: TRACEPARENT,
    case: to.split("/")[1]!,
    cause: null,
    replyTo: null,
    shard: null,
    seq: null,
  };
}

export function definitionsWith(
  bound: Partial<ToolBinding> = {},
  workerVersion = 1,
): Map<Kind, ActorDefinition> {
  const work: ToolBinding = {
    call: "tool",
    recovery: "retry",
    timeoutMs: 5_000,
    concurrencyMax: 4,
    run: async (input) => ({ did: input }),
    ...bound,
  };
  return new Map<Kind, ActorDefinition>([
    [
      "detector",
      {
        kind: "detector",
        version: workerVersion,
        machine: workerMachine,
        calls: { work },
      },
    ],
    [
      "coordinator",
      {
        kind: "coordinator",
        version: 1,
        machine: askerMachine,
        calls: { askWorker: { call: "ask" } },
        history: (event) => ({ type: event.type }),
      },
    ],
  ]);
}
