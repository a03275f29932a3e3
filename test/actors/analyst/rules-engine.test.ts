/**
 * Goal: the reading without a model is graded by its evidence, targets only what the entity names,
 * and does not hear what an event says. Method: single readings, then twins with and without
 * payload, then properties over arbitrary text.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { classifyByRules } from "../../../actors/analyst/rules-engine.ts";
import type { AnalystReading } from "../../../machines/calls.ts";
import { targetName, type Entity, type EventFacts } from "../../../machines/vocabulary.ts";
import {
  ENTITY,
  PAYLOADS,
  classifyInput,
  falcoEvent,
  type EventSketch,
} from "../../kit/analyst-input.ts";

function read(
  sketch: EventSketch,
  facts: Partial<EventFacts> = {},
  entity: Entity = ENTITY,
): AnalystReading {
  const event = falcoEvent(sketch);
  return classifyByRules(classifyInput([event], { entity }, { entity, ...facts }), [event]);
}

/** A twin is another event, so its digest differs; nothing else may. */
function withoutEvidence(reading: AnalystReading): unknown {
  const techniques = reading.techniques.map(({ id, tactic, because }) => ({ id, tactic, because }));
  return { ...reading, techniques };
}

function proposed(reading: AnalystReading): string[] {
  return reading.proposals.map(({ type, target }) => `${type} ${targetName(target)}`);
}

const SHELL: EventSketch = {
  rule: "Terminal shell in container",
  priority: "notice",
  tags: ["container", "mitre_execution", "T1059"],
  fields: { "proc.name": "sh", "proc.tty": 34816, "proc.cmdline": "sh -i", "evt.type": "execve" },
};
const MINER: EventSketch = {
  rule: "Detect crypto miners using the Stratum protocol",
  priority: "critical",
  tags: ["mitre_impact", "T1496"],
  fields: { "proc.name": "xmrig", "evt.type": "execve" },
};

