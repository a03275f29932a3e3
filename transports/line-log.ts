/**
 * The boundary of: lines and a folder of files. Appends are durable when they resolve (written and
 * synced; many share one sync), in order, and bounded: a full file makes way for the next, and the
 * oldest are removed.
 */
import { open, readdir, unlink, type FileHandle } from "node:fs/promises";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { WatchfloorError } from "../machines/errors.ts";

export interface LineLogOptions {
  /** Made if it is not there. */
  readonly folder: string;
  /** Files are `<name>.<8 digits>.jsonl`; the highest is the newest. */
  readonly name: string;
  readonly fileBytesMax: number;
  readonly filesMax: number;
  /** The line that every new file starts with. */
  opening(): string;
}

export interface LineLog {
  append(line: string): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  readonly line: string;
  done(): void;
  failed(error: unknown): void;
}

/** A new file for each opening: what a killed process left half written stays as it is. */
export async function openLineLog(options: LineLogOptions): Promise<LineLog> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const log = new Files(options);
  await log.next();
  return log;
}

class Files implements LineLog {
  readonly #options: LineLogOptions;
  #file: FileHandle | null = null;
  #bytes = 0;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;

  constructor(options: LineLogOptions) {
    this.#options = options;
  }

  append(line: string): Promise<void> {
    const appended = new Promise<void>((done, failed) =>
      this.#waiting.push({ line, done, failed }),
    );
    this.#writing ??= this.#drain();
    return appended;
  }

  async close(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    await this.#file?.close();
    this.#file = null;
  }

  async next(): Promise<void> {
    const { folder, name, filesMax } = this.#options;
    const files = await lineFiles(folder, name);
    const last = Number(files.at(-1)?.slice(name.length + 1, name.length + 9) ?? 0);
    await this.#file?.close();
    this.#file = await firstFree(folder, name, last + 1);
    this.#bytes = 0;
    await this.#write(`${this.#options.opening()}\n`);
    for (const old of files.slice(0, Math.max(0, files.length + 1 - filesMax))) {
      await unlink(join(folder, old));
    }
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#bytes >= this.#options.fileBytesMax) await this.next();
        await this.#write(batch.map(({ line }) => `${line}\n`).join(""));
        for (const waiting of batch) waiting.done();
      } catch (cause) {
        const why = (cause as NodeJS.ErrnoException).code ?? "unexpected";
        const error = new WatchfloorError(
          "data_unusable",
          { path: this.#options.folder, why },
          { cause },
        );
        for (const waiting of batch) waiting.failed(error);
      }
    }
    this.#writing = null;
  }

  async #write(text: string): Promise<void> {
    if (this.#file === null) throw new Error("closed");
    await this.#file.appendFile(text);
    await this.#file.datasync();
    this.#bytes += Buffer.byteLength(text);
  }
}

/** Another process may write to the same folder: each file has one writer. */
async function firstFree(folder: string, name: string, from: number): Promise<FileHandle> {
  for (let n = from; ; n += 1) {
    const path = join(folder, `${name}.${String(n).padStart(8, "0")}.jsonl`);
    try {
      return await open(path, "ax", 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** The files of a log, the oldest first. */
export async function lineFiles(folder: string, name: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((file) => file.startsWith(`${name}.`) && file.endsWith(".jsonl")).toSorted();
}
