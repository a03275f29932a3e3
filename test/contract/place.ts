/** The boundary of: a test and what a transport is opened on, which outlives it. */
import type { Transport } from "../../transports/ports.ts";
import type { VirtualClock } from "../kit/virtual-clock.ts";

export interface Place {
  readonly clock: VirtualClock;
  open(): Promise<Transport>;
  remove(): Promise<void>;
}
