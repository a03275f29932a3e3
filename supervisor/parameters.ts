/**
 * The boundary of: the parameters and where they come from: the YAML file, flags, people's commands,
 * and what of all this is kept in the state store. A file that is wrong changes nothing and is said.
 */
import { statSync } from "node:fs";
import { WatchfloorError } from "../machines/errors.ts";
import type { Json } from "../machines/protocol.ts";
import { defaultParametersPath } from "../policies/bundle.ts";
import {
  LiveParameters,
  type Cause,
  type ParameterEntry,
  type ParameterLedger,
} from "../policies/live-parameters.ts";
import {
  adjustParameters,
  checkedParameters,
  loadParameters,
  resourceOf,
  type ReviewParameters,
} from "../policies/parameters.ts";
import type { Clock, StateStore } from "../transports/ports.ts";
import type { Config } from "./config.ts";
import { ownPerson } from "./peer.ts";

/** A mounted file changes by a rename that no watcher tells reliably: it is looked at. */
const LOOK_MS = 2_000;
const HEAD = "parameters";
const ENTRY = "parameters/";

type Sources = Pick<Config, "parameters" | "mode" | "alertBudget">;

/** The head stands by itself, too, so that it is read in one step. */
export function parameterLedger(store: StateStore): ParameterLedger {
  return {
    head: async () => (await store.get("settings", HEAD)) as unknown as ParameterEntry | null,
    append: (entry) => {
      const value = entry as unknown as Json;
      const key = `${ENTRY}${String(entry.n).padStart(8, "0")}`;
      return store.write([
        { table: "settings", key, value },
        { table: "settings", key: HEAD, value },
      ]);
    },
  };
}

/** Oldest first. */
export async function parameterEntries(store: StateStore): Promise<readonly ParameterEntry[]> {
  const found = await store.list("settings", ENTRY);
  return found.map(({ value }) => value as unknown as ParameterEntry);
}

/** The file with what flags and variables say over it. Throws `config_unreadable`, `config_invalid`. */
export function declaredParameters({ parameters, mode, alertBudget }: Sources): ReviewParameters {
  return adjustParameters(loadParameters(parameters ?? defaultParametersPath()), {
    ...(mode === null ? {} : { mode }),
    ...(alertBudget === null ? {} : { alertBudget }),
  });
}

export function openParameters(
  sources: Sources,
  store: StateStore,
  clock: Pick<Clock, "now">,
): Promise<LiveParameters> {
  const cause = causeOf(clock, "as declared at start");
  return LiveParameters.open(parameterLedger(store), declaredParameters(sources), cause);
}

/** What a floor keeps, without a word in it: for whoever only asks the policy. */
export async function followParameters(
  sources: Sources,
  store: StateStore,
  clock: Pick<Clock, "now">,
): Promise<LiveParameters> {
  const kept = parameterLedger(store);
  const head = await kept.head();
  const declared =
    head === null
      ? declaredParameters(sources)
      : checkedParameters(resourceOf(head.name, structuredClone(head.declared)), "parameters");
  const ledger = { head: () => kept.head(), append: async () => {} };
  return LiveParameters.open(ledger, declared, causeOf(clock, "as a floor keeps them"));
}

function causeOf(clock: Pick<Clock, "now">, why: string): Cause {
  return { who: ownPerson(null), why, at: clock.now() };
}

export interface ParameterWatch {
  /** Why the file of now is not in force; null while it is. */
  fault(): WatchfloorError | null;
  close(): void;
}

interface WatchOptions {
  readonly sources: Sources;
  readonly live: LiveParameters;
  readonly clock: Clock;
  /** Called once for each wrong file. */
  readonly alarm: (error: WatchfloorError) => void;
}

/** Looks for a changed file, and for what another runner changed, until it is closed. */
export function watchParameters({ sources, live, clock, alarm }: WatchOptions): ParameterWatch {
  const path = sources.parameters;
  let seen = path === null ? "" : stampOf(path);
  let fault: WatchfloorError | null = null;
  let cancel = (): void => {};
  let closed = false;
  const look = async (): Promise<void> => {
    await live.refresh();
    if (path === null || stampOf(path) === seen) return;
    seen = stampOf(path);
    await live.declare(declaredParameters(sources), causeOf(clock, `${path} changed`));
    fault = null;
  };
  const failed = (error: unknown): void => {
    fault =
      error instanceof WatchfloorError
        ? error
        : new WatchfloorError("config_unreadable", { path: path ?? HEAD, why: "unexpected" });
    alarm(fault);
  };
  const arm = (): void => {
    if (!closed) cancel = clock.after(LOOK_MS, () => void look().catch(failed).finally(arm));
  };
  arm();
  return {
    fault: () => fault,
    close: () => {
      closed = true;
      cancel();
    },
  };
}

/** Changes whenever the file does; empty where there is none. */
function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? "" : `${stats.ino}:${stats.size}:${stats.mtimeMs}`;
}
