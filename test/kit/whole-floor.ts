/**
 * The boundary of: the whole watch floor in a test, as it is composed for a user, on the memory
 * transport, with the model's service played by a local server. Time is virtual: it stands still
 * while anything is being worked on, so that no test depends on how fast a machine is.
 */
import assert from "node:assert/strict";
import { getMicrosteps } from "xstate";
import { Models } from "../../actors/trainer/models.ts";
import { trainModel, type Model as GateModel } from "../../anomaly/index.ts";
import { analystMachine } from "../../machines/analyst.machine.ts";
import type { CaseSummary } from "../../machines/vocabulary.ts";
import type { CallReport } from "../../supervisor/calls.ts";
import { restore, stateName } from "../../supervisor/chart.ts";
import { composeFloor, type Floor } from "../../supervisor/compose.ts";
import { loadConfig } from "../../supervisor/config.ts";
import { isSettled } from "../../supervisor/fates.ts";
import type { TurnRecord } from "../../supervisor/record.ts";
import { parseFalcoLine } from "../../transports/falco/parse.ts";
import { openMemory } from "../../transports/memory.ts";
import { generateBaseline } from "../../transports/sample/day.ts";
import { attackLines } from "../../transports/sample/scenarios.ts";
import type { FakeMessagesApi } from "./fake-messages-api.ts";
import { seededRandom } from "./seeded-random.ts";
import { virtualClock, type VirtualClock } from "./virtual-clock.ts";

const SEED = 1;
const STEP_MS = 250;
/** Longer than every wait of an agent, shorter than a person's. */
const PATIENCE_MS = 60 * 60_000;
/** One attempt at the model. */
const MODEL_TIMEOUT_MS = 20_000;
/** An attempt ends so long before its call does. */
const MARGIN_MS = 500;

let gate: GateModel | null = null;

/** Fitted as at a first start, but once for all floors. */
function fittedGate(): GateModel {
  if (gate !== null) return gate;
  const baseline = [...generateBaseline(SEED)];
  const events = baseline.map((text, index) => parseFalcoLine(text, index + 1));
  gate = trainModel(events, { seed: SEED });
  return gate;
}

export class WholeFloor {
  readonly clock: VirtualClock = virtualClock();
  readonly turns: TurnRecord[] = [];
  readonly #reports: CallReport[] = [];
  readonly #said: string[] = [];
  readonly #api: FakeMessagesApi;
  #floor!: Floor;
  #closed = false;

  private constructor(api: FakeMessagesApi) {
    this.#api = api;
  }

  /** With `env` over what every test here needs. */
  static async start(
    api: FakeMessagesApi,
    env: Readonly<Record<string, string>> = {},
  ): Promise<WholeFloor> {
    const whole = new WholeFloor(api);
    const config = loadConfig({
      flags: {},
      env: {
        WATCHFLOOR_TRANSPORT: "memory",
        WATCHFLOOR_MODE: "enforce",
        WATCHFLOOR_MODEL_TIMEOUT_MS: String(MODEL_TIMEOUT_MS),
        ANTHROPIC_API_KEY: "test-key",
        ANTHROPIC_BASE_URL: api.baseURL,
        ...env,
      },
      cwd: import.meta.dirname,
      folder: null,
    });
    const transport = openMemory({ clock: whole.clock });
    const models = new Models(transport.store);
    const made = { at: 0, source: "baseline", why: "test", labels: 0 } as const;
    const version = await models.keep(fittedGate(), made);
    await models.promote(version, { at: 0, who: null, why: "test" });
    whole.#floor = await composeFloor(config, {
      transport,
      firstModel: () => Promise.reject(new Error("the gate is fitted already")),
      sink: { deliver: async () => {} },
      observers: [
        {
          committed: (_, records) => {
            for (const record of records) if (record.r === "turn") whole.turns.push(record);
          },
          called: (report) => whole.#reports.push(report),
        },
      ],
      clock: whole.clock,
      random: seededRandom(SEED),
      say: (line) => whole.#said.push(line),
    });
    return whole;
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#floor.close();
  }

  /** The first event of a scenario of the sample day goes in; the case that it opens. */
  async attack(scenario: string): Promise<string> {
    const line = attackLines(SEED).find((known) => known.scenario === scenario);
    assert.ok(line, scenario);
    const event = parseFalcoLine(line.text, 1);
    await this.#floor.intake.accept([event], "sample", "test");
    const outcome = () =>
      this.turns.flatMap(({ outcomes }) => outcomes).find(({ digest }) => digest === event.digest);
    await this.until(`the gate took ${scenario}`, () => outcome() !== undefined);
    assert.equal(outcome()?.gate, "forwarded");
    return outcome()?.case ?? assert.fail(`${scenario} opened no case`);
  }

  /** As last committed. */
  case(id: string): CaseSummary | null {
    return this.turnsOf(`coordinator/${id}`).at(-1)?.summary ?? null;
  }

  async settled(id: string): Promise<CaseSummary> {
    await this.until(`${id} settles`, () => {
      const summary = this.case(id);
      return summary !== null && isSettled(summary);
    });
    return this.case(id) ?? assert.fail(id);
  }

  /** Waits until a request hangs, then as long as an attempt may take, and no longer. */
  async outlastHang(): Promise<void> {
    await this.until("a request hangs", () => this.#api.hanging === 1);
    await this.clock.advance(MODEL_TIMEOUT_MS - MARGIN_MS);
    await this.until("the hung request is given up", () => this.#api.hanging === 0);
  }

  /** Time goes on only while nothing is being worked on, here or by the model's service. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const { runner } = this.#floor;
    const giveUpAt = this.clock.steady() + PATIENCE_MS;
    while (!holds()) {
      const goesOn = !this.#closed && !this.#floor.failed && this.clock.steady() < giveUpAt;
      assert.ok(goesOn, `never: ${what}\n${this.#timeline()}`);
      await new Promise((resolve) => setImmediate(resolve));
      if (runner.idle && !holds()) await this.clock.advance(STEP_MS);
    }
  }

  turnsOf(actor: string): TurnRecord[] {
    return this.turns.filter((turn) => turn.actor === actor);
  }

  /**
   * Every state of the chart that an analyst went through. A turn names only the one it ends in; the
   * ones between are found by taking the same turn again on what was committed before it.
   */
  statesOfAnalyst(actor: string): string[] {
    const turns = this.turnsOf(actor);
    return turns.flatMap((turn, index) => {
      const before = turns[index - 1]?.record;
      const failed = turn.event.startsWith("xstate.error.actor.");
      return failed && before ? this.#statesBetween(before, turn) : [turn.is];
    });
  }

  #statesBetween({ snapshot }: TurnRecord["record"], turn: TurnRecord): string[] {
    const report = this.#reports.find(({ order }) => order.call.id === turn.cause);
    assert.ok(snapshot && report && !report.outcome.ok, turn.cause);
    const { at, random } = turn;
    const error = { ...report.outcome.failure, at, random, durationMs: 0 };
    const event = { type: turn.event, error } as never;
    const steps = getMicrosteps(analystMachine, restore(analystMachine, snapshot) as never, event);
    const states = steps.map(([next]) => stateName(next.value));
    assert.equal(states.at(-1), turn.is);
    return states.filter((state, index) => state !== states[index - 1]);
  }

  #timeline(): string {
    const turns = this.turns.map(
      ({ actor, was, event, is }) => `${actor}: ${was} -- ${event} -> ${is}`,
    );
    return [...turns.slice(-40), ...this.#said].join("\n");
  }
}
