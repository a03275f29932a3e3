/**
 * The boundary of: machine and host. A machine declares its calls and its sends here and performs
 * none of them: `transition()` hands them to the host as data.
 */
import { fromPromise, type PromiseActorLogic } from "xstate";
import type { CallResult, Outgoing, Reply } from "./protocol.ts";
import type { EventOutcome } from "./vocabulary.ts";

/** Declares an invoke source. Only a host runs it; a machine that is started by hand throws. */
export function declaredCall<I, O>(): PromiseActorLogic<CallResult<O>, I> {
  return fromPromise<CallResult<O>, I>(() => {
    throw new Error("a machine's calls are run by the supervisor only");
  });
}

/** The actions every machine may use; their params are read by the host. */
export const hostActions = {
  /** Sends one envelope, or several in order. */
  tell: (_scope: unknown, _params: Outgoing | readonly Outgoing[]): void => {},
  /** Answers an ask. */
  reply: (_scope: unknown, _params: Reply): void => {},
  /** Records fates of events that become known in this turn; ingest only. */
  record: (_scope: unknown, _params: readonly EventOutcome[]): void => {},
};
