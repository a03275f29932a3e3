/**
 * The boundary of: strace and what reached a disk. Runs the writer under strace and reads, in order,
 * every write to the data file with its bytes, every sync of it, and every word of the writer.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export type DiskEvent =
  /** `durable`: the file was opened so that the write itself waits for the disk (O_DSYNC). */
  | {
      readonly event: "write";
      readonly offset: number;
      readonly bytes: Buffer;
      readonly durable: boolean;
    }
  | { readonly event: "sync" }
  | { readonly event: "said"; readonly line: string };

const CALLS = "openat,lseek,pwrite64,pwritev,write,writev,fdatasync,fsync,msync,ftruncate,mmap";
const STRING_BYTES_MAX = 64 * 1024 * 1024;
const writer = resolve(import.meta.dirname, "writer.ts");

/** Throws where strace is missing or may not trace: without it nothing is known. */
export function traceWriter(folder: string, seed: number, rounds: number): readonly DiskEvent[] {
  const log = join(folder, "trace.txt");
  const strace = ["-f", "-qq", "-y", "-xx", "-s", String(STRING_BYTES_MAX), "-e", `trace=${CALLS}`];
  const node = [process.execPath, "--import", "tsx", writer];
  const data = join(folder, "data");
  const { status, error, stderr } = spawnSync(
    "strace",
    [...strace, "-o", log, ...node, data, String(seed), String(rounds)],
    { encoding: "utf8", maxBuffer: STRING_BYTES_MAX },
  );
  if (error)
    throw new Error(
      `strace is needed for this test (Debian: apt install strace): ${error.message}`,
    );
  if (status !== 0) throw new Error(`the writer failed under strace: ${stderr}`);
  return eventsOf(readFileSync(log, "latin1"), join(data, "data.mdb"));
}

function eventsOf(log: string, file: string): DiskEvent[] {
  const events: DiskEvent[] = [];
  const begun = new Map<string, string>();
  const files: OpenFiles = { durable: new Set(), positions: new Map() };
  for (const line of log.split("\n")) {
    const call = wholeCall(line, begun);
    if (call === null) continue;
    const [, name = "", rest = ""] = /^(\w+)\((.*)$/s.exec(call) ?? [];
    if (name === "openat" && rest.includes(hex(file)) && /O_DSYNC|O_SYNC/.test(rest))
      files.durable.add(/= (\d+)</.exec(rest)?.[1] ?? "");
    else events.push(...eventOf(name, rest, file, files));
  }
  return events;
}

interface OpenFiles {
  /** Descriptors of the data file whose writes wait for the disk themselves. */
  readonly durable: Set<string>;
  /** Where the next write without an offset goes, by descriptor. */
  readonly positions: Map<string, number>;
}

/** A call that another thread interrupted in the log is put together again, where it ended. */
function wholeCall(line: string, begun: Map<string, string>): string | null {
  const [, pid = "", text = ""] = /^(\d+)\s+(.*)$/s.exec(line) ?? [];
  const unfinished = /^(.*) <unfinished \.\.\.>$/s.exec(text);
  if (unfinished) {
    begun.set(pid, unfinished[1] ?? "");
    return null;
  }
  const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(text);
  return resumed ? `${begun.get(pid) ?? ""}${resumed[1] ?? ""}` : text;
}

function eventOf(name: string, rest: string, file: string, files: OpenFiles): DiskEvent[] {
  const [, fd = "", path = ""] = /^(\d+)<([^>]*)>/.exec(rest) ?? [];
  if (name === "write" && fd === "1") return said(rest);
  if (name === "mmap") return mapped(rest, file);
  if (unhex(path) !== file || /= -1 /.test(rest.slice(rest.lastIndexOf(")")))) return [];
  const write = (offset: number, bytes: Buffer): DiskEvent[] => {
    files.positions.set(fd, offset + bytes.length);
    return [{ event: "write", offset, bytes, durable: files.durable.has(fd) }];
  };
  switch (name) {
    case "lseek":
      files.positions.set(fd, Number(/= (\d+)$/.exec(rest)?.[1] ?? 0));
      return [];
    case "pwrite64":
      return write(Number(/, (\d+)\) += /.exec(rest)?.[1]), parts(rest));
    case "pwritev":
      return write(Number(/\], \d+, (\d+)\) += /.exec(rest)?.[1]), parts(rest));
    case "write":
    case "writev":
      return write(files.positions.get(fd) ?? 0, parts(rest));
    case "fdatasync":
    case "fsync":
      return [{ event: "sync" }];
    default:
      // `ftruncate`: growth is made durable by the sync that follows.
      return [];
  }
}

/** A shared mapping for writing would be a hole in this proof: its writes are no calls. */
function mapped(rest: string, file: string): DiskEvent[] {
  if (/PROT_WRITE/.test(rest) && /MAP_SHARED/.test(rest) && rest.includes(`<${hex(file)}>`))
    throw new Error("the data file is mapped for writing: its writes cannot be seen");
  return [];
}

/** The bytes of a write: of its one buffer, or of its parts in order. */
function parts(rest: string): Buffer {
  const data = rest.slice(rest.indexOf(">") + 1);
  return Buffer.concat([...data.matchAll(/"([^"]*)"/g)].map(([, text = ""]) => bytesOf(text)));
}

function said(rest: string): DiskEvent[] {
  const data = /, "([^"]*)"/.exec(rest)?.[1] ?? "";
  const lines = bytesOf(data).toString("utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => ({ event: "said", line }));
}

function bytesOf(escaped: string): Buffer {
  return Buffer.from(escaped.replaceAll("\\x", ""), "hex");
}

function hex(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

function unhex(text: string): string {
  return text.startsWith("\\x") ? bytesOf(text).toString("utf8") : text;
}
