/** The boundary of: what waits for a turn, and what a turn is applied with. */
import type { ActorDefinition } from "../actors/define.ts";
import type { ActorAddress } from "../machines/protocol.ts";
import type { Source, TurnInput } from "./record.ts";

/** Something waiting for its turn. */
export interface Item {
  readonly actor: ActorAddress;
  readonly source: Source;
  readonly input: TurnInput;
  /** Times it was tried in this process. */
  attempts: number;
}

export interface ApplyContext {
  readonly definition: ActorDefinition;
  readonly shardCount: number;
  readonly at: number;
  readonly random: () => number;
}
