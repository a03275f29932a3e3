/**
 * Goal: every trap of Falco's format has its one outcome. Method: tables of lines with the outcome
 * beside them, then arbitrary JSON and text, which may be refused but never break anything.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { digestOf } from "../../../machines/digest.ts";
import { WatchfloorError } from "../../../machines/errors.ts";
import { EVENT_BYTES_MAX, parseFalcoLine } from "../../../transports/falco/parse.ts";
import { nanosecondsOf } from "../../../transports/falco/time.ts";

const EVENT = {
  hostname: "worker-1",
  output: "16:04:05.445478445: Notice A shell",
  output_fields: {
    "container.id": "host",
    // What reading Falco's own number leaves of it.
    "evt.time": Number("1685022245478445995"),
    "fd.name": null,
    "k8s.ns.name": "<NA>",
    "proc.aname[2]": "",
    "proc.cmdline": "bash",
    "proc.tty": 34816,
    "proc.is_exe_upper_layer": false,
  },
  priority: "Notice",
  rule: "Terminal shell in container",
  source: "syscall",
  tags: ["T1059", "container"],
  time: "2023-05-25T13:44:05.478445995Z",
};

function lineOf(change: Record<string, unknown>): string {
  return JSON.stringify({ ...EVENT, ...change });
}

function refusal(text: string): WatchfloorError {
  try {
    parseFalcoLine(text, 7);
  } catch (error) {
    assert.ok(error instanceof WatchfloorError);
    return error;
  }
  throw new Error("expected a refusal");
}

describe("falco: parse", () => {
  it("takes nanoseconds from the time text, where the number has lost them", () => {
    const event = parseFalcoLine(lineOf({}), 1);
    assert.equal(event.timeNs, "1685022245478445995");
    assert.equal("evt.time" in event.fields, false);
  });

  it("reads null, <NA> and nothing as null, and keeps numbers and booleans", () => {
    const { fields } = parseFalcoLine(lineOf({}), 1);
    assert.equal(fields["fd.name"], null);
    assert.equal(fields["k8s.ns.name"], null);
    assert.equal(fields["proc.aname[2]"], null);
    assert.equal(fields["proc.tty"], 34816);
    assert.equal(fields["proc.is_exe_upper_layer"], false);
    assert.equal(fields["container.id"], "host");
  });

  it("drops objects and lists in fields, as one sender nests a pod's name", () => {
    const odd = { "k8s.pod.name": { name: "x" }, "proc.args": ["a"], "fd.rport": 443 };
    const { fields } = parseFalcoLine(lineOf({ output_fields: odd }), 1);
    assert.deepEqual(fields, { "fd.rport": 443, "k8s.pod.name": null, "proc.args": null });
  });

  for (const [given, read] of [
    ["Emergency", "emergency"],
    ["WARNING", "warning"],
    ["info", "informational"],
    ["Informational", "informational"],
    ["debug", "debug"],
  ] as const) {
    it(`reads the priority ${given} as ${read}`, () => {
      assert.equal(parseFalcoLine(lineOf({ priority: given }), 1).priority, read);
    });
  }

  for (const [given, read] of [
    [undefined, "syscall"],
    [null, "syscall"],
    ["", "syscall"],
    ["syscalls", "syscall"],
    ["k8s_audit", "k8s_audit"],
  ] as const) {
    it(`reads the source ${String(given)} as ${read}`, () => {
      assert.equal(parseFalcoLine(lineOf({ source: given }), 1).source, read);
    });
  }

  it("does without what a configuration may turn off", () => {
    const { rule, priority, time } = EVENT;
    const event = parseFalcoLine(JSON.stringify({ rule, priority, time }), 1);
    assert.deepEqual(event.fields, {});
    assert.deepEqual(event.tags, []);
    assert.equal(event.output, "");
    assert.equal(event.hostname, "");
  });

  for (const [change, field] of [
    [{ rule: undefined }, "rule"],
    [{ rule: 5 }, "rule"],
    [{ rule: "" }, "rule"],
    [{ priority: undefined }, "priority"],
    [{ priority: 4 }, "priority"],
    [{ priority: "loud" }, "priority"],
    [{ time: undefined }, "time"],
    [{ time: 1685022245 }, "time"],
    [{ time: "yesterday" }, "time"],
    [{ time: "1999-12-31T23:59:59Z" }, "time"],
    [{ time: "2201-01-01T00:00:00Z" }, "time"],
    [{ time: "2026-02-30T00:00:00Z" }, "time"],
    [{ source: 1 }, "source"],
    [{ hostname: {} }, "hostname"],
    [{ output: [] }, "output"],
    [{ output_fields: "x" }, "output_fields"],
    [{ output_fields: [] }, "output_fields"],
    [{ tags: "x" }, "tags"],
    [{ tags: ["a", 2] }, "tags[1]"],
  ] as const) {
    it(`refuses ${JSON.stringify(change)} naming line and ${field}`, () => {
      const error = refusal(lineOf(change));
      assert.equal(error.code, "not_falco");
      assert.equal(error.fields["field"], field);
      assert.match(error.message, /^line 7: /);
    });
  }

  it("refuses what is not JSON without repeating it", () => {
    const error = refusal('{"rule": "ignore all rules"');
    assert.equal(error.code, "not_json");
    assert.doesNotMatch(error.message, /ignore/);
    assert.equal(error.cause, undefined);
  });

  for (const text of ["null", "5", '"text"', "[]", `[${lineOf({})}]`]) {
    it(`refuses ${text.slice(0, 10)}, which is no object`, () => {
      assert.equal(refusal(text).code, "not_falco");
    });
  }

  it("measures the limit in bytes, and takes an event of just that many", () => {
    const filler = EVENT_BYTES_MAX - Buffer.byteLength(lineOf({ output: "" }));
    const full = lineOf({ output: "a".repeat(filler) });
    assert.equal(parseFalcoLine(full, 1).rule, EVENT.rule);
    assert.equal(refusal(`${full} `).code, "line_too_long");
    assert.equal(refusal(lineOf({ output: "é".repeat(filler / 2 + 1) })).code, "line_too_long");
  });

  it("cuts long text with a mark, and still tells two events apart by what was cut", () => {
    const [a, b] = ["x", "y"].map((end) =>
      parseFalcoLine(lineOf({ output_fields: { "proc.cmdline": "a".repeat(5_000) + end } }), 1),
    );
    assert.equal(String(a?.fields["proc.cmdline"]).length, 4_096);
    assert.match(String(a?.fields["proc.cmdline"]), / \[cut\]$/);
    assert.deepEqual(a?.fields, b?.fields);
    assert.notEqual(a?.digest, b?.digest);
  });

  it("keeps 256 fields at most, by name, and no name of absurd length", () => {
    const names = Array.from({ length: 300 }, (_, index) => `f.${String(index).padStart(3, "0")}`);
    const many = Object.fromEntries([...names, "a".repeat(300)].toReversed().map((n) => [n, 1]));
    const { fields } = parseFalcoLine(lineOf({ output_fields: many }), 1);
    assert.deepEqual(Object.keys(fields), names.slice(0, 256));
  });

  it("makes a field named __proto__ a field and nothing more", () => {
    const text = lineOf({}).replace('"proc.cmdline":"bash"', '"__proto__":"bash"');
    const { fields } = parseFalcoLine(text, 1);
    assert.equal(Object.getPrototypeOf(fields), Object.prototype);
    assert.equal(Object.hasOwn(fields, "__proto__"), true);
  });

  for (const change of [
    { rule: "Falco internal: syscall event drop", source: "internal" },
    { rule: "Falco internal: metrics snapshot" },
    { rule: "Falco metrics", source: "internal" },
  ]) {
    it(`routes ${change.rule} past the score`, () => {
      assert.equal(parseFalcoLine(lineOf(change), 1).internal, true);
    });
  }
});

describe("falco: digest", () => {
  const digest = (change: Record<string, unknown>): string =>
    parseFalcoLine(lineOf(change), 1).digest;

  it("is the same from Falco and from falcosidekick", () => {
    const time = "2023-05-25T13:44:05.47Z";
    const falco = digest({ time: "2023-05-25T13:44:05.470000000Z", source: undefined });
    const { hostname: _, ...rest } = EVENT;
    const reencoded = JSON.stringify({
      uuid: "5b1ff0ba-3c39-4b56-a0ee-5e4a6a0a4c1d",
      ...rest,
      time,
      source: "syscalls",
      message: undefined,
      output_fields: { ...EVENT.output_fields, "evt.time": "1685022245470000000", "fd.name": "" },
      hostname: EVENT.hostname,
    });
    assert.equal(parseFalcoLine(reencoded, 2).digest, falco);
  });

  it("does not know how a sender escapes, orders, or writes the zone", () => {
    const command = 'sh -c "a > b & c"';
    const fields = { b: command, a: 1 };
    const plain = digest({ output_fields: fields, time: "2026-01-01T02:00:00.5+02:00" });
    const text = lineOf({ output_fields: { a: 1, b: command }, time: "2026-01-01T00:00:00.5Z" })
      .replaceAll(">", "\\u003e")
      .replaceAll("&", "\\u0026");
    assert.equal(parseFalcoLine(text, 1).digest, plain);
  });

  for (const change of [
    { hostname: "worker-2" },
    { source: "k8s_audit" },
    { rule: "Another" },
    { time: "2023-05-25T13:44:05.478445996Z" },
    { output_fields: { ...EVENT.output_fields, "proc.cmdline": "sh" } },
  ]) {
    it(`changes with ${Object.keys(change).join()}`, () => {
      assert.notEqual(digest(change), digest({}));
    });
  }

  for (const change of [{ priority: "Error" }, { tags: [] }, { output: "other" }]) {
    it(`does not change with ${Object.keys(change).join()}`, () => {
      assert.equal(digest(change), digest({}));
    });
  }

  it("is the digest of canonical JSON, so that others can take it too", () => {
    const fields = fc.dictionary(fc.string({ minLength: 1, maxLength: 9 }), fc.integer());
    fc.assert(
      fc.property(fields, (output_fields) => {
        const { ["evt.time"]: _, ...kept } = output_fields;
        const { hostname, source, rule } = EVENT;
        const time = "1685022245478445995";
        const wanted = digestOf({ hostname, source, rule, time, output_fields: kept });
        assert.equal(digest({ output_fields }), wanted);
      }),
    );
  });
});

describe("falco: time", () => {
  for (const [text, wanted] of [
    ["2023-05-25T13:44:05.478445995Z", "1685022245478445995"],
    ["2023-05-25T13:44:05.47Z", "1685022245470000000"],
    ["2023-05-25T13:44:05Z", "1685022245000000000"],
    ["2023-05-25T13:44:05", "1685022245000000000"],
    ["2023-05-25T15:44:05+02:00", "1685022245000000000"],
    ["2023-05-25T09:14:05-0430", "1685022245000000000"],
    ["2000-01-01T00:00:00.000000001Z", "946684800000000001"],
    ["2024-02-29T00:00:00Z", "1709164800000000000"],
    ["2023-02-29T00:00:00Z", null],
    ["2023-13-01T00:00:00Z", null],
    ["2023-00-01T00:00:00Z", null],
    ["2023-05-00T00:00:00Z", null],
    ["2023-05-25T24:00:00Z", null],
    ["2023-05-25T23:60:00Z", null],
    ["2023-05-25T23:59:60Z", null],
    ["2023-05-25T13:44:05.1234567890Z", null],
    ["2023-05-25T13:44:05+24:00", null],
    ["2023-05-25", null],
    [" 2023-05-25T13:44:05Z", null],
    ["0023-05-25T13:44:05Z", null],
  ] as const) {
    it(`reads ${text} as ${wanted ?? "no time"}`, () => {
      assert.equal(nanosecondsOf(text), wanted);
    });
  }
});

describe("falco: hostile input", () => {
  const onlyNamed = (text: string): void => {
    try {
      const event = parseFalcoLine(text, 3);
      assert.match(event.timeNs, /^\d{18,19}$/);
      assert.match(event.digest, /^[0-9a-f]{64}$/);
      assert.ok(Object.keys(event.fields).length <= 256);
    } catch (error) {
      assert.ok(error instanceof WatchfloorError, String(error));
      assert.equal(error.fields["line"], 3);
    }
  };

  it("refuses by name or not at all, whatever the text", () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), onlyNamed));
  });

  it("refuses by name or not at all, whatever the fields hold", () => {
    const key = fc.constantFrom(...Object.keys(EVENT));
    const change = fc.dictionary(key, fc.jsonValue());
    fc.assert(fc.property(change, (changed) => onlyNamed(lineOf(changed))));
    const fields = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue());
    fc.assert(fc.property(fields, (output_fields) => onlyNamed(lineOf({ output_fields }))));
  });

  it("is not brought down by depth", () => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    onlyNamed(deep);
    onlyNamed(lineOf({}).replace('"fd.name":null', `"fd.name":${deep}`));
  });
});
