/** The boundary of: what waits for a turn, and what a turn is applied with. */
import type { ActorDefinition } from "../actors/define.ts";
import type { ActorAddress, FailureData } from "../machines/protocol.ts";
import type { Source, TurnInput } from "./record.ts";

/** Something waiting for its turn. */
export interface Item {
  readonly actor: ActorAddress;
  readonly source: Source;
  readonly input: TurnInput;
  /** Its turn was taken and cannot be read any more: the actor is set aside because of it. */
  readonly lost?: FailureData;
  /** Times it was tried in this process. */
  attempts: number;
}

export interface ApplyContext {
  readonly definition: ActorDefinition;
  readonly shardCount: number;
  readonly at: number;
  readonly random: () => number;
}
