/**
 * The boundary of: everything. The composition root: the one place that chooses adapters and joins
 * them to the team. Shuts down in the reverse order of opening.
 */
import { join } from "node:path";
import { createAnalystCalls } from "../actors/analyst/binding.ts";
import { createApprovalCalls } from "../actors/approval/binding.ts";
import { createDetectorCalls } from "../actors/detector/binding.ts";
import { granted } from "../actors/grants.ts";
import { createNotifierCalls } from "../actors/notifier/binding.ts";
import { createDefinitions, type Team } from "../actors/registry.ts";
import { createRemediatorCalls } from "../actors/remediator/binding.ts";
import { loadResources } from "../actors/resources.ts";
import { createReviewerCalls } from "../actors/reviewer/binding.ts";
import { clusterActServer } from "../actors/tools/cluster-act.ts";
import { clusterReadServer } from "../actors/tools/cluster-read.ts";
import { historyServer } from "../actors/tools/history.ts";
import { policyServer } from "../actors/tools/policy.ts";
import { createTrainerCalls } from "../actors/trainer/binding.ts";
import type { WatchfloorError } from "../machines/errors.ts";
import type { Json, Kind } from "../machines/protocol.ts";
import type { CaseSummary, FalcoEvent } from "../machines/vocabulary.ts";
import type { LiveParameters } from "../policies/live-parameters.ts";
import { systemClock, systemRandom } from "../transports/clock.ts";
import { openSimulatedCluster } from "../transports/kubernetes/simulated.ts";
import { createAnthropicModel } from "../transports/llm/anthropic.ts";
import { connectRemote } from "../transports/mcp/remote.ts";
import { connectInProcess } from "../transports/mcp/in-process.ts";
import type {
  Clock,
  Cluster,
  Model,
  NoticeSink,
  Random,
  ToolCaller,
  ToolServerSpec,
  Transport,
} from "../transports/ports.ts";
import { INVENTORY } from "../transports/sample/inventory.ts";
import type { Config } from "./config.ts";
import { openGate, wakeTrainer, type GateControl } from "./gate.ts";
import { Intake } from "./intake.ts";
import { LIMITS } from "./limits.ts";
import type { FirstModel } from "./first-model.ts";
import { watchFieldGaps } from "./metrics.gate.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { packageFile } from "./package.ts";
import { openForRunner, runnerName } from "./place.ts";
import { openPolicy, type Policy } from "./policy.ts";
import { addPolicyMetrics } from "./policy-metrics.ts";
import { Runner, type Observer } from "./runner.ts";

export interface FloorOptions {
  readonly sink: NoticeSink;
  readonly observers: readonly Observer[];
  /** The real ones when absent. */
  readonly clock?: Clock;
  readonly random?: Random;
  /** Closed with the floor; opened as configured when absent. */
  readonly transport?: Transport;
  readonly say: (line: string) => void;
  /** Asked for at a first start only. */
  readonly firstModel: FirstModel;
}

interface Readiness {
  readonly ready: boolean;
  /** Why it is not. */
  readonly reasons: readonly string[];
  /** What does not keep it from working, and somebody should see to. */
  readonly warnings: readonly string[];
}

/** A running watch floor, as the commands see it. */
export interface Floor {
  readonly runner: Runner;
  readonly intake: Intake;
  readonly transport: Transport;
  readonly metrics: Metrics;
  readonly parameters: LiveParameters;
  readonly gate: GateControl;
  /** Resolves when the runner cannot go on. */
  readonly lost: Promise<void>;
  readonly failed: boolean;
  say(line: string): void;
  ready(): Readiness;
  caseSummaries(ids: readonly string[]): Promise<readonly CaseSummary[]>;
  setting(name: string): Promise<Json>;
  setSetting(name: string, value: Json): Promise<void>;
  analystCalls(): number;
  close(): Promise<void>;
}

export async function composeFloor(config: Config, options: FloorOptions): Promise<Floor> {
  const closers: (() => Promise<void>)[] = [];
  try {
    return await composed(config, options, closers);
  } catch (error) {
    for (const close of closers.toReversed()) await close();
    throw error;
  }
}

