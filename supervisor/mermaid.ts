/**
 * The boundary of: a statechart and a picture of it. Pure: a machine, and the states an actor is in,
 * give Mermaid's `stateDiagram-v2` or an indented list.
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from "xstate";
import type { Json } from "../machines/protocol.ts";

/** State values as snapshots hold them; each marks the states it is in. */
export function mermaidOf(machine: AnyStateMachine, current: readonly Json[] = []): string {
  const root = machine.root;
  const lines = ["stateDiagram-v2", ...inner(root, 1), ...classes(root, current)];
  return lines.join("\n");
}

/** One line a state, children below their parent, `*` where an actor is. */
export function stateList(machine: AnyStateMachine, current: readonly Json[] = []): string {
  const marked = activeIds(machine.root, current);
  return listed(machine.root, marked, 0).join("\n");
}

function listed(node: AnyStateNode, marked: ReadonlySet<string>, depth: number): string[] {
  return children(node).flatMap((child) => {
    const notes = [
      ...child.invoke.map((invoke) => `calls ${sourceName(invoke.src)}`),
      ...(isFinal(child) ? ["final"] : []),
    ];
    const note = notes.length > 0 ? ` (${notes.join(", ")})` : "";
    return [
      `${marked.has(child.id) ? "*" : " "} ${"  ".repeat(depth)}${child.key}${note}`,
      ...listed(child, marked, depth + 1),
    ];
  });
}

// ---- The diagram -------------------------------------------------------------------------------

function inner(node: AnyStateNode, depth: number): string[] {
  const pad = "  ".repeat(depth);
  const states = children(node);
  const arrows = arrowsIn(node).map((arrow) => `${pad}${arrow}`);
  if (node.type === "parallel") {
    const regions = states.flatMap((child, index) => [
      ...(index > 0 ? [`${pad}--`] : []),
      ...declared(child, depth),
    ]);
    return [...regions, ...arrows];
  }
  const first = node.initial.target[0];
  return [
    ...states.flatMap((child) => declared(child, depth)),
    ...(first ? [`${pad}[*] --> ${idOf(first)}`] : []),
    ...arrows,
    ...states.filter(isFinal).map((child) => `${pad}${idOf(child)} --> [*]`),
  ];
}

function declared(node: AnyStateNode, depth: number): string[] {
  const pad = "  ".repeat(depth);
  const name = `${pad}state "${label(node.key)}" as ${idOf(node)}`;
  const calls = node.invoke.map(
    ({ src }) => `${pad}${idOf(node)} : calls ${label(sourceName(src))}`,
  );
  if (children(node).length === 0) return [name, ...calls];
  return [`${name} {`, ...inner(node, depth + 1), `${pad}}`];
}

/** Mermaid has no arrow from the whole diagram: a state of its own stands for it. */
const ANY_STATE = "any_state";

/**
 * Arrows drawn inside `parent`: those whose ends have it as their nearest common ancestor. Drawn
 * deeper, Mermaid would move the far end into the wrong box.
 */
function arrowsIn(parent: AnyStateNode): string[] {
  const own = parent.parent === undefined ? arrowsOf(parent) : [];
  const anywhere = own
    .filter((arrow) => arrow.to !== parent)
    .map((arrow) => textOf(ANY_STATE, arrow));
  const among = descendants(parent)
    .flatMap((node) => arrowsOf(node))
    .filter((arrow) => ancestorOf(arrow.from, arrow.to) === parent)
    .map((arrow) => textOf(idOf(arrow.from), arrow));
  const declaredAny = anywhere.length > 0 ? [`state "(any state)" as ${ANY_STATE}`] : [];
  return [...declaredAny, ...unique(anywhere), ...unique(among)];
}

interface Arrow {
  readonly from: AnyStateNode;
  readonly to: AnyStateNode;
  readonly label: string;
}

function textOf(from: string, arrow: Arrow): string {
  return `${from} --> ${idOf(arrow.to)}${arrow.label === "" ? "" : ` : ${arrow.label}`}`;
}

/** Without a target the state stays: an arrow to itself. */
function arrowsOf(node: AnyStateNode): Arrow[] {
  const all = [
    ...[...node.transitions.values()].flat(),
    ...(node.always ?? []),
  ] as AnyTransitionDefinition[];
  return all.flatMap((transition) => {
    const text = label(`${eventName(transition.eventType)} ${guardName(transition.guard)}`);
    const targets = (transition.target ?? [node]) as readonly AnyStateNode[];
    return targets.map((to) => ({ from: node, to, label: text }));
  });
}

/** The nearest state that holds both, and is neither. */
function ancestorOf(a: AnyStateNode, b: AnyStateNode): AnyStateNode | undefined {
  for (let node = a.parent; node !== undefined; node = node.parent) {
    if (node !== b && descendants(node).includes(b)) return node;
  }
  return undefined;
}

function eventName(type: string): string {
  const [, how, source] = /^xstate\.(done|error)\.actor\.(.+)$/.exec(type) ?? [];
  if (source !== undefined) return `${source} ${how === "done" ? "answered" : "failed"}`;
  const [, delay] = /^xstate\.after\.(.+?)\.[^.]+(?:\.[^.]+)*$/.exec(type) ?? [];
  if (delay !== undefined) return `after ${delay}`;
  return type.startsWith("xstate.done.state.") ? "all done" : type;
}

function guardName(guard: unknown): string {
  if (guard === undefined || guard === null) return "";
  if (typeof guard === "string") return `[${guard}]`;
  if (typeof guard === "object" && "type" in guard) return `[${String(guard.type)}]`;
  return "[guarded]";
}

function sourceName(src: unknown): string {
  return typeof src === "string" ? src : "inline";
}

/** Ids of Mermaid are words; `-` and `.` of ours are not. A double `_` keeps two names apart. */
function idOf(node: AnyStateNode): string {
  return node.path.length === 0
    ? "machine"
    : `s_${node.path.map((key) => key.replace(/\W/g, "_")).join("__")}`;
}

/** What ends a label or a line in Mermaid's grammar. */
function label(text: string): string {
  return text
    .replace(/[:;#\n"{}]/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

// ---- Where an actor is -------------------------------------------------------------------------

function classes(root: AnyStateNode, current: readonly Json[]): string[] {
  const marked = activeIds(root, current);
  const leaves = descendants(root).filter(
    (node) => marked.has(node.id) && children(node).length === 0,
  );
  if (leaves.length === 0) return [];
  return [
    "  classDef current fill:#ffd166,stroke:#333,stroke-width:3px,color:#000",
    ...leaves.map((node) => `  class ${idOf(node)} current`),
  ];
}

function activeIds(root: AnyStateNode, values: readonly Json[]): ReadonlySet<string> {
  return new Set(values.flatMap((value) => active(root, value)).map((node) => node.id));
}

function active(node: AnyStateNode, value: Json): AnyStateNode[] {
  if (typeof value === "string") {
    const child = node.states[value] as AnyStateNode | undefined;
    return child ? [child] : [];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, deeper]) => {
    const child = node.states[key] as AnyStateNode | undefined;
    return child ? [child, ...active(child, deeper ?? null)] : [];
  });
}

function descendants(node: AnyStateNode): AnyStateNode[] {
  return children(node).flatMap((child) => [child, ...descendants(child)]);
}

function children(node: AnyStateNode): AnyStateNode[] {
  return Object.values(node.states) as AnyStateNode[];
}

function isFinal(node: AnyStateNode): boolean {
  return node.type === "final";
}

function unique(lines: readonly string[]): string[] {
  return [...new Set(lines)];
}
