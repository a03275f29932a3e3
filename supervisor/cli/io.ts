/**
 * The boundary of: a command and the process it runs in. What it reads of its surroundings and where
 * it writes, as one argument, so that a test can be the surroundings.
 */
import { resolve } from "node:path";
import type { Clock, Random } from "../../transports/ports.ts";
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
  readonly config?: string;
  readonly json?: boolean;
}

/** One command under way. */
export interface Session {
  readonly io: Io;
  readonly dataDir: string;
  readonly json: boolean;
  readonly paint: Paint;
}

/** With `--data` no configuration is read: a broken one must not hide what is stored. */
export async function openSession(io: Io, options: DataOptions): Promise<Session> {
  const dataDir =
    options.data === undefined ? await configuredData(io, options) : resolve(io.cwd, options.data);
  const colour = io.terminal && (io.env["NO_COLOR"] ?? "") === "";
  return { io, dataDir, json: options.json ?? false, paint: painter(colour) };
}

async function configuredData(io: Io, { config }: DataOptions): Promise<string> {
  const { loadConfig } = await import("../config.ts");
  return loadConfig({ flags: {}, env: io.env, cwd: io.cwd, folder: config ?? null }).data;
}

export function printLines(io: Io, lines: readonly string[]): Promise<void> {
  return io.write(lines.map((line) => `${line}\n`).join(""));
}

export function printJson(io: Io, values: readonly unknown[]): Promise<void> {
  return io.write(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
}
