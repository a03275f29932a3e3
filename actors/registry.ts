/**
 * The boundary of: the team. Binds every machine to its calls under its resource's limits; nothing
 * else knows the whole list.
 */
import type { AnyStateMachine } from "xstate";
import type { Screener } from "../anomaly/index.ts";
import { analystMachine, version as analystVersion } from "../machines/analyst.machine.ts";
import { approvalMachine, version as approvalVersion } from "../machines/approval.machine.ts";
import { COORDINATOR_SETTINGS, type CoordinatorSettings } from "../machines/coordinator.context.ts";
import {
  coordinatorMachine,
  coordinatorMachineWith,
  version as coordinatorVersion,
} from "../machines/coordinator.machine.ts";
import { coordinatorHistory, coordinatorSummary } from "../machines/coordinator.views.ts";
import { detectorMachine, version as detectorVersion } from "../machines/detector.machine.ts";
import { WatchfloorError } from "../machines/errors.ts";
import { ingestMachine, version as ingestVersion } from "../machines/ingest.machine.ts";
import { notifierMachine, version as notifierVersion } from "../machines/notifier.machine.ts";
import { KINDS, type Kind } from "../machines/protocol.ts";
import { remediatorMachine, version as remediatorVersion } from "../machines/remediator.machine.ts";
import { reviewerMachine, version as reviewerVersion } from "../machines/reviewer.machine.ts";
import { TRAINER_MIGRATIONS } from "../machines/trainer.labels.ts";
import { trainerMachine, version as trainerVersion } from "../machines/trainer.machine.ts";
import type { ActorDefinition, CallBinding, ToolBinding } from "./define.ts";
import { ingestCompanion } from "./ingest/companion.ts";
import { tightenAll, type AgentResource } from "./resources.ts";

/** Envelopes of the gate that one turn may hold. */
const INGEST_BATCH_MAX = 128;

export const MACHINES: Readonly<
  Record<Kind, { readonly machine: AnyStateMachine; readonly version: number }>
> = {
  ingest: { machine: ingestMachine, version: ingestVersion },
  coordinator: { machine: coordinatorMachine, version: coordinatorVersion },
  detector: { machine: detectorMachine, version: detectorVersion },
  analyst: { machine: analystMachine, version: analystVersion },
  reviewer: { machine: reviewerMachine, version: reviewerVersion },
  remediator: { machine: remediatorMachine, version: remediatorVersion },
  notifier: { machine: notifierMachine, version: notifierVersion },
  approval: { machine: approvalMachine, version: approvalVersion },
  trainer: { machine: trainerMachine, version: trainerVersion },
};

export interface Team {
  /** The tools behind each kind's calls; a coordinator only asks. */
  readonly calls: Readonly<Partial<Record<Kind, Readonly<Record<string, ToolBinding>>>>>;
  readonly resources: Readonly<Record<Kind, AgentResource>>;
  /** What differs from the coordinator's own settings. */
  readonly coordinator: Partial<CoordinatorSettings>;
  /** A gate for one slice of entities. */
  screener(): Screener;
}

const ASK = { call: "ask" } as const;
const ASKS: Readonly<Record<string, CallBinding>> = {
  askDetector: ASK,
  askAnalyst: ASK,
  askReviewer: ASK,
  askRemediator: ASK,
  askApproval: ASK,
};

/** Throws `tool_undeclared` or `resource_invalid` before anything runs. */
export function createDefinitions(
  team: Team,
  kinds: readonly Kind[] = KINDS,
): Map<Kind, ActorDefinition> {
  return new Map(kinds.map((kind) => [kind, defined(team, kind)]));
}

function defined(team: Team, kind: Kind): ActorDefinition {
  const { machine, version } = MACHINES[kind];
  const own = kind === "coordinator" ? ASKS : (team.calls[kind] ?? {});
  const calls = tightenAll(own, team.resources[kind]);
  for (const [tool, binding] of Object.entries(calls)) assertDeclared(tool, binding);
  const definition = { kind, version, machine, calls };
  if (kind === "ingest") {
    return {
      ...definition,
      batchMax: INGEST_BATCH_MAX,
      companion: () => ingestCompanion(team.screener()),
    };
  }
  if (kind === "trainer") return { ...definition, migrations: TRAINER_MIGRATIONS };
  if (kind === "coordinator") {
    const settings = { ...COORDINATOR_SETTINGS, ...team.coordinator };
    const views = { summary: coordinatorSummary, history: coordinatorHistory };
    return { ...definition, machine: coordinatorMachineWith(settings), ...views };
  }
  return definition;
}

/** Types say so already; a resource is data, and what is loaded must be sure of it. */
function assertDeclared(tool: string, binding: CallBinding): void {
  if (binding.call === "ask") return;
  const { recovery } = binding;
  const lacking = recovery === "reconcile" && binding.reconcile === undefined;
  if (!["retry", "reconcile", "escalate"].includes(recovery) || lacking) {
    throw new WatchfloorError("tool_undeclared", { tool });
  }
}
