/** The boundary of: a case in a test, walked by hand as far as a test wants it. */
import type { CaseNotice } from "../../machines/calls.ts";
import { coordinatorMachine } from "../../machines/coordinator.machine.ts";
import { coordinatorSummary } from "../../machines/coordinator.views.ts";
import type { AskInput } from "../../machines/protocol.ts";
import type { Action, CaseSummary } from "../../machines/vocabulary.ts";
import { CASE, DETECTOR, facts, ISOLATE, remediated, report, review } from "./case-parts.ts";
import { Walk } from "./walk.ts";

export const caseEvent = (n: number, rule?: string): object => ({
  facts: facts(n, rule === undefined ? {} : { rule }),
  events: 1,
});

export function opened(): Walk {
  return new Walk(coordinatorMachine, `coordinator/${CASE}`, CASE).send("case.event", caseEvent(1));
}

/** As far as the first review. */
export function analysed(proposals: readonly Action[]): Walk {
  return opened().done("askDetector", DETECTOR).done("askAnalyst", report(proposals));
}

/** As far as the person. */
export function waiting(action: Action = ISOLATE): Walk {
  return analysed([action]).done("askReviewer", review(action, "escalate"));
}

export function performed(): Walk {
  return analysed([ISOLATE])
    .done("askReviewer", review(ISOLATE, "auto_execute"))
    .done("askRemediator", remediated(ISOLATE, "done"));
}

export function summary(walk: Walk): CaseSummary {
  return coordinatorSummary(walk.state, walk.snapshot.context);
}

export function ask<D>(walk: Walk, id: string): { readonly to: string; readonly data: D } {
  const input = walk.input<AskInput>(id);
  return { to: input.to, data: input.data as unknown as D };
}

export function notices(walk: Walk): readonly CaseNotice[] {
  return walk.toldOf("notice").map((message) => message.data as unknown as CaseNotice);
}
