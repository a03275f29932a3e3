/** Proves that the shipped Falco configuration brings every field that the gate measures an event by. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { WATCHED_FIELDS } from "../../anomaly/gaps.ts";

const root = join(import.meta.dirname, "../..");
const config = parse(readFileSync(join(root, "anomaly/falco/watchfloor-fields.yaml"), "utf8")) as {
  readonly json_output: boolean;
  readonly append_output: readonly {
    readonly match?: { readonly source: string };
    readonly extra_fields?: readonly string[];
    readonly suggested_output?: boolean;
  }[];
};
const brought = new Set(config.append_output.flatMap(({ extra_fields = [] }) => extra_fields));

describe("anomaly: falco fields", () => {
  it("brings what the features read, but for arguments that only some events have", () => {
    const text = ["measures", "features", "entity"]
      .map((name) => readFileSync(join(root, `anomaly/${name}.ts`), "utf8"))
      .join("\n");
    const read = [...text.matchAll(/(?:fields, |fields\[)"([a-z0-9_.]+)"/g)].map(
      ([, name]) => name!,
    );
    assert.ok(read.length > 15);
    // Old names of the same, and arguments: rules print those of their own events.
    const own = /^evt\.arg\.|^fs\.path\.name$|^fd\.s(?:ip|port)$/;
    assert.deepEqual(
      [...new Set(read)].filter((name) => !brought.has(name) && !own.test(name)),
      [],
    );
  });

  it("brings every field whose absence is counted", () => {
    assert.deepEqual(
      WATCHED_FIELDS.filter((name) => !brought.has(name)),
      [],
    );
  });

  it("applies to all rules on system calls, as JSON, with what the plugins suggest", () => {
    assert.equal(config.json_output, true);
    assert.ok(config.append_output.some(({ suggested_output }) => suggested_output === true));
    assert.ok(
      config.append_output.every(({ match }) => (match?.source ?? "syscall") === "syscall"),
    );
  });
});
