/**
 * The boundary of: the command line in a test. The same process is its surroundings: what it writes
 * is collected, and nobody sits at the terminal.
 */
import type { Io } from "../../supervisor/cli/io.ts";
import { systemClock } from "../../transports/clock.ts";
import { seededRandom } from "./seeded-random.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command in the folder `cwd`, with `more` over what every test here has. */
export async function runInProcess(
  cwd: string,
  args: readonly string[],
  more: Partial<Io> = {},
): Promise<Ran> {
  const said = { out: "", err: "" };
  const io: Io = {
    cwd,
    env: {},
    clock: systemClock,
    random: seededRandom(args.length),
    terminal: false,
    write: async (text) => void (said.out += text),
    writeError: (text) => void (said.err += text),
    ask: null,
    ...more,
  };
  // The command line loads its parts when they are asked for; loaded the same way, it shares them.
  const { runCli } = await import("../../supervisor/cli.ts");
  const code = await runCli(args, io);
  return { code, ...said };
}
