/**
 * The boundary of: the bare ceiling. The same chart by the same pure step and the same journal, with
 * group commit, and nothing else: no mailbox, routing, calls, timers, supervision or state store.
 */
import { begin, persist, step } from "../../supervisor/chart.ts";
import { sliceOf } from "../../supervisor/placement.ts";
import type { AnyMachineSnapshot } from "xstate";
import type { Transport } from "../../transports/ports.ts";
import { closedLoop, type LoadOptions, type LoadResult } from "./load.ts";
import { NOTE, sixStepActor, sixStepMachine, STEPS, TRACEPARENT } from "./six-step.ts";
import { openPlace, SHARDS, type TransportName } from "./watchfloor.ts";

/** One log: what became ready while an append is in flight goes into the next. */
class Packer {
  readonly #shard: string;
  readonly #transport: Transport;
  #texts: string[] = [];
  #durable: (() => void)[] = [];
  #last = 0;
  #appending = false;

  constructor(shard: string, transport: Transport) {
    this.#shard = shard;
    this.#transport = transport;
  }

  append(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#texts.push(text);
      this.#durable.push(resolve);
      if (!this.#appending) void this.#packs().catch(reject);
    });
  }

  async #packs(): Promise<void> {
    this.#appending = true;
    // What becomes ready in the same turn of the loop goes together.
    await Promise.resolve();
    while (this.#texts.length > 0) {
      const [texts, durable] = [this.#texts, this.#durable];
      this.#texts = [];
      this.#durable = [];
      const result = await this.#transport.journal.append(this.#shard, this.#last, texts);
      this.#last = result.last;
      for (const resolve of durable) resolve();
    }
    this.#appending = false;
  }
}

export async function measureCeiling(
  name: TransportName,
  options: LoadOptions,
): Promise<LoadResult> {
  const place = await openPlace(name);
  const packers = Array.from(
    { length: SHARDS },
    (_, n) => new Packer(`detector.${n}`, place.transport),
  );
  const load = await closedLoop(options, (n) => bareCase(packers, n));
  await place.close();
  return load;
}

async function bareCase(packers: readonly Packer[], n: number): Promise<void> {
  const address = sixStepActor(n);
  const packer = packers[sliceOf(`b-${n}`, SHARDS)]!;
  const at = performance.now();
  let snapshot: AnyMachineSnapshot = begin(sixStepMachine, {
    address,
    case: `b-${n}`,
    traceparent: TRACEPARENT,
    at,
  }).snapshot;
  const take = async (event: { type: string }): Promise<void> => {
    const next = step(sixStepMachine, snapshot, event);
    snapshot = next.snapshot;
    await packer.append(
      JSON.stringify({ actor: address, event: event.type, snapshot: persist(snapshot) }),
    );
  };
  await take({ type: "begin", data: { note: NOTE } } as { type: string });
  for (const name of STEPS) {
    const value = await Promise.resolve({ ok: true, of: { step: name } });
    await take({ type: `xstate.done.actor.${name}`, output: { value } } as { type: string });
  }
  if (snapshot.status !== "done") throw new Error(`${address} did not end`);
}
