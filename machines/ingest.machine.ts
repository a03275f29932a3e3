/**
 * The boundary of: ingest. It takes what the screener made of a slice of events, records the fate
 * of each, and sends the unusual ones to the case of their entity. It never waits for anything.
 */
import { assign, setup } from "xstate";
import { hostActions } from "./host.ts";
import { ingestContext, screened, type IngestContext } from "./ingest.grouping.ts";
import type { ScreenedItem, Screening } from "./ingest.types.ts";
import type { ActorInput, MachineEvent } from "./protocol.ts";

export const version = 1;

type IngestEvent = MachineEvent<"batch", Screening>;

export const ingestMachine = setup({
  types: {
    context: {} as IngestContext,
    events: {} as IngestEvent,
    input: {} as ActorInput,
  },
  actions: {
    ...hostActions,
    screen: assign(({ context }, items: readonly ScreenedItem[]) => screened(context, items)),
    forgetBatch: assign({ outcomes: [], messages: [] }),
  },
}).createMachine({
  id: "ingest",
  context: ({ input }) => ingestContext(input.address),
  initial: "screening",
  states: {
    screening: {
      on: {
        batch: {
          actions: [
            { type: "screen", params: ({ event }) => event.data.items },
            { type: "record", params: ({ context }) => context.outcomes },
            { type: "tell", params: ({ context }) => context.messages },
            "forgetBatch",
          ],
        },
      },
    },
  },
});
