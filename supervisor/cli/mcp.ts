/**
 * The boundary of: `watchfloor mcp policy`. The policy as a tool server of its own: over standard
 * input and output for whoever starts it, or over HTTP. It decides by the parameters that the floor
 * of the data directory keeps, and follows their changes.
 */
import { policyServer } from "../../actors/tools/policy.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import { systemClock } from "../../transports/clock.ts";
import { openLocal } from "../../transports/local/index.ts";
import { listenForTools } from "../../transports/mcp/http.ts";
import { serveStdio } from "../../transports/mcp/stdio.ts";
import { openMemory } from "../../transports/memory.ts";
import type { Transport } from "../../transports/ports.ts";
import { loadConfig } from "../config.ts";
import { followParameters } from "../parameters.ts";
import { openPolicy } from "../policy.ts";
import type { Io } from "./io.ts";

export interface McpOptions {
  readonly http?: { readonly host: string; readonly port: string };
  readonly data?: string;
  readonly config?: string;
}

export async function serveMcpPolicy(io: Io, options: McpOptions): Promise<void> {
  const flags = options.data === undefined ? {} : { data: options.data };
  const folder = options.config ?? null;
  const config = loadConfig({ flags, env: io.env, cwd: io.cwd, folder });
  // Standard output is the protocol's.
  const say = (line: string): void => io.writeError(`${line}\n`);
  const transport = await openStore(config.data);
  try {
    const policy = await openPolicy({
      config,
      store: transport.store,
      clock: systemClock,
      say,
      parameters: followParameters,
    });
    const spec = policyServer({
      point: policy.decisions,
      find: (id) => policy.find(id),
      by: "mcp",
    });
    try {
      if (options.http === undefined) {
        return await serveStdio(spec, process.stdin, process.stdout);
      }
      const { host, port } = options.http;
      const { token } = config.mcp;
      const listener = await listenForTools(spec, { host, port: Number(port), token });
      say(`The policy's tools are at ${listener.url}${token === null ? "" : ", with a token"}.`);
      await asked();
      await listener.close();
    } finally {
      await policy.close();
    }
  } finally {
    await transport.close();
  }
}

/** Without a floor the parameters are those of the file. */
async function openStore(path: string): Promise<Transport> {
  try {
    return await openLocal({ path, shardCount: null, lock: false, clock: systemClock });
  } catch (error) {
    if (error instanceof WatchfloorError && error.code === "data_unusable")
      return openMemory({ clock: systemClock });
    throw error;
  }
}

function asked(): Promise<void> {
  return new Promise((stop) => {
    process.once("SIGINT", () => stop());
    process.once("SIGTERM", () => stop());
  });
}
