/** Proves that names reach a case only when they fit their grammar, and that pods become workloads. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { entityOf, safeRule, tagTechniques, workloadKey } from "../../anomaly/index.ts";
import { workloadOf } from "../../anomaly/entity.ts";
import { falcoEvent, inPod } from "./events.ts";

describe("anomaly: entity", () => {
  it("takes the controller's suffixes off a pod's name and nothing else", () => {
    const names = {
      "storefront-7c9d4f5b6-x2x4z": "storefront",
      "log-agent-x2x4z": "log-agent",
      "ledger-db-0": "ledger-db",
      "backup-28912340-x2x4z": "backup",
      "payments-api": "payments-api",
      "my-redis-cache": "my-redis-cache",
      web: "web",
    };
    for (const [pod, workload] of Object.entries(names)) assert.equal(workloadOf(pod), workload);
  });

  it("names a container completely by namespace, workload and container", () => {
    const entity = entityOf(falcoEvent({ fields: inPod("web") }));
    assert.equal(entity.key, "shop/web/web");
    assert.equal(entity.identity, "complete");
    assert.equal(workloadKey(entity), "shop/web");
  });

  it("lowers the identity of a container that is not fully named", () => {
    const noContainer = entityOf(falcoEvent({ fields: inPod("web", { "container.name": null }) }));
    assert.deepEqual([noContainer.key, noContainer.identity], ["shop/web/-", "partial"]);
    const noPod = entityOf(falcoEvent({ fields: inPod("web", { "k8s.pod.name": null }) }));
    assert.deepEqual([noPod.key, noPod.identity], ["host/worker-1", "partial"]);
    const nothing = entityOf(falcoEvent({ hostname: "" }));
    assert.deepEqual([nothing.key, nothing.identity], ["host/unknown", "missing"]);
  });

  it("calls the host of a host process by its name, whatever its case", () => {
    const entity = entityOf(falcoEvent({ hostname: "Node-7", fields: { "container.id": "host" } }));
    assert.deepEqual([entity.key, entity.identity], ["host/node-7", "complete"]);
  });

  it("finds the container in the name that Docker gives it", () => {
    const name = "k8s_web_web-7c9d4f5b6-x2x4z_shop_1b2c_0";
    const entity = entityOf(falcoEvent({ fields: inPod("web", { "container.name": name }) }));
    assert.equal(entity.container, "web");
  });

  it("lets no other character into a key, whatever the event says", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (ns, pod, name, host) => {
        const fields = { "k8s.ns.name": ns, "k8s.pod.name": pod, "container.name": name };
        const { key } = entityOf(falcoEvent({ hostname: host, fields }));
        return /^[a-z0-9./-]+$/.test(key);
      }),
    );
  });

  it("keeps a rule's name readable and short", () => {
    assert.equal(safeRule("Write below /etc (x): ok"), "Write below /etc (x): ok");
    assert.equal(safeRule("a\u001b[31m<b>`"), "a__31m_b__");
    assert.equal(safeRule("x".repeat(500)).length, 128);
  });

  it("takes technique ids from tags, in their form only, at most eight", () => {
    assert.deepEqual(tagTechniques(["t1059.004", "T1059.004", "TA0011", "T10590", "container"]), [
      "T1059.004",
    ]);
    const many = Array.from({ length: 20 }, (_, i) => `T${1000 + i}`);
    assert.equal(tagTechniques(many).length, 8);
  });
});