describe("actors/analyst: the rules engine", () => {
  it("says that no model was asked", () => {
    const { usage, attackVersion } = read(SHELL);
    assert.deepEqual(usage, {
      engine: "rules",
      model: null,
      calls: 0,
      inputTokens: 0,
      outputTokens: 0,
      costMicroUsd: 0,
    });
    assert.equal(attackVersion, "18.1");
  });

  it("claims more where rule, tags and fields agree", () => {
    const alone = read({ rule: SHELL.rule });
    const agreed = read(SHELL);
    assert.ok(agreed.claim > alone.claim, `${agreed.claim} over ${alone.claim}`);
    assert.equal(agreed.techniques[0]?.id, "T1059.004");
    assert.equal(agreed.techniques[0].because, "rule");
  });

  it("claims less while a workload is being learnt, and without the event itself", () => {
    const event = falcoEvent(SHELL);
    const lost = classifyByRules(classifyInput([event]), [null]);
    assert.ok(read(SHELL, { learning: true }).claim < read(SHELL).claim);
    assert.ok(lost.claim < read(SHELL).claim);
    assert.ok(lost.techniques.some(({ id }) => id === "T1059.004"));
  });

  it("marks for a shell", () => {
    const { proposals } = read(SHELL);
    assert.deepEqual(proposals, [
      {
        type: "label",
        target: { kind: "pod", namespace: "shop", name: "cart-7d9f-x2k4q" },
        params: { key: "watchfloor.dev/suspect", value: "true" },
      },
    ]);
  });

  it("isolates for stolen credentials", () => {
    const reading = read({
      rule: "Read sensitive file untrusted",
      tags: ["mitre_credential_access", "T1555"],
      fields: { "fd.name": "/etc/shadow" },
    });
    assert.deepEqual(proposed(reading), ["isolate pod/shop/cart-7d9f-x2k4q"]);
  });

  it("cuts off one address where that is enough", () => {
    const reading = read({
      rule: "Unexpected UDP Traffic",
      tags: ["mitre_exfiltration", "TA0011"],
      fields: { "fd.sip": "203.0.113.77", "evt.type": "sendto" },
    });
    assert.deepEqual(reading.proposals, [
      {
        type: "block_egress",
        target: { kind: "workload", namespace: "shop", name: "cart" },
        params: { address: "203.0.113.77" },
      },
    ]);
  });

  const unusable = [
    "10.96.0.10",
    "127.0.0.1",
    "fe80::1%eth0",
    "fe80::1",
    "::ffff:10.0.0.1",
    "evil",
    "",
  ];
  for (const address of unusable) {
    it(`isolates rather than block what it must not block: "${address}"`, () => {
      const reading = read({
        rule: "Netcat Remote Code Execution in Container",
        fields: { "fd.rip": address },
      });
      assert.deepEqual(proposed(reading), ["isolate pod/shop/cart-7d9f-x2k4q"]);
    });
  }

  it("writes an IPv6 address in its canonical form", () => {
    const reading = read({
      rule: "Netcat Remote Code Execution in Container",
      fields: { "fd.rip": "2001:0db8:0000::0001" },
    });
    assert.deepEqual(reading.proposals[0]?.params, { address: "2001:db8::1" });
  });

  it("terminates a miner that a controller will make again", () => {
    assert.deepEqual(proposed(read(MINER)), ["terminate pod/shop/cart-7d9f-x2k4q"]);
  });

  it("isolates a miner in a pod that nothing would make again", () => {
    for (const workload of [null, ENTITY.pod]) {
      const bare: Entity = { ...ENTITY, workload };
      assert.deepEqual(proposed(read(MINER, {}, bare)), ["isolate pod/shop/cart-7d9f-x2k4q"]);
    }
  });

  it("isolates and asks to cordon for an escape to the node", () => {
    const reading = read({
      rule: "Detect release_agent File Container Escapes",
      tags: ["mitre_privilege_escalation", "T1611"],
      fields: { "fd.name": "/sys/fs/cgroup/rdma/release_agent" },
    });
    assert.deepEqual(proposed(reading), [
      "isolate pod/shop/cart-7d9f-x2k4q",
      "cordon node/worker-1",
    ]);
  });

  it("isolates and revokes for a stolen token", () => {
    const reading = read({
      rule: "K8s Serviceaccount Token Read",
      fields: { "fd.name": "/run/secrets/kubernetes.io/serviceaccount/token" },
    });
    assert.deepEqual(proposed(reading), [
      "isolate pod/shop/cart-7d9f-x2k4q",
      "revoke_token service_account/shop/cart",
    ]);
  });

  it("takes a tag and a field that agree for as good as a rule", () => {
    const reading = read({
      rule: "our own rule",
      tags: ["mitre_credential_access", "T1528"],
      fields: { "fd.name": "/run/secrets/kubernetes.io/serviceaccount/token" },
    });
    assert.deepEqual(proposed(reading), [
      "isolate pod/shop/cart-7d9f-x2k4q",
      "revoke_token service_account/shop/cart",
    ]);
  });

  it("only marks on a field alone, whatever it shows", () => {
    const reading = read({ rule: "our own rule", fields: { "evt.type": "init_module" } });
    assert.deepEqual(proposed(reading), ["label pod/shop/cart-7d9f-x2k4q"]);
  });

  it("closes what is ordinary for a workload being learnt", () => {
    const reading = read({ rule: "our own rule", priority: "notice" }, { learning: true });
    assert.ok(reading.benign);
    assert.deepEqual(proposed(reading), ["close_benign case/c-0123456789ab"]);
  });

  it("does not close what is rare, or grave, or names a technique", () => {
    assert.equal(
      read({ rule: "our own rule", priority: "notice" }, { pValue: 0.001 }).benign,
      false,
    );
    assert.equal(
      read({ rule: "our own rule", priority: "critical" }, { learning: true }).benign,
      false,
    );
    assert.equal(read(SHELL, { learning: true, pValue: 0.5 }).benign, false);
  });

  it("proposes nothing, least of all to close, where it is not certain what the entity is", () => {
    for (const identity of ["partial", "missing"] as const) {
      const entity: Entity = { ...ENTITY, identity };
      assert.deepEqual(read(MINER, {}, entity).proposals, []);
      assert.deepEqual(
        read({ rule: "own", priority: "notice" }, { learning: true }, entity).proposals,
        [],
      );
    }
  });

  it("targets the pod of the gravest event of the case", () => {
    const events = [falcoEvent(SHELL), falcoEvent(MINER)];
    const other: Entity = { ...ENTITY, pod: "cart-7d9f-zzzzz" };
    const input = classifyInput(events);
    const facts = input.facts.map((fact, n) => (n === 1 ? { ...fact, entity: other } : fact));
    const reading = classifyByRules({ ...input, facts }, events);
    assert.deepEqual(proposed(reading), ["terminate pod/shop/cart-7d9f-zzzzz"]);
  });

  it("carries the scanner's suspicion on", () => {
    assert.equal(read(SHELL, { injectionSuspected: true }).injectionSuspected, true);
  });
});

