/**
 * The boundary of: ReviewParameters as people write them. What is wrong is named; nothing is guessed.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { WatchfloorError } from "../../machines/errors.ts";
import { defaultParametersPath } from "../../policies/bundle.ts";
import { adjustParameters, loadParameters, parseParameters } from "../../policies/parameters.ts";
import { SHIPPED } from "./fixtures.ts";

const TEXT = readFileSync(defaultParametersPath(), "utf8");

type Tree = Record<string, unknown>;

/** The shipped parameters with one setting changed, or dropped. */
function withSetting(path: string, value: unknown): string {
  const tree = parse(TEXT) as Tree;
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  const parent = keys.reduce<Tree>((inner, key) => inner[key] as Tree, tree);
  if (value === undefined) Reflect.deleteProperty(parent, last);
  else parent[last] = value;
  return stringify(tree);
}

function errorOf(read: () => unknown): WatchfloorError {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof WatchfloorError);
    return error;
  }
  return assert.fail("it was accepted");
}

const WRONG: readonly (readonly [path: string, value: unknown, field?: string])[] = [
  ["apiVersion", "watchfloor.dev/v2"],
  ["kind", "Agent"],
  ["spec.mode", "on"],
  ["spec.mode", undefined],
  ["spec.killSwitch", "false"],
  ["spec.confidenceFloor.contain", "0.8"],
  ["spec.confidenceFloor.contain", 1.1],
  ["spec.confidenceFloor.contain", undefined],
  ["spec.blastRadius.contain.podsMax", -1],
  ["spec.autoAllowed.contain", ["terminate"], "spec.autoAllowed.contain.0"],
  ["spec.autoAllowed.undo", ["undo"], "spec.autoAllowed.undo.0"],
  ["spec.assets.criticalityAuto", ["unknown"], "spec.assets.criticalityAuto.0"],
  ["spec.undoAfterMs.contain", 0],
  ["spec.approval.peopleNeeded.disrupt", 11],
  ["spec.approval.people.disrupt", []],
];

describe("policies: review parameters", () => {
  it("ships careful ones", () => {
    assert.equal(SHIPPED.spec.mode, "observe");
    assert.equal(SHIPPED.spec.killSwitch, false);
    assert.deepEqual(SHIPPED.spec.autoAllowed.disrupt, []);
    assert.ok(SHIPPED.spec.assets.platformNamespaces.includes("watchfloor"));
  });

  for (const [path, value, field = path] of WRONG) {
    it(`refuses ${path} ${JSON.stringify(value) ?? "that is missing"}, by its name`, () => {
      const error = errorOf(() => parseParameters(withSetting(path, value), "parameters.yaml"));
      assert.equal(error.code, "config_invalid");
      assert.equal(error.fields["field"], field);
      assert.match(error.message, /^parameters\.yaml: /);
    });
  }

  it("refuses a setting it does not know", () => {
    const error = errorOf(() => parseParameters(withSetting("spec.killswitch", true), "p"));
    assert.match(error.message, /killswitch/);
  });

  it("refuses fewer people than it asks for", () => {
    const text = withSetting("spec.approval.people.disrupt", ["ana"]).replace(
      /(peopleNeeded:[^]*?disrupt: )1/,
      "$12",
    );
    const error = errorOf(() => parseParameters(text, "p"));
    assert.equal(error.fields["field"], "spec.approval.people.disrupt");
  });

  it("says where the text is no YAML", () => {
    const error = errorOf(() => parseParameters("spec:\n  mode: [", "p"));
    assert.match(error.message, /^p: line \d+ is not YAML/);
    assert.equal(errorOf(() => parseParameters("", "p")).code, "config_invalid");
  });

  it("says which file cannot be read", () => {
    const error = errorOf(() => loadParameters("no/such/file.yaml"));
    assert.equal(error.message, "cannot read no/such/file.yaml: ENOENT");
  });

  it("has another revision for every change, and the same for none", () => {
    assert.equal(parseParameters(TEXT, "p").revision, SHIPPED.revision);
    assert.equal(adjustParameters(SHIPPED, {}).revision, SHIPPED.revision);
    const adjusted = adjustParameters(SHIPPED, { killSwitch: true });
    assert.notEqual(adjusted.revision, SHIPPED.revision);
  });

  it("cannot be changed in place", () => {
    assert.throws(() => {
      (SHIPPED.spec as { mode: string }).mode = "enforce";
    }, TypeError);
  });
});
