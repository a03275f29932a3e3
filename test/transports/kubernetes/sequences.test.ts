/**
 * Arbitrary orders of performing, repeating and undoing, against a model that is a few sets. Whatever
 * the order: each key takes effect once, undoing puts back what was there, others' effects stay.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { WatchfloorError } from "../../../machines/errors.ts";
import type { Receipt } from "../../../machines/vocabulary.ts";
import type { Cluster } from "../../../transports/ports.ts";
import { action, keyed, NODE, openEstate, perform, POD, WORKLOAD } from "./estate.ts";

const ADDRESSES = ["203.0.113.1", "203.0.113.2", "2001:db8::2"] as const;

const EFFECTS = [
  ...ADDRESSES.map((address) => action("block_egress", WORKLOAD, { address })),
  action("isolate", POD),
  action("isolate", WORKLOAD),
  action("cordon", NODE),
] as const;

/** A step performs effect `effect` under key `k<key>`, or undoes what that key performed. */
const stepArbitrary = fc.record({
  undo: fc.boolean(),
  effect: fc.nat(EFFECTS.length - 1),
  key: fc.nat(7),
});

interface Performed {
  readonly receipt: Receipt;
  readonly effect: number;
  undone: boolean;
}

class Model {
  readonly byKey = new Map<number, Performed>();
  #cordoned = false;

  note(key: number, performed: Performed): void {
    this.byKey.set(key, performed);
    if (EFFECTS[performed.effect]?.type === "cordon") this.#cordoned = true;
  }

  undo(performed: Performed): void {
    if (performed.undone) return;
    performed.undone = true;
    const { inverse } = performed.receipt;
    // A cordon of a cordoned node changed nothing, so its undo does not either.
    if (inverse?.["restore"] === "cordoned" && inverse["previous"] === false)
      this.#cordoned = false;
  }

  stands(effect: number): boolean {
    return [...this.byKey.values()].some((done) => done.effect === effect && !done.undone);
  }

  async check(cluster: Cluster): Promise<void> {
    const facts = await cluster.workload("shop", "web");
    const blocked = ADDRESSES.filter((_, index) => this.stands(index));
    assert.deepEqual(facts?.addressesBlocked, [...blocked].toSorted());
    assert.equal(facts?.isolated, this.stands(4));
    const isolated = this.stands(3) || this.stands(4);
    assert.equal((await cluster.pod("shop", "web-abc-1"))?.isolated, isolated);
    assert.equal((await cluster.node("n-1"))?.cordoned, this.#cordoned);
  }
}

async function step(
  cluster: Cluster,
  model: Model,
  { undo, effect, key }: { undo: boolean; effect: number; key: number },
): Promise<void> {
  const known = model.byKey.get(key);
  if (undo) {
    if (known === undefined) return;
    const first = await cluster.revert(known.receipt, keyed(`undo-${key}`));
    assert.deepEqual(await cluster.revert(known.receipt, keyed(`undo-${key}`)), first);
    return model.undo(known);
  }
  const wanted = EFFECTS[effect];
  assert.ok(wanted);
  const attempt = perform(cluster, wanted, `k${key}`);
  if (known !== undefined && known.effect !== effect) {
    await assert.rejects(attempt, (error) => (error as WatchfloorError).code === "key_reused");
    return;
  }
  const receipt = await attempt;
  if (known === undefined) model.note(key, { receipt, effect, undone: false });
  else assert.deepEqual(receipt, known.receipt);
}

describe("transports: simulated cluster under arbitrary sequences", () => {
  it("performs each key once and equals the model after every step", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 40 }), async (steps) => {
        const cluster = await openEstate();
        const model = new Model();
        for (const each of steps) {
          await step(cluster, model, each);
          await model.check(cluster);
        }
        const keys = (await cluster.log()).map(({ idempotencyKey }) => idempotencyKey);
        assert.equal(new Set(keys).size, keys.length, "a key took effect twice");
        const undone = [...model.byKey].filter(([, performed]) => performed.undone);
        assert.equal(keys.length, model.byKey.size + undone.length);
      }),
      { numRuns: 60 },
    );
  });

  it("comes back to where it was when everything is undone, newest first", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(EFFECTS.length - 1), { minLength: 1, maxLength: 12 }),
        async (effects) => {
          const cluster = await openEstate();
          const before = await stateOf(cluster);
          const receipts: Receipt[] = [];
          for (const [key, effect] of effects.entries()) {
            receipts.push(await perform(cluster, EFFECTS[effect] ?? EFFECTS[0], `k${key}`));
          }
          for (const receipt of receipts.toReversed()) {
            await cluster.revert(receipt, keyed(`u-${receipt.id}`));
          }
          assert.deepEqual(await stateOf(cluster), before);
        },
      ),
      { numRuns: 40 },
    );
  });
});

async function stateOf(cluster: Cluster) {
  const [workload, pod, node] = await Promise.all([
    cluster.workload("shop", "web"),
    cluster.pod("shop", "web-abc-1"),
    cluster.node("n-1"),
  ]);
  return [workload, pod, node].map((facts) => ({ ...facts, version: null }));
}
