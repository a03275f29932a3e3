/** The boundary of: all charts, for tests that hold each of them to the same law. */
import type { AnyStateMachine } from "xstate";
import * as analyst from "../../machines/analyst.machine.ts";
import * as approval from "../../machines/approval.machine.ts";
import * as coordinator from "../../machines/coordinator.machine.ts";
import * as detector from "../../machines/detector.machine.ts";
import * as ingest from "../../machines/ingest.machine.ts";
import * as notifier from "../../machines/notifier.machine.ts";
import type { Kind } from "../../machines/protocol.ts";
import * as remediator from "../../machines/remediator.machine.ts";
import * as reviewer from "../../machines/reviewer.machine.ts";
import * as trainer from "../../machines/trainer.machine.ts";

export const CHARTS: Readonly<
  Record<Kind, { readonly machine: AnyStateMachine; readonly version: number }>
> = {
  ingest: { machine: ingest.ingestMachine, version: ingest.version },
  coordinator: { machine: coordinator.coordinatorMachine, version: coordinator.version },
  detector: { machine: detector.detectorMachine, version: detector.version },
  analyst: { machine: analyst.analystMachine, version: analyst.version },
  reviewer: { machine: reviewer.reviewerMachine, version: reviewer.version },
  remediator: { machine: remediator.remediatorMachine, version: remediator.version },
  notifier: { machine: notifier.notifierMachine, version: notifier.version },
  approval: { machine: approval.approvalMachine, version: approval.version },
  trainer: { machine: trainer.trainerMachine, version: trainer.version },
};
