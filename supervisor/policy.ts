/**
 * The boundary of: the policy and a running floor. Chooses the engine, brings changed parameters and
 * a changed policy into force while it runs, and says what serves and what could not.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { WatchfloorError } from "../machines/errors.ts";
import { loadSignedBundle } from "../policies/bundle.ts";
import { parametersEntry, type DecisionEntry } from "../policies/decision-log.ts";
import { createDecisionPoint, type DecisionPoint } from "../policies/decision-point.ts";
import type { LiveParameters } from "../policies/live-parameters.ts";
import { connectRestEngine, servedRevision } from "../policies/rest-engine.ts";
import { ServingPolicy, type LoadEngine, type ServingStatus } from "../policies/serving.ts";
import { loadWasmEngine } from "../policies/wasm-engine.ts";
import { createOpaClient } from "../transports/opa.ts";
import type { Clock, StateStore } from "../transports/ports.ts";
import type { Config } from "./config.ts";
import { openDecisionLog } from "./decisions.ts";
import { openParameters, watchParameters } from "./parameters.ts";

/** How often the source of the policy is looked at. */
const LOOK_MS = 2_000;
/** Of one question to a server; a call of the reviewer lasts ten seconds. */
const SERVER_TIMEOUT_MS = 3_000;

export interface Policy {
  readonly parameters: LiveParameters;
  readonly decisions: DecisionPoint;
  /** Of the log, by its id. */
  find(decisionId: string): Promise<DecisionEntry | null>;
  status(): ServingStatus;
  /** What people should know though the floor works: for readiness, alarms and the status. */
  warnings(): readonly string[];
  close(): Promise<void>;
}

export interface PolicyOptions {
  readonly config: Config;
  readonly store: StateStore;
  readonly clock: Clock;
  readonly say: (line: string) => void;
  /** Those of a floor, kept by it, when absent. */
  readonly parameters?: typeof openParameters;
}

export async function openPolicy({
  config,
  store,
  clock,
  say,
  parameters = openParameters,
}: PolicyOptions): Promise<Policy> {
  const closers: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.toReversed()) await end();
  };
  const live = await parameters(config, store, clock);
  const source = sourceOf(config, clock);
  closers.push(() => source.close());
  const serving = await ServingPolicy.start(source.load, live.current(), () => clock.now());
  const engine = () => serving.engine();
  const dataDir = config.transport === "memory" ? null : config.data;
  const log = await openDecisionLog({ dataDir, engine, clock });
  closers.push(() => log.close());
  live.preparedBy((next) => serving.prepare(next));
  // Said before anything is decided by them, so that the log can be decided again by itself.
  live.subscribe(() => void log.write(parametersEntry(engine(), clock.now())).catch(() => {}));
  const alarm = (what: string) => (error: WatchfloorError) =>
    say(`Alarm: ${what} as it is: ${error.code}: ${error.message}`);
  const watch = watchParameters({ sources: config, live, clock, alarm: alarm("parameters stay") });
  closers.push(() => watch.close());
  closers.push(
    watchSource({ source, serving, live, clock, say, alarm: alarm("the policy stays") }),
  );
  return {
    parameters: live,
    decisions: createDecisionPoint({ engine, log, clock, recent: log.recent }),
    find: (decisionId) => log.find(decisionId),
    status: () => serving.status(),
    warnings: () =>
      [watch.fault(), serving.status().fault].flatMap((fault) =>
        fault === null ? [] : [`${fault.code}: ${fault.message}`],
      ),
    close,
  };
}

// ---- Where the policy is -----------------------------------------------------------------------

interface PolicySource {
  readonly load: LoadEngine;
  /** Another text whenever what is there is another policy. */
  stamp(serving: ServingStatus): Promise<string>;
  close(): void;
}

function sourceOf({ opa, policy }: Config, clock: Clock): PolicySource {
  if (opa.url !== null) return serverSource(opa.url, opa.token, clock);
  if (policy.bundle === null) return shippedSource();
  return folderSource(policy.bundle, policy.verificationKey);
}

function shippedSource(): PolicySource {
  return {
    load: (parameters) => loadWasmEngine(parameters),
    stamp: async () => "shipped",
    close: () => {},
  };
}

function folderSource(folder: string, keyFile: string | null): PolicySource {
  return {
    load: async (parameters) => {
      if (keyFile === null) throw unusable("policy.bundle needs policy.verificationKey");
      return loadWasmEngine(parameters, loadSignedBundle(folder, readFileSync(keyFile, "utf8")));
    },
    stamp: async () =>
      readdirSync(folder, { recursive: true })
        .map((name) => {
          const stats = statSync(join(folder, String(name)), { throwIfNoEntry: false });
          return `${String(name)}:${stats?.ino}:${stats?.size}:${stats?.mtimeMs}`;
        })
        .toSorted()
        .join("\n"),
    close: () => {},
  };
}

function unusable(why: string): WatchfloorError {
  return new WatchfloorError("policy_unusable", { why });
}

/** While its server cannot be asked, or serves what may not serve, it is asked again each time. */
function serverSource(url: string, token: string | null, clock: Clock): PolicySource {
  const server = createOpaClient({ url, token, timeoutMs: SERVER_TIMEOUT_MS, clock });
  let tries = 0;
  return {
    load: (parameters) => connectRestEngine(parameters, server),
    stamp: async ({ fault }) => {
      const revision = await servedRevision(server).catch(() => null);
      return fault === null && revision !== null ? revision : `again ${(tries += 1)}`;
    },
    close: () => server.close(),
  };
}

interface WatchOptions {
  readonly source: PolicySource;
  readonly serving: ServingPolicy;
  readonly live: LiveParameters;
  readonly clock: Clock;
  readonly say: (line: string) => void;
  readonly alarm: (error: WatchfloorError) => void;
}

/** Looks at the source until the result is called. */
function watchSource({ source, serving, live, clock, say, alarm }: WatchOptions): () => void {
  let seen: string | null = null;
  let said: string | null = null;
  let cancel = (): void => {};
  let closed = false;
  const look = async (): Promise<void> => {
    const stamp = await source.stamp(serving.status()).catch(() => "unreadable");
    const first = seen === null && serving.status().fault === null;
    if (stamp === seen || first) return void (seen = stamp);
    seen = stamp;
    const before = serving.status().bundleRevision;
    await live.between(() => serving.reload());
    const { fault, bundleRevision } = serving.status();
    if (fault !== null && fault.message !== said) alarm(fault);
    if (fault === null && (said !== null || bundleRevision !== before))
      say(`Policy: revision ${bundleRevision.slice(0, 12)} is in force.`);
    said = fault?.message ?? null;
  };
  const arm = (): void => {
    if (!closed) cancel = clock.after(LOOK_MS, () => void look().finally(arm));
  };
  // What is there now is what serves.
  void look().finally(arm);
  return () => {
    closed = true;
    cancel();
  };
}
