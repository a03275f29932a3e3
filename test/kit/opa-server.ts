/**
 * The boundary of: the tests and a real OPA server. Builds a signed bundle once a process, serves it,
 * and can be killed and started again where it was.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { systemClock } from "../../transports/clock.ts";
import { createOpaClient, type OpaClient } from "../../transports/opa.ts";
import { locateOpa } from "./opa.ts";

const BUILD = resolve(import.meta.dirname, "../tools/build-policy.mjs");
const PATIENCE_MS = 60_000;
const LOOK_MS = 50;

export interface SignedBundle {
  /** In OPA's layout. */
  readonly folder: string;
  /** The same as a server takes it. */
  readonly archive: string;
  readonly keyFile: string;
  readonly publicKey: string;
}

let built: SignedBundle | null = null;

/** Signed by a key that only this process has. Throws where OPA cannot be had. */
export function signedBundle(): SignedBundle {
  if (built !== null) return built;
  if (locateOpa() === null) throw new Error("the policy tests need OPA");
  const scratch = mkdtempSync(join(tmpdir(), "watchfloor-signed-"));
  process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
  const { privateKey, publicKey: pem } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = pem.export({ type: "spki", format: "pem" }).toString();
  const signingKey = join(scratch, "private.pem");
  const keyFile = join(scratch, "public.pem");
  writeFileSync(signingKey, privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
  writeFileSync(keyFile, publicKey);
  const folder = join(scratch, "bundle");
  const args = [BUILD, "--bundle", folder, "--signing-key", signingKey];
  execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  return (built = { folder, archive: `${folder}.tar.gz`, keyFile, publicKey });
}

export class OpaServer {
  readonly #archive: string;
  readonly #keyFile: string;
  readonly url: string;
  readonly client: OpaClient;
  #child: ChildProcess | null = null;

  private constructor(port: number, archive: string, keyFile: string) {
    this.#archive = archive;
    this.#keyFile = keyFile;
    this.url = `http://127.0.0.1:${port}`;
    this.client = createOpaClient({
      url: this.url,
      token: null,
      timeoutMs: 5_000,
      clock: systemClock,
    });
  }

  static async start(archive: string, keyFile: string): Promise<OpaServer> {
    const server = new OpaServer(await freePort(), archive, keyFile);
    await server.run();
    return server;
  }

  /** Resolves when it serves; rejects with what it said if it does not. */
  async run(): Promise<void> {
    const opa = locateOpa() ?? "";
    const args = ["run", "--server", "--addr", new URL(this.url).host, "--bundle", this.#archive];
    const verify = ["--verification-key", this.#keyFile, "--signing-alg", "ES256"];
    const child = spawn(opa, [...args, ...verify, "--skip-version-check", "--log-level", "error"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk) => (said += String(chunk)));
    let ended = false;
    child.once("close", () => (ended = true));
    const giveUpAt = systemClock.steady() + PATIENCE_MS;
    while (!(await isHealthy(this.url))) {
      if (ended || systemClock.steady() > giveUpAt) throw new Error(said);
      await new Promise<void>((wake) => void systemClock.after(LOOK_MS, wake));
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async close(): Promise<void> {
    await this.kill();
    this.client.close();
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health?bundles`)).status === 200;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
