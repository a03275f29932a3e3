/**
 * The boundary of: a command and the process it runs in. What it reads of its surroundings and where
 * it writes, as one argument, so that a test can be the surroundings.
 */
import { resolve } from "node:path";
import type { Clock, Random } from "../../transports/ports.ts";
import type { Place } from "../place.ts";
import { painter, type Paint } from "../views/text.ts";

export interface Io {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
  /** Resolves when more may be written. */
  write(text: string): Promise<void>;
  writeError(text: string): void;
  /** Asks the person at the terminal; null when nobody is there. */
  readonly ask: ((question: string) => Promise<string>) | null;
}

/** Options that every command which reads or changes the data has. */
export interface DataOptions {
  readonly data?: string;
  readonly transport?: string;
  readonly nats?: string;
  readonly natsCredentials?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** One command under way. */
export interface Session {
  readonly io: Io;
  readonly dataDir: string;
  readonly place: Place;
  readonly json: boolean;
  readonly paint: Paint;
}

/** With `--data` alone no configuration is read: a broken one must not hide what is stored. */
export async function openSession(io: Io, options: DataOptions): Promise<Session> {
  const colour = io.terminal && (io.env["NO_COLOR"] ?? "") === "";
  const found = await placed(io, options);
  return { io, ...found, json: options.json ?? false, paint: painter(colour) };
}

async function placed(io: Io, options: DataOptions): Promise<Pick<Session, "dataDir" | "place">> {
  const { data, transport, nats, natsCredentials, config } = options;
  if (data !== undefined && transport === undefined && nats === undefined) {
    const dataDir = resolve(io.cwd, data);
    return { dataDir, place: { transport: "local", dataDir } };
  }
  const { loadConfig } = await import("../config.ts");
  const { placeOf } = await import("../place.ts");
  const flags = { data, ...natsFlags({ transport, nats, natsCredentials }) };
  const loaded = loadConfig({ flags, env: io.env, cwd: io.cwd, folder: config ?? null });
  return { dataDir: loaded.data, place: placeOf(loaded) };
}

interface NatsFlags {
  readonly transport: string | undefined;
  readonly nats: string | undefined;
  readonly natsCredentials: string | undefined;
}

/** Whoever names a server means the transport. */
export function natsFlags({
  transport,
  nats,
  natsCredentials,
}: NatsFlags): Record<string, string | undefined> {
  return {
    transport: transport ?? (nats === undefined ? undefined : "nats"),
    "nats.url": nats,
    "nats.credentials": natsCredentials,
  };
}

export function printLines(io: Io, lines: readonly string[]): Promise<void> {
  return io.write(lines.map((line) => `${line}\n`).join(""));
}

export function printJson(io: Io, values: readonly unknown[]): Promise<void> {
  return io.write(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
}
