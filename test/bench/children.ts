/**
 * The boundary of: rows and their processes. Each measurement runs in a process of its own, alone,
 * so that no row inherits another's heap, warm code or files.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = import.meta.dirname;
export const CHILD = join(folder, "child.ts");
export const LANGGRAPH = join(folder, "peers", "langgraph.mjs");

/** The last line that the child prints, as JSON. Rejects with its standard error where it fails. */
export function inChild<T>(
  script: string,
  spec: object,
  nodeOptions: readonly string[] = [],
): Promise<T> {
  const args = [...nodeOptions, "--import", "tsx", script, JSON.stringify(spec)];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const said = { out: "", err: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said.out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said.err += text));
    child.on("error", reject);
    child.on("close", (code) => {
      const line = said.out.trim().split("\n").at(-1) ?? "";
      if (code === 0 && line !== "") resolve(JSON.parse(line) as T);
      else reject(new Error(`${script} ${JSON.stringify(spec)} ended with ${code}\n${said.err}`));
    });
  });
}

/** Installs the peers from their own lock, once for each lock and each version of Node. */
export function installPeers(say: (line: string) => void): void {
  const lock = readFileSync(join(folder, "package-lock.json"));
  const wanted = `${createHash("sha256").update(lock).digest("hex")} ${process.versions.modules}`;
  const stamp = join(folder, "node_modules", ".installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("Installing the peers (once; a native module is compiled where no build of it is at hand).");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error(`npm ci in ${folder} failed: run it there to see why`);
  writeFileSync(stamp, wanted);
}
