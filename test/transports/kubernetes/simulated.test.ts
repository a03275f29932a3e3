/** What the simulated cluster promises: once a key, never late, never on a changed object, undone alone. */
import assert from "node:assert/strict";
import type { ErrorCode } from "../../../machines/errors.ts";
import type { Action, Receipt } from "../../../machines/vocabulary.ts";
import type { Cluster } from "../../../transports/ports.ts";
import { INVENTORY } from "../../../transports/sample/inventory.ts";
import { openSimulatedCluster } from "../../../transports/kubernetes/simulated.ts";
import {
  ACCOUNT,
  action,
  keyed,
  NODE,
  NOON,
  NOON_CLOCK,
  openEstate,
  perform,
  POD,
  request,
  WORKLOAD,
} from "./estate.ts";

const blast = (pods: number, replicasShare: number, services: number, namespaces: number) => ({
  pods,
  replicasShare,
  services,
  namespaces,
});

async function refusedWith(code: ErrorCode, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, { code });
}

describe("transports: simulated cluster", () => {
  let cluster: Cluster;
  beforeEach(async () => {
    cluster = await openEstate();
  });

  describe("describing a target", () => {
    it("counts what each action would reach", async () => {
      const cases: readonly (readonly [Action, ReturnType<typeof blast>])[] = [
        [action("label", POD, { key: "quarantine", value: "yes" }), blast(1, 0, 0, 1)],
        [action("isolate", POD), blast(1, 0, 2, 1)],
        [action("isolate", WORKLOAD), blast(4, 0, 2, 1)],
        [action("block_egress", WORKLOAD, { address: "203.0.113.9" }), blast(4, 0, 0, 1)],
        [action("terminate", POD), blast(1, 0.25, 0, 1)],
        [action("scale_to_zero", WORKLOAD), blast(4, 1, 2, 1)],
        [action("cordon", NODE), blast(4, 0, 0, 2)],
        [action("revoke_token", ACCOUNT), blast(5, 0, 3, 1)],
      ];
      for (const [wanted, expected] of cases) {
        assert.deepEqual((await cluster.describe(wanted)).blast, expected, wanted.type);
      }
    });

    it("shows the difference, the owner and the highest criticality reached", async () => {
      const scale = await cluster.describe(action("scale_to_zero", WORKLOAD));
      assert.deepEqual(scale.diff, ["replicas: 4 -> 0"]);
      assert.equal(scale.owner, "team-a");
      assert.equal(scale.criticality, "high");
      const node = await cluster.describe(action("cordon", NODE));
      assert.equal(node.owner, null, "several owners are no owner");
    });

    it("lets no label that was written pass for a fact of its own", async () => {
      const key = "watchfloor.dev/customer-facing";
      await perform(cluster, action("label", POD, { key, value: "false" }), "k");
      assert.equal((await cluster.describe(action("isolate", POD))).labels[key], "true");
    });

    it("says that an unknown target does not exist, and that a case is no object of its", async () => {
      const ghost = action("terminate", { kind: "pod", namespace: "shop", name: "ghost" });
      assert.equal((await cluster.describe(ghost)).exists, false);
      const state = await cluster.describe(action("close_benign", { kind: "case", id: "c-1" }));
      assert.deepEqual([state.exists, state.version, state.diff], [true, "case", []]);
    });

    it("knows every workload of the sample's inventory", async () => {
      const sample = await openSimulatedCluster({
        path: null,
        clock: NOON_CLOCK,
        inventory: INVENTORY,
      });
      for (const { namespace, name, pods } of INVENTORY.workloads) {
        assert.equal((await sample.workload(namespace, name))?.replicas, pods.length);
      }
    });
  });

  describe("refusing", () => {
    it("refuses an effect after its deadline and changes nothing", async () => {
      const { version } = await cluster.describe(action("isolate", POD));
      const late = { ...keyed("k"), deadline: NOON - 1 };
      await refusedWith(
        "deadline_passed",
        cluster.perform(request(action("isolate", POD), version), late),
      );
      assert.deepEqual(await cluster.log(), []);
      assert.equal(
        (await cluster.pod("shop", POD.kind === "pod" ? POD.name : ""))?.isolated,
        false,
      );
    });

    it("still answers a repeat after the deadline, since it took effect in time", async () => {
      const receipt = await perform(cluster, action("isolate", POD), "k");
      const late = { ...keyed("k"), deadline: NOON - 1 };
      assert.deepEqual(await cluster.perform(request(action("isolate", POD), "1"), late), receipt);
    });

    it("refuses an effect on an object that changed since the review", async () => {
      const { version } = await cluster.describe(action("isolate", WORKLOAD));
      await perform(cluster, action("block_egress", WORKLOAD, { address: "203.0.113.9" }), "other");
      const stale = request(action("isolate", WORKLOAD), version);
      await refusedWith("target_changed", cluster.perform(stale, keyed("k")));
    });

    it("refuses unknown targets, wrong kinds of target and parameters outside the grammar", async () => {
      const ghost = action("terminate", { kind: "pod", namespace: "shop", name: "ghost" });
      await refusedWith("target_unknown", cluster.dryRun(ghost));
      await refusedWith("target_unknown", cluster.perform(request(ghost, "1"), keyed("k")));
      for (const wrong of [
        action("cordon", POD),
        action("annotate", WORKLOAD, { key: "note", value: "seen" }),
        action("firewall_change", { kind: "zone", name: "dmz" }, { address: "203.0.113.9" }),
        action("block_egress", WORKLOAD, { address: "evil.example" }),
        action("block_egress", WORKLOAD, { address: "203.0.113.9/33" }),
        action("label", POD, { key: "a b", value: "x" }),
        action("label", POD, { key: "ok", value: "$(reboot)" }),
      ]) {
        await refusedWith("action_impossible", cluster.dryRun(wrong));
      }
    });

    it("refuses to terminate a pod that nothing would recreate", async () => {
      const bare = action("terminate", { kind: "pod", namespace: "ops", name: "debug" });
      await refusedWith("action_impossible", cluster.dryRun(bare));
      const state = await cluster.describe(bare);
      assert.equal(state.labels["watchfloor.dev/controller"], "none");
      assert.match(state.diff[0] ?? "", /^not possible: no controller/);
    });

    it("refuses a key that was used for another action", async () => {
      await perform(cluster, action("isolate", POD), "k");
      await refusedWith("key_reused", perform(cluster, action("isolate", WORKLOAD), "k"));
    });

    it("refuses to undo with a receipt that it never gave", async () => {
      const receipt = await perform(cluster, action("isolate", POD), "k");
      const forged: Receipt = { ...receipt, idempotencyKey: "other" };
      await refusedWith("action_impossible", cluster.revert(forged, keyed("u")));
    });
  });

  describe("performing and undoing", () => {
    it("performs once for one key, however often it is asked", async () => {
      const wanted = action("isolate", POD);
      const first = await perform(cluster, wanted, "k");
      const again = await Promise.all([
        perform(cluster, wanted, "k"),
        perform(cluster, wanted, "k"),
      ]);
      assert.deepEqual(again, [first, first]);
      assert.deepEqual(await cluster.lookup("k"), first);
      assert.equal(await cluster.lookup("never"), null);
      assert.deepEqual(
        (await cluster.log()).map(({ idempotencyKey }) => idempotencyKey),
        ["k"],
      );
    });

    it("leaves the other address blocked when one is undone", async () => {
      const one = await perform(
        cluster,
        action("block_egress", WORKLOAD, { address: "203.0.113.9" }),
        "1",
      );
      await perform(cluster, action("block_egress", WORKLOAD, { address: "198.51.100.0/24" }), "2");
      await cluster.revert(one, keyed("u"));
      assert.deepEqual((await cluster.workload("shop", "web"))?.addressesBlocked, [
        "198.51.100.0/24",
      ]);
    });

    it("keeps an address blocked that a second effect blocked too", async () => {
      const wanted = action("block_egress", WORKLOAD, { address: "2001:db8::1" });
      const one = await perform(cluster, wanted, "1");
      await perform(cluster, wanted, "2");
      await cluster.revert(one, keyed("u"));
      assert.deepEqual((await cluster.workload("shop", "web"))?.addressesBlocked, ["2001:db8::1"]);
    });

    it("brings back the replicas it took, as new pods", async () => {
      const receipt = await perform(cluster, action("scale_to_zero", WORKLOAD), "k");
      assert.equal(await cluster.pod("shop", "web-abc-1"), null);
      const undone = await cluster.revert(receipt, keyed("u"));
      const facts = await cluster.workload("shop", "web");
      assert.equal(facts?.replicas, 4);
      assert.equal(facts?.pods.includes("web-abc-1"), false);
      assert.deepEqual(await cluster.verify(receipt), { holds: false });
      assert.deepEqual(await cluster.verify(undone), { holds: true });
    });

    it("has a terminated pod recreated under another name, away from a cordoned node", async () => {
      await perform(cluster, action("cordon", NODE), "c");
      const receipt = await perform(cluster, action("terminate", POD), "k");
      assert.equal(receipt.inverse, null);
      assert.deepEqual(await cluster.verify(receipt), { holds: true });
      const facts = await cluster.workload("shop", "web");
      const [next = ""] = facts?.pods ?? [];
      assert.match(next, /^web-abc-\w{5}$/);
      assert.equal((await cluster.pod("shop", next))?.node, "n-2");
      await refusedWith("action_impossible", cluster.revert(receipt, keyed("u")));
    });

    it("gives a StatefulSet's pod its name again, as another version", async () => {
      const target = { kind: "pod", namespace: "shop", name: "cache-0" } as const;
      await perform(cluster, action("isolate", target), "i");
      const before = await cluster.pod("shop", "cache-0");
      await perform(cluster, action("terminate", target), "k");
      const after = await cluster.pod("shop", "cache-0");
      assert.notEqual(after?.version, before?.version);
      assert.equal(after?.isolated, false);
    });

    it("does not overwrite what someone else wrote since", async () => {
      const mine = await perform(
        cluster,
        action("label", POD, { key: "state", value: "suspect" }),
        "1",
      );
      await perform(cluster, action("label", POD, { key: "state", value: "cleared" }), "2");
      await refusedWith("target_changed", cluster.revert(mine, keyed("u")));
      assert.equal((await cluster.describe(action("isolate", POD))).labels["state"], "cleared");
    });

    it("undoes an effect once, whoever asks", async () => {
      const receipt = await perform(cluster, action("cordon", NODE), "k");
      const byCommand = await cluster.revert(receipt, keyed("command"));
      await perform(cluster, action("cordon", NODE), "again");
      assert.deepEqual(await cluster.revert(receipt, keyed("expiry")), byCommand);
      assert.equal((await cluster.node("n-1"))?.cordoned, true);
    });
  });
});