async function composed(
  config: Config,
  options: FloorOptions,
  closers: (() => Promise<void>)[],
): Promise<Floor> {
  const { clock = systemClock, random = systemRandom } = options;
  const runnerId = runnerName(random);
  const alarm = (error: WatchfloorError): void => sayAlarm(options, error);
  const transport =
    options.transport ?? (await openForRunner(config, { clock, random, runnerId, alarm }));
  closers.push(() => transport.close());
  const cluster = await openCluster(config, clock);
  closers.push(() => cluster.close());
  const policy = await openPolicy({ config, store: transport.store, clock, say: options.say });
  closers.push(() => policy.close());
  // What waits is known once there is a runner; nothing is screened before.
  const load = { depth: () => 0 };
  const gate = openGate({
    store: transport.store,
    clock,
    parameters: policy.parameters,
    learningMs: config.learningMs,
    firstModel: options.firstModel,
    say: options.say,
    depth: () => load.depth(),
  });
  // The longest at a first start: everything else is opened while it is fitted.
  gate.catch(() => {});
  const team = await assemble({ config, options, transport, cluster, policy, gate, closers });
  const faults = watchFaults(options);
  let runner: Runner | null = null;
  const metrics = createMetrics(() => runner);
  addPolicyMetrics(metrics.registry, policy);
  const opened = await gate;
  watchFieldGaps(metrics.registry, () => opened.fieldGaps());
  const analyst = { calls: 0 };
  runner = new Runner({
    transport,
    definitions: createDefinitions(team, config.agents),
    shardCount: config.shards,
    clock,
    random,
    runnerId,
    observers: [metrics, ...options.observers, faults.observer, countAnalyst(analyst)],
  });
  const running = runner;
  const intake = new Intake({
    transport,
    shardCount: config.shards,
    applied: (shard) => running.mailboxMark(shard),
  });
  load.depth = () => intake.waiting() + running.backlog;
  await running.start();
  if (running.hosts("trainer")) await wakeTrainer(transport, config.shards);
  closers.push(() => running.drain());
  return {
    runner: running,
    transport,
    metrics,
    parameters: policy.parameters,
    gate: opened,
    intake,
    lost: faults.lost,
    get failed() {
      return faults.failed();
    },
    say: options.say,
    ready: () => ({
      ...readiness(running, transport, faults.failed()),
      warnings: policy.warnings(),
    }),
    caseSummaries: async (ids) => {
      const found = await transport.store.getMany("cases", ids);
      return (found as unknown as (CaseSummary | null)[]).filter((summary) => summary !== null);
    },
    setting: (name) => transport.store.get("settings", name),
    setSetting: (name, value) => transport.store.write([{ table: "settings", key: name, value }]),
    analystCalls: () => analyst.calls,
    close: async () => {
      for (const close of closers.toReversed()) await close();
    },
  };
}

function openCluster(config: Config, clock: Clock): Promise<Cluster> {
  const path = config.transport === "memory" ? null : join(config.data, "cluster");
  return openSimulatedCluster({ path, clock, inventory: INVENTORY });
}

// ---- The team ----------------------------------------------------------------------------------

interface Parts {
  readonly config: Config;
  readonly options: FloorOptions;
  readonly transport: Transport;
  readonly cluster: Cluster;
  readonly policy: Policy;
  readonly gate: Promise<GateControl>;
  readonly closers: (() => Promise<void>)[];
}

