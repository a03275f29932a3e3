/**
 * The boundary of: a running floor and who may speak to it. Opens its listeners: events and health
 * over HTTP and from Kafka, commands over the socket in the data directory.
 */
import type { Json } from "../machines/protocol.ts";
import { systemClock, systemRandom } from "../transports/clock.ts";
import type { ParameterEntry } from "../policies/live-parameters.ts";
import { createFalcoServer } from "../transports/falco/http.ts";
import { publishCommand } from "./commands.ts";
import type { Floor } from "./compose.ts";
import type { Config } from "./config.ts";
import { startControl } from "./control.ts";
import { randomHex } from "./hex.ts";
import { openKafka } from "./kafka.ts";
import { LIMITS } from "./limits.ts";
import { carryOut } from "./model-orders.ts";
import { Reader } from "./reader.ts";

export interface Listeners {
  /** Takes nothing new, and lets what is in flight end. */
  close(): Promise<void>;
}

export async function openListeners(config: Config, floor: Floor): Promise<Listeners> {
  const opened: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of opened.toReversed()) await end();
  };
  try {
    if (config.transport === "local") opened.push(await openControl(config, floor));
    opened.push(await openHttp(config, floor));
    const closeKafka = await openKafka(config, floor);
    if (closeKafka) opened.push(closeKafka);
    return { close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openControl(config: Config, floor: Floor): Promise<() => Promise<void>> {
  const reader = new Reader(floor.transport, config.shards);
  const { mailbox } = floor.transport;
  const control = await startControl({
    dataDir: config.data,
    clock: systemClock,
    random: systemRandom,
    handle: async (command, person) => {
      const ports = { reader, mailbox, shardCount: config.shards };
      return {
        ...(await publishCommand(ports, command, person, `cmd-${randomHex(systemRandom, 4)}`)),
      };
    },
    setParameters: async (changes, why, who) => {
      const entry = await floor.parameters.set(changes, { who, why, at: systemClock.now() });
      floor.say(`Parameters: change ${entry.n} by ${who.user} is in force: ${pathsOf(entry)}.`);
      return entry as unknown as Json;
    },
    orderModel: async (order, why, who) => {
      const { models, serving } = floor.gate;
      const { alertBudget } = floor.parameters.current().spec;
      const ports = {
        models,
        mailbox,
        shardCount: config.shards,
        dataDir: config.data,
        alertBudget,
      };
      const cause = { who, why, at: systemClock.now(), id: `cmd-${randomHex(systemRandom, 4)}` };
      const recentRows = (): Float32Array => floor.gate.recentRows();
      const result = await carryOut({ ...ports, recentRows }, order, cause);
      await serving.look();
      return result as unknown as Json;
    },
    status: () => ({ pid: process.pid, ...floor.ready(), ...floor.runner.gauges() }),
  });
  return () => control.close();
}

function pathsOf({ changes }: ParameterEntry): string {
  return changes.map(({ path }) => path).join(", ") || "nothing differs";
}

async function openHttp(config: Config, floor: Floor): Promise<() => Promise<void>> {
  const { host, port, tls, secretPath } = config.http;
  const server = createFalcoServer({
    host,
    port,
    tls,
    secretPath,
    clock: systemClock,
    accept: (event) => floor.intake.accept([event], "live", "http"),
    ready: () => floor.ready(),
    metrics: () => floor.metrics.registry.metrics(),
    answered: (route, status) => {
      floor.metrics.answered(route, status);
      if (route === "falco" && status >= 400) floor.metrics.rejected();
    },
  });
  const address = await server.listen();
  const shown = address.host.includes(":") ? `[${address.host}]` : address.host;
  const events = secretPath ? "the secret path" : "/falco";
  floor.say(
    `Listening on ${tls ? "https" : "http"}://${shown}:${address.port}: events on ${events}; /livez, /readyz, /metrics.`,
  );
  return () => server.close(LIMITS.drainMs / 2);
}
