import assert from "node:assert/strict";
import { isKnown } from "../../../actors/analyst/attack.ts";
import { KNOWN_RULES, meaningOfRule, techniquesOfTags } from "../../../actors/analyst/mapping.ts";
import { FIELD_TECHNIQUES, meaningsOfFields } from "../../../actors/analyst/signals.ts";
import type { FieldValue } from "../../../machines/vocabulary.ts";
import { falcoEvent } from "../../kit/analyst-input.ts";

describe("actors/analyst: what rules, tags and fields mean", () => {
  it("leads to techniques of the table only", () => {
    const ids = KNOWN_RULES.flatMap((rule) => meaningOfRule(rule)?.techniques ?? []);
    assert.deepEqual(
      [...ids, ...FIELD_TECHNIQUES].filter((id) => !isKnown(id)),
      [],
    );
  });

  it("knows each rule once, and more than Falco's ninety-three", () => {
    assert.equal(new Set(KNOWN_RULES.map((rule) => meaningOfRule(rule))).size, KNOWN_RULES.length);
    assert.ok(KNOWN_RULES.length > 93);
  });

  it("knows a rule whose name lost its odd characters on the way", () => {
    assert.deepEqual(
      meaningOfRule("Container Drift Detected (open_create)"),
      meaningOfRule("Container Drift Detected (open+create)"),
    );
    assert.equal(meaningOfRule("a rule of somebody's own"), null);
    assert.equal(meaningOfRule("constructor"), null);
  });

  it("drops a tag whose technique belongs to none of the tactics beside it", () => {
    assert.deepEqual(techniquesOfTags(["container", "mitre_discovery", "T1565"]), []);
    assert.deepEqual(techniquesOfTags(["mitre_execution", "T1059.004"]), ["T1059.004"]);
    assert.deepEqual(techniquesOfTags(["TA0006", "T1555"]), ["T1555"]);
    assert.deepEqual(techniquesOfTags(["TA0040", "T1555"]), []);
  });

  it("takes a technique without a tactic, once, and nothing that is none", () => {
    assert.deepEqual(techniquesOfTags(["T1611", "T1611", "T9999", "t1611", "T1611 or else"]), [
      "T1611",
    ]);
    assert.deepEqual(techniquesOfTags(["TA0003", "maturity_stable"]), []);
  });

  const shown: readonly (readonly [string, Record<string, FieldValue>, string])[] = [
    ["the shadow file", { "fd.name": "/etc/shadow" }, "T1003.008"],
    ["a private key", { "fd.name": "/root/.ssh/id_ed25519" }, "T1552.004"],
    ["an authorized key", { "fd.name": "/home/app/.ssh/authorized_keys" }, "T1098.004"],
    [
      "a service account's token",
      { "fd.name": "/var/run/secrets/kubernetes.io/serviceaccount/token" },
      "T1528",
    ],
    [
      "the token through its symbolic link",
      { "fd.name": "/run/secrets/kubernetes.io/serviceaccount/..data/token" },
      "T1528",
    ],
    ["the runtime's socket", { "fd.name": "/var/run/docker.sock" }, "T1611"],
    ["a release agent", { "fd.name": "/sys/fs/cgroup/rdma/release_agent" }, "T1611"],
    ["cloud credentials", { "fd.name": "/root/.aws/credentials" }, "T1552.001"],
    ["the metadata service", { "fd.rip": "169.254.169.254" }, "T1552.005"],
    ["a miner's port", { "fd.rip": "203.0.113.9", "fd.rport": 3333 }, "T1496.001"],
    ["a miner's port as text", { "fd.rport": "14444" }, "T1496.001"],
    ["a memory file", { "proc.exepath": "memfd:x (deleted)" }, "T1620"],
    ["a set-user-id bit", { "evt.arg.mode": "S_IXUSR|S_ISUID" }, "T1548.001"],
    ["a kernel module", { "evt.type": "finit_module" }, "T1547.006"],
    ["a web server's shell", { "proc.name": "sh", "proc.pname": "nginx" }, "T1505.003"],
    ["a dropped binary", { "proc.is_exe_upper_layer": true }, "T1105"],
    [
      "a binary directory written",
      { "fd.name": "/usr/bin/ls", "evt.arg.flags": "O_CREAT|O_WRONLY" },
      "T1554",
    ],
  ];
  for (const [what, fields, technique] of shown) {
    it(`sees ${what} in the fields`, () => {
      const meanings = meaningsOfFields(falcoEvent({ rule: "x", fields }));
      assert.ok(meanings.some(({ techniques }) => techniques.includes(technique)));
    });
  }

  it("sees nothing in ordinary fields, nulls and odd types", () => {
    const fields = {
      "fd.name": "/var/lib/app/data.db",
      "proc.name": "node",
      "proc.exepath": null,
      "fd.rport": 443,
      "proc.tty": 0,
      "evt.type": "openat",
      "evt.arg.flags": 7,
    };
    assert.deepEqual(meaningsOfFields(falcoEvent({ rule: "x", fields })), []);
  });
});
