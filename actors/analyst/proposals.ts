/**
 * The boundary of: a reading and the actions it leads to. The one place where actions are made, for
 * both engines: a reading gives an impact and how far to go; targets are the entity's checked names;
 * the only parameter that comes from an event is an address that passed the check of address.ts.
 */
import type { JsonObject } from "../../machines/protocol.ts";
import type { Action, ActionType, Entity, Target } from "../../machines/vocabulary.ts";
import type { Impact, Response } from "./impact.ts";

export interface Grounds {
  readonly case: string;
  /** Whose names are targets. */
  readonly entity: Entity;
  readonly benign: boolean;
  readonly response: Response;
  readonly impacts: readonly Impact[];
  /** Passed the check of address.ts, or null. */
  readonly address: string | null;
}

const SUSPECT_LABEL = "watchfloor.dev/suspect";

/** Impacts against which cutting one address off is enough. */
const BY_NETWORK: ReadonlySet<Impact> = new Set([
  "command_and_control",
  "exfiltration",
  "mining",
  "credential_access",
]);

/**
 * Actions, in the order in which they should be reviewed. Empty where the entity is not certain or
 * nothing typed fits: then a person looks.
 */
export function proposalsFor(grounds: Grounds): Action[] {
  const { entity, response } = grounds;
  if (entity.identity !== "complete") return [];
  if (grounds.benign) return [action("close_benign", { kind: "case", id: grounds.case })];
  if (response === "mark") return mark(entity);
  if (response === "contain") return contain(grounds);
  if (response === "disrupt") return disrupt(grounds);
  return [];
}

function mark(entity: Entity): Action[] {
  const target = podOf(entity) ?? workloadOf(entity);
  return target === null ? [] : [action("label", target, { key: SUSPECT_LABEL, value: "true" })];
}

function contain(grounds: Grounds): Action[] {
  return [...cutOff(grounds), ...beyond(grounds)];
}

/** The narrowest cut: one address of the workload, else the pod, else the workload. */
function cutOff({ entity, impacts, address }: Grounds): Action[] {
  const workload = workloadOf(entity);
  const network = impacts.some((impact) => BY_NETWORK.has(impact));
  const wider = impacts.includes("node_escape") || impacts.includes("token_theft");
  if (network && !wider && address !== null && workload !== null)
    return [action("block_egress", workload, { address })];
  const target = podOf(entity) ?? workload;
  return target === null ? [] : [action("isolate", target)];
}

/** What isolation of a pod does not reach: its node, and its token elsewhere. */
function beyond({ entity, impacts }: Grounds): Action[] {
  const actions: Action[] = [];
  if (impacts.includes("node_escape") && entity.host !== null)
    actions.push(action("cordon", { kind: "node", name: entity.host }));
  const account = accountOf(entity);
  if (impacts.includes("token_theft") && account !== null)
    actions.push(action("revoke_token", account));
  return actions;
}

/**
 * Termination only where a controller will make the pod again; an escape to the node is contained
 * instead, since the process may have left the pod and the pod is its evidence.
 */
function disrupt(grounds: Grounds): Action[] {
  const { entity, address, impacts } = grounds;
  const pod = podOf(entity);
  const workload = workloadOf(entity);
  if (pod === null || workload === null || impacts.includes("node_escape")) return contain(grounds);
  const terminate = action("terminate", pod);
  return address === null
    ? [terminate]
    : [action("block_egress", workload, { address }), terminate];
}

// ---- Targets: names of the entity, which were checked against their grammar ---------------------

function podOf({ namespace, pod }: Entity): Target | null {
  return namespace === null || pod === null ? null : { kind: "pod", namespace, name: pod };
}

/** A workload that bears its pod's own name is the pod itself: no controller made it. */
function workloadOf({ namespace, workload, pod }: Entity): Target | null {
  return namespace === null || workload === null || workload === pod
    ? null
    : { kind: "workload", namespace, name: workload };
}

/**
 * By convention a workload's account bears its name. Where that is not so the cluster has no such
 * account or the policy does not allow it by name, and a person decides either way.
 */
function accountOf({ namespace, workload }: Entity): Target | null {
  return namespace === null || workload === null
    ? null
    : { kind: "service_account", namespace, name: workload };
}

function action(type: ActionType, target: Target, params: JsonObject = {}): Action {
  return { type, target, params };
}
