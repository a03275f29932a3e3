/**
 * The boundary of: the gate's bench and scikit-learn. Brings the pinned packages into a user cache
 * by itself; all it needs of the machine is Python 3.11 or newer. A missing one fails by name.
 */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

const HERE = import.meta.dirname;
const SCRIPT = join(HERE, "reference.py");
const REQUIREMENTS = join(HERE, "requirements.txt");

/** The interpreter of an environment that has exactly the pinned packages. */
export function providePython(say: (line: string) => void): string {
  const pins = readFileSync(REQUIREMENTS);
  const digest = createHash("sha256").update(pins).digest("hex").slice(0, 12);
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const home = join(cache, "watchfloor", "bench", `python-${digest}`);
  const python = join(home, "bin", "python");
  if (existsSync(join(home, "ready"))) return python;
  say("bringing scikit-learn and public data sets into the user cache (once, about a minute)");
  const base = process.env["PYTHON_BIN"] ?? "python3";
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  run(base, ["-m", "venv", home], "Python 3.11 or newer with venv (PYTHON_BIN names one)");
  const install = ["-m", "pip", "install", "--quiet", "--no-deps", "-r", REQUIREMENTS];
  run(python, install, "the packages of test/bench/gate/requirements.txt");
  writeFileSync(join(home, "ready"), digest);
  return python;
}

/** A folder with the public data sets, made once for each version of the script that writes them. */
export function provideData(python: string): string {
  const digest = createHash("sha256").update(readFileSync(SCRIPT)).digest("hex").slice(0, 12);
  const folder = join(python, "..", "..", `data-${digest}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial);
  run(python, [SCRIPT, "data", partial], "the public data sets");
  renameSync(partial, folder);
  return folder;
}

function run(command: string, args: readonly string[], what: string): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status === 0) return;
  throw new Error(`the gate's bench needs ${what}: ${error?.message ?? stderr.trim()}`);
}

export interface Seeds {
  readonly from: number;
  readonly to: number;
}

/** AUC of each set, or of those named, by seed. */
export function referenceQuality(
  pinned: readonly string[],
  python: string,
  folder: string,
  { from, to }: Seeds,
  names: readonly string[] = [],
): { readonly version: string; readonly aucs: Readonly<Record<string, readonly number[]>> } {
  const asked = ["quality", folder, String(from), String(to), ...names];
  const [command, ...args] = [...pinned, python, SCRIPT, ...asked];
  const { status, stdout, stderr } = spawnSync(command!, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`scikit-learn failed: ${stderr.trim()}`);
  return JSON.parse(stdout) as ReturnType<typeof referenceQuality>;
}

/** A process that answers one measurement a line. */
export class Measurer {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: Interface;
  private readonly answers: AsyncIterator<string>;

  constructor(command: readonly string[]) {
    this.child = spawn(command[0]!, command.slice(1));
    this.child.stderr.pipe(process.stderr);
    this.lines = createInterface(this.child.stdout);
    this.answers = this.lines[Symbol.asyncIterator]();
  }

  static ofPython(pinned: readonly string[], python: string, folder: string): Measurer {
    return new Measurer([...pinned, python, SCRIPT, "speed", folder]);
  }

  /** Least seconds a call. */
  async ask(what: string): Promise<number> {
    this.child.stdin.write(`${what}\n`);
    const { value, done } = await this.answers.next();
    if (done === true) throw new Error(`the process that measures ${what} has ended`);
    return Number(value);
  }

  end(): void {
    this.child.stdin.end();
  }
}