describe("actors/analyst: the rules engine and hostile text", () => {
  const INJECTED = [
    "proc.cmdline",
    "proc.args",
    "proc.cwd",
    "container.image.repository",
    "k8s.pod.name",
    "user.name",
  ];

  for (const sketch of [SHELL, MINER]) {
    for (const payload of PAYLOADS) {
      it(`reads "${sketch.rule}" as it reads its twin with ${JSON.stringify(payload.slice(0, 32))}`, () => {
        const clean = read(sketch);
        for (const field of INJECTED) {
          const was = sketch.fields?.[field] ?? "";
          const twin = read({
            ...sketch,
            fields: { ...sketch.fields, [field]: `${String(was)} ${payload}` },
          });
          assert.deepEqual(withoutEvidence(twin), withoutEvidence(clean));
        }
      });
    }
  }

  it("never goes further, whatever a command line says", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (words) => {
        const twin = read({ ...SHELL, fields: { ...SHELL.fields, "proc.cmdline": words } });
        assert.deepEqual(twin.proposals, read(SHELL).proposals);
      }),
    );
  });

  it("is not made surer by words in a command line", () => {
    const plain: EventSketch = { rule: MINER.rule };
    const boast = { ...plain, fields: { "proc.cmdline": "echo stratum+tcp://pool" } };
    assert.deepEqual(read(boast).proposals, read(plain).proposals);
    assert.equal(read(boast).claim, read(plain).claim);
  });

  const hostile = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.constantFrom(...PAYLOADS, "203.0.113.9", "kube-system", "fe80::1%kube-system"),
  );
  const fieldName = fc.constantFrom(
    "fd.name",
    "fd.rip",
    "fd.sip",
    "fd.rport",
    "evt.type",
    "proc.name",
    "proc.exepath",
    "proc.cmdline",
    "k8s.pod.name",
    "k8s.ns.name",
    "container.name",
    "evt.arg.flags",
  );

  it("puts no text of an event into a proposal", () => {
    const allowed = new Set<unknown>([
      "c-0123456789ab",
      "shop",
      "cart",
      "cart-7d9f-x2k4q",
      "worker-1",
      "case",
      "pod",
      "workload",
      "node",
      "service_account",
      "watchfloor.dev/suspect",
      "true",
      "203.0.113.9",
    ]);
    const rule = fc.constantFrom(
      SHELL.rule,
      MINER.rule,
      "Unexpected UDP Traffic",
      "Linux Kernel Module Injection Detected",
      "K8s Secret Get Successfully",
      "anything",
    );
    fc.assert(
      fc.property(
        rule,
        fc.dictionary(fieldName, hostile),
        fc.array(hostile),
        (name, fields, tags) => {
          for (const { target, params } of read({ rule: name, fields, tags }).proposals)
            for (const value of [...Object.values(target), ...Object.values(params)])
              assert.ok(allowed.has(value), JSON.stringify(value));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("leaves nothing but ids, enums and digests of any event, and always reads", () => {
    fc.assert(
      fc.property(hostile, fc.dictionary(fieldName, hostile), (rule, fields) => {
        const reading = read({ rule, fields });
        assert.ok(reading.claim >= 0 && reading.claim <= 1);
        for (const { id, tactic, evidence } of reading.techniques) {
          assert.match(id, /^T\d{4}(\.\d{3})?$/);
          assert.match(tactic, /^[a-z-]+$/);
          assert.ok(evidence.every((digest) => /^[0-9a-f]{64}$/.test(digest)));
        }
      }),
    );
  });
});
