/** Pictures of statecharts: every state and arrow of the chart, and where an actor is. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { createMachine } from "xstate";
import { mermaidOf, stateList } from "../../supervisor/mermaid.ts";

const machine = createMachine({
  id: "door",
  initial: "shut",
  on: { burn: ".gone" },
  states: {
    shut: {
      on: { open: { target: "open.wide", guard: "isFree" }, knock: {} },
      after: { 1_000: "gone" },
    },
    open: {
      initial: "ajar",
      states: {
        ajar: { on: { push: "wide" } },
        wide: { invoke: { id: "hold", src: "hold", onDone: "ajar", onError: "#door.gone" } },
      },
    },
    both: {
      type: "parallel",
      states: {
        left: { initial: "a", states: { a: {} } },
        right: { initial: "b", states: { b: {} } },
      },
    },
    gone: { type: "final" },
  },
});

describe("supervisor: mermaid", () => {
  const text = mermaidOf(machine);
  const lines = text.split("\n");

  it("draws every state, nested in its parent", () => {
    assert.equal(lines[0], "stateDiagram-v2");
    for (const line of [
      '  state "shut" as s_shut',
      '  state "open" as s_open {',
      '    state "ajar" as s_open__ajar',
    ]) {
      assert.ok(lines.includes(line), line);
    }
    assert.ok(lines.includes("    s_open__wide : calls hold"));
  });

  it("draws every arrow with its event and guard, where both ends are at home", () => {
    for (const line of [
      "  [*] --> s_shut",
      "  s_shut --> s_open__wide : open [isFree]",
      "  s_shut --> s_shut : knock",
      "  s_shut --> s_gone : after 1000",
      "    s_open__ajar --> s_open__wide : push",
      "    s_open__wide --> s_open__ajar : hold answered",
      "  s_open__wide --> s_gone : hold failed",
      "  any_state --> s_gone : burn",
      "  s_gone --> [*]",
    ]) {
      assert.ok(lines.includes(line), `${line}\n${text}`);
    }
  });

  it("separates parallel regions", () => {
    const at = lines.indexOf("    --");
    assert.ok(at > lines.indexOf('    state "left" as s_both__left {'));
    assert.ok(at < lines.indexOf('    state "right" as s_both__right {'));
  });

  it("marks where an actor is, in every region", () => {
    assert.ok(!text.includes("classDef"));
    assert.ok(mermaidOf(machine, [{ open: "wide" }]).endsWith("  class s_open__wide current"));
    const both = mermaidOf(machine, [{ both: { left: "a", right: "b" } }]);
    assert.ok(
      both.includes("class s_both__left__a current") &&
        both.includes("class s_both__right__b current"),
    );
  });

  it("lists states with a star where an actor is", () => {
    const list = stateList(machine, [{ open: "wide" }]).split("\n");
    assert.deepEqual(list.slice(0, 4), ["  shut", "* open", "    ajar", "*   wide (calls hold)"]);
    assert.ok(list.includes("  gone (final)"));
  });
});
