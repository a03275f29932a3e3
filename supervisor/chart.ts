/**
 * The boundary of: XState. The one file that knows how `transition()` hands back what a chart wants
 * done, and how a snapshot is stored and restored. A change of XState's API ends here.
 */
import {
  createActor,
  type AnyActorScope,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type EventObject,
} from "xstate";
import type { ActorInput, Json, Outgoing, Reply } from "../machines/protocol.ts";
import type { EventOutcome } from "../machines/vocabulary.ts";
import type { PersistedSnapshot } from "./record.ts";

/** What one step of a chart wants, in the order in which the chart said it. */
export type Wish =
  | { readonly wish: "call"; readonly invoke: string; readonly src: string; readonly input: Json }
  | { readonly wish: "arm"; readonly name: string; readonly delayMs: number }
  | { readonly wish: "disarm"; readonly name: string }
  | { readonly wish: "tell"; readonly messages: readonly Outgoing[] }
  | { readonly wish: "reply"; readonly reply: Reply }
  | { readonly wish: "record"; readonly outcomes: readonly EventOutcome[] };

export interface Step {
  readonly snapshot: AnyMachineSnapshot;
  readonly wishes: readonly Wish[];
}

interface ChartAction {
  readonly type: string;
  readonly params?: unknown;
}

/** Throws what the chart's own context or first entry throws. */
export function begin(machine: AnyStateMachine, input: ActorInput): Step {
  return stepped(machine, (scope) => machine.getInitialSnapshot(scope, input));
}

/** Throws what a guard or an assignment throws; a chart in error status throws too. */
export function step(
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: EventObject,
): Step {
  return stepped(machine, (scope) => machine.transition(snapshot, event, scope));
}

function stepped(
  machine: AnyStateMachine,
  take: (scope: AnyActorScope) => AnyMachineSnapshot,
): Step {
  const actions: ChartAction[] = [];
  const scope = scopeOf(machine);
  scope.actionExecutor = (action) => void actions.push(action);
  const snapshot = take(scope);
  if (snapshot.status === "error") throw snapshot.error;
  return { snapshot, wishes: actions.flatMap(wishOf) };
}

const scopes = new WeakMap<AnyStateMachine, AnyActorScope>();

/**
 * What XState's `transition()` builds anew for each call, and what most of its time goes into: a
 * scope in which nothing is started, stopped or sent. It holds nothing of a step but the list of
 * actions, which is replaced, so one for each machine serves all its actors.
 */
function scopeOf(machine: AnyStateMachine): AnyActorScope {
  let scope = scopes.get(machine);
  if (scope === undefined) scopes.set(machine, (scope = inertScope(machine)));
  return scope;
}

function inertScope(machine: AnyStateMachine): AnyActorScope {
  const self = createActor(machine);
  return {
    self,
    id: "",
    sessionId: "",
    system: self.system,
    logger: () => {},
    defer: () => {},
    stopChild: () => {},
    emit: () => {},
    actionExecutor: () => {},
  };
}

function wishOf(action: ChartAction): Wish[] {
  const params = (action.params ?? {}) as Record<string, unknown>;
  switch (action.type) {
    case "xstate.spawnChild":
      return [
        {
          wish: "call",
          invoke: String(params["id"]),
          src: String(params["src"]),
          input: (params["input"] ?? null) as Json,
        },
      ];
    case "xstate.raise":
      return params["delay"] === undefined
        ? []
        : [{ wish: "arm", name: String(params["id"]), delayMs: Number(params["delay"]) }];
    case "xstate.cancel":
      return [{ wish: "disarm", name: String(params["sendId"]) }];
    case "tell":
      return [
        { wish: "tell", messages: (Array.isArray(params) ? params : [params]) as Outgoing[] },
      ];
    case "reply":
      return [{ wish: "reply", reply: params as unknown as Reply }];
    case "record":
      return [{ wish: "record", outcomes: action.params as EventOutcome[] }];
    // `stopChild` names a child that a restored snapshot no longer holds: which calls go on is
    // read from the states that are active after the step instead (`activeInvokes`).
    default:
      return [];
  }
}

/** Invoke ids of the states the chart is in: a call under any other id has been left. */
export function activeInvokes(snapshot: AnyMachineSnapshot): ReadonlySet<string> {
  if (snapshot.status !== "active") return new Set();
  return new Set(snapshot._nodes.flatMap((node) => node.invoke.map((invoke) => invoke.id)));
}

export function persist(snapshot: AnyMachineSnapshot): PersistedSnapshot {
  return {
    value: snapshot.value as Json,
    context: snapshot.context as Json,
    status: snapshot.status === "done" ? "done" : "active",
  };
}

/** Children are not restored: the host owns calls and timers, and knows them by name. */
export function restore(
  machine: AnyStateMachine,
  persisted: PersistedSnapshot,
): AnyMachineSnapshot {
  return machine.resolveState({
    value: persisted.value as never,
    context: persisted.context as never,
    status: persisted.status,
  }) as AnyMachineSnapshot;
}

/** `a`, `a.b`, or `a.b+c.d` for parallel states. */
export function stateName(value: Json): string {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object") return "";
  return Object.entries(value)
    .map(([key, inner]) => [key, stateName(inner ?? null)].filter(Boolean).join("."))
    .join("+");
}