async function assemble(parts: Parts): Promise<Team> {
  const { config, options, transport, cluster, policy, closers } = parts;
  const { decisions } = policy;
  const { sink, clock = systemClock } = options;
  const { store } = transport;
  const [resources, model] = await Promise.all([
    loadResources(packageFile("actors/agents")),
    languageModel(config, clock),
  ]);
  const specs = [
    policyServer({ point: decisions, find: (id) => policy.find(id), by: "reviewer" }),
    clusterReadServer(cluster),
    clusterActServer(cluster),
    historyServer(store),
  ];
  const callers = await Promise.all(specs.map((spec) => connectTo(spec, config)));
  const servers = Object.fromEntries(specs.map((spec, index) => [spec.name, callers[index]!]));
  const tools = (kind: Kind, server: string): ToolCaller =>
    granted(server, servers[server]!, resources[kind]);
  closers.push(async () => void (await Promise.all(callers.map((caller) => caller.close()))));
  const gate = await parts.gate;
  gate.serving.watch();
  closers.push(async () => gate.serving.close());
  const evidence = (digests: readonly string[]) => store.getMany("evidence", digests);
  return {
    resources,
    coordinator: { engine: model ? "model" : "rules", approvalExpiryMs: config.approvalExpiryMs },
    screener: () => gate.screener(),
    calls: {
      detector: createDetectorCalls({ history: tools("detector", "history") }),
      analyst: createAnalystCalls({
        evidence: async (digests) => (await evidence(digests)) as unknown as (FalcoEvent | null)[],
        model,
        resource: resources.analyst,
        modelId: config.model.id,
        modelTimeoutMs: config.model.timeoutMs,
      }),
      reviewer: createReviewerCalls({
        clusterRead: tools("reviewer", "cluster-read"),
        policy: tools("reviewer", "policy"),
        policyRevision: () => decisions.engine().revision,
      }),
      remediator: createRemediatorCalls({
        clusterRead: tools("remediator", "cluster-read"),
        clusterAct: tools("remediator", "cluster-act"),
        decisions,
        clock,
      }),
      approval: createApprovalCalls({
        clusterRead: tools("approval", "cluster-read"),
        history: tools("approval", "history"),
        decisions,
      }),
      notifier: createNotifierCalls(sink),
      trainer: createTrainerCalls({
        store,
        clock,
        models: gate.models,
        alertBudget: () => policy.parameters.current().spec.alertBudget,
        recentRows: () => gate.recentRows(),
        promoted: () => gate.serving.look(),
      }),
    },
  };
}

/** A policy server of its own, if one is named; everything else is asked in this process. */
async function connectTo(spec: ToolServerSpec, { policy }: Config): Promise<ToolCaller> {
  if (spec.name !== "policy" || policy.server === null) return connectInProcess(spec);
  return connectRemote(spec, { url: policy.server, token: policy.serverToken });
}

async function languageModel(config: Config, clock: Clock): Promise<Model | null> {
  const { apiKey, baseUrl } = config.model;
  if (apiKey === null) return null;
  return createAnthropicModel({ apiKey, clock, ...(baseUrl === null ? {} : { baseURL: baseUrl }) });
}

// ---- Health ------------------------------------------------------------------------------------

function sayAlarm({ say }: Pick<FloorOptions, "say">, error: WatchfloorError): void {
  say(`Alarm: ${error.code}: ${error.message}`);
}

function watchFaults(options: FloorOptions): {
  observer: Observer;
  lost: Promise<void>;
  failed: () => boolean;
} {
  const { say } = options;
  let failed = false;
  let lose = (): void => {};
  const lost = new Promise<void>((resolve) => (lose = resolve));
  const observer: Observer = {
    alarm: (error) => sayAlarm(options, error),
    lost: (shard, error) => {
      failed = true;
      const known = error as Partial<WatchfloorError>;
      say(
        `Stopping: ${shard} cannot go on: ${known.code ?? "unexpected"}: ${known.code ? known.message : String(error)}`,
      );
      lose();
    },
  };
  return { observer, lost, failed: () => failed };
}

function countAnalyst(analyst: { calls: number }): Observer {
  return {
    called: ({ order }) => {
      if (order.actor.startsWith("analyst/")) analyst.calls++;
    },
  };
}

function readiness(
  runner: Runner,
  transport: Transport,
  failed: boolean,
): { ready: boolean; reasons: string[] } {
  const reasons = [
    ...(failed ? ["the runner lost a shard"] : []),
    ...(transport.reasons?.() ?? []),
    ...(runner.ready ? [] : ["the runner does not hold its shards yet"]),
    ...(runner.backlog > LIMITS.backlogMax ? ["the backlog is over its bound"] : []),
  ];
  return { ready: reasons.length === 0, reasons };
}
