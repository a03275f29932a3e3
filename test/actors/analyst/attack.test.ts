import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import {
  ATTACK_NOTICE,
  ATTACK_VERSION,
  TECHNIQUE_IDS,
  isKnown,
  parentOf,
  sameFamily,
  tacticOf,
  techniqueOf,
} from "../../../actors/analyst/attack.ts";

describe("actors/analyst: the ATT&CK table", () => {
  it("holds every Linux and container technique of its version", () => {
    assert.equal(ATTACK_VERSION, "18.1");
    assert.equal(TECHNIQUE_IDS.length, 376);
    assert.equal(new Set(TECHNIQUE_IDS).size, TECHNIQUE_IDS.length);
  });

  it("bears its owner's notice and licence beside the data", async () => {
    const data = new URL("../../../actors/analyst/attack-data.ts", import.meta.url);
    const text = (await readFile(data, "utf8")).replace(/\s+\*?\s*/g, " ");
    assert.ok(text.includes(ATTACK_NOTICE));
    assert.match(text, /non-exclusive, royalty-free license to use ATT&CK®/);
  });

  it("gives every technique a name, a tactic and a well-formed id", () => {
    for (const id of TECHNIQUE_IDS) {
      const technique = techniqueOf(id);
      assert.match(id, /^T\d{4}(\.\d{3})?$/);
      assert.ok(technique !== null && technique.name !== "" && technique.tactics.length > 0, id);
      assert.ok(
        technique.tactics.every((tactic) => typeof tactic === "string"),
        id,
      );
    }
  });

  it("knows the parent of every sub-technique, and of nothing else", () => {
    for (const id of TECHNIQUE_IDS) {
      const parent = parentOf(id);
      assert.equal(parent !== null, id.includes("."), id);
      if (parent !== null) assert.ok(isKnown(parent), id);
    }
    assert.equal(parentOf("T9999.001"), null);
  });

  it("answers for single techniques as MITRE does", () => {
    assert.deepEqual(techniqueOf("T1611"), {
      id: "T1611",
      name: "Escape to Host",
      tactics: ["privilege-escalation"],
    });
    assert.deepEqual(techniqueOf("T1055.008")?.tactics, [
      "privilege-escalation",
      "defense-evasion",
    ]);
    assert.equal(techniqueOf("T0000"), null);
    assert.equal(isKnown("constructor"), false);
  });

  it("counts a technique and its sub-techniques as one family", () => {
    assert.ok(sameFamily("T1059", "T1059.004"));
    assert.ok(!sameFamily("T1055", "T1059"));
  });

  it("reports the wished tactic only where the technique has it", () => {
    const cron = techniqueOf("T1053.003");
    assert.ok(cron !== null);
    assert.equal(tacticOf(cron, "persistence"), "persistence");
    assert.equal(tacticOf(cron, "impact"), "execution");
  });
});
