/**
 * The boundary of: the built command in a test. Real processes on a folder of their own; whatever is
 * still running when the test ends is killed.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const MAIN = resolve(import.meta.dirname, "../../dist/app/main.js");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Command {
  readonly folder = mkdtempSync(join(tmpdir(), "watchfloor-test-"));
  readonly data = join(this.folder, "data");
  readonly #children = new Set<ChildProcess>();

  /** Runs to its end. `--data` is this folder's. */
  async run(
    args: readonly string[],
    options: { readonly input?: string; readonly env?: Record<string, string> } = {},
  ): Promise<Ended> {
    const child = this.#spawn(args, options.env);
    child.stdin?.end(options.input ?? "");
    const [stdout, stderr] = [collect(child, "stdout"), collect(child, "stderr")];
    const code = await new Promise<number | null>((done) => child.on("close", done));
    return { code, stdout: stdout.text, stderr: stderr.text };
  }

  /** Starts `run` and resolves when it listens. */
  async start(args: readonly string[] = [], env: Record<string, string> = {}): Promise<Running> {
    const child = this.#spawn(["run", "--http", "127.0.0.1:0", ...args], env);
    child.stdin?.end();
    return await Running.of(child);
  }

  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  #spawn(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const data = args[0] === "machine" || args.includes("--data") ? [] : ["--data", this.data];
    const child = spawn(process.execPath, [MAIN, ...args, ...data], {
      cwd: this.folder,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: "pipe",
    });
    this.#children.add(child);
    child.on("close", () => this.#children.delete(child));
    return child;
  }
}

export class Running {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #watchers = new Set<() => void>();
  url = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream! }).on("line", (line) => {
        this.#lines.push(line);
        for (const watch of this.#watchers) watch();
      });
    }
  }

  static async of(child: ChildProcess): Promise<Running> {
    const running = new Running(child);
    const line = await running.until((text) => text.includes("Listening on"));
    running.url = /(https?:\/\/[^:]+:\d+)/.exec(line)![1]!;
    return running;
  }

  get output(): string {
    return this.#lines.join("\n");
  }

  /** The first line that fits, printed already or still to come. */
  until(fits: (line: string) => boolean): Promise<string> {
    return new Promise((found, fail) => {
      const look = (): boolean => {
        const line = this.#lines.find(fits);
        if (line === undefined) return false;
        this.#watchers.delete(look);
        found(line);
        return true;
      };
      if (look()) return;
      this.#watchers.add(look);
      this.#child.on("close", (code) => fail(new Error(`ended with ${code}:\n${this.output}`)));
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Closes the reading end of its standard output; its exit code, or the signal that ended it. */
  unread(): Promise<number | string | null> {
    return new Promise((done) => {
      this.#child.on("close", (code, by) => done(by ?? code));
      this.#child.stdout!.destroy();
    });
  }

  /** Ends it and gives its exit code, or the signal that ended it. */
  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | string | null> {
    return new Promise((done) => {
      this.#child.on("close", (code, by) => done(by ?? code));
      this.#child.kill(signal);
    });
  }
}

function collect(child: ChildProcess, name: "stdout" | "stderr"): { text: string } {
  const collected = { text: "" };
  child[name]?.setEncoding("utf8").on("data", (chunk: string) => (collected.text += chunk));
  return collected;
}

/** JSON lines of a command's stdout. */
export function jsonLines<T>(stdout: string): T[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}
