/**
 * Goal: every chart is whole. XState finds an unknown target only when it is taken, so each
 * transition of each chart is resolved here.
 */
import assert from "node:assert/strict";
import type { AnyStateMachine, AnyStateNode } from "xstate";
import { KINDS } from "../../machines/protocol.ts";
import { CHARTS } from "../kit/charts.ts";

function nodesOf(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values(node.states).flatMap((child) => nodesOf(child as AnyStateNode))];
}

/** Resolves as it reads: an unknown target throws. */
function targetsOf(node: AnyStateNode): AnyStateNode[] {
  const all = [...[...node.transitions.values()].flat(), ...(node.always ?? [])];
  const initial = node.type === "compound" ? node.initial.target : [];
  return [...all.flatMap((transition) => transition.target ?? []), ...(initial ?? [])];
}

/** Names the chart uses, by what setup() gave it. */
function unknownNames(machine: AnyStateMachine, nodes: readonly AnyStateNode[]): string[] {
  const { guards, delays, actors } = machine.implementations;
  const transitions = nodes.flatMap((node) => [
    ...[...node.transitions.values()].flat(),
    ...(node.always ?? []),
  ]);
  const guardNames = transitions.map((one) => one.guard).map((guard: unknown) => nameOf(guard));
  const delayNames = nodes.flatMap((node) => Object.keys(node.config.after ?? {}));
  const sources = nodes.flatMap((node) =>
    node.invoke.map((invoke) => (typeof invoke.src === "string" ? invoke.src : invoke.id)),
  );
  return [
    ...guardNames.filter((name) => name !== null && !Object.hasOwn(guards, name)),
    ...delayNames.filter((name) => !Object.hasOwn(delays, name)),
    ...sources.filter((name) => !Object.hasOwn(actors, name)),
  ].map(String);
}

function nameOf(guard: unknown): string | null {
  if (typeof guard === "string") return guard;
  return (guard as { type?: string } | undefined)?.type ?? null;
}

describe("the charts", () => {
  it("are one for each kind", () => {
    assert.deepEqual(Object.keys(CHARTS), [...KINDS]);
  });

  for (const kind of KINDS) {
    const { machine, version } = CHARTS[kind];
    const nodes = nodesOf(machine.root);

    it(`of ${kind} is named for its kind and has a version`, () => {
      assert.equal(machine.id, kind);
      assert.ok(Number.isInteger(version) && version >= 1);
    });

    it(`of ${kind} knows every target, guard, delay and call it names`, () => {
      for (const target of nodes.flatMap((node) => targetsOf(node)))
        assert.ok(nodes.includes(target));
      assert.deepEqual(unknownNames(machine, nodes), []);
      assert.ok(JSON.stringify(machine.definition).length > 0);
    });

    it(`of ${kind} reaches every state it has`, () => {
      const reached = new Set([machine.root, ...nodes.flatMap((node) => targetsOf(node))]);
      const inner = [...reached].flatMap((node) => ancestorsOf(node));
      const lost = nodes.filter((node) => !reached.has(node) && !inner.includes(node));
      assert.deepEqual(
        lost.map((node) => node.id),
        [],
      );
    });

    it(`of ${kind} says what follows when a call fails`, () => {
      const invoking = nodes.filter((node) => node.invoke.length > 0);
      for (const node of invoking) {
        for (const { id } of node.invoke) {
          for (const result of ["done", "error"]) {
            assert.ok(
              node.transitions.has(`xstate.${result}.actor.${id}`),
              `${node.id}: ${result} of ${id}`,
            );
          }
        }
      }
    });
  }
});

function ancestorsOf(node: AnyStateNode): AnyStateNode[] {
  return node.parent === undefined ? [] : [node.parent, ...ancestorsOf(node.parent)];
}
