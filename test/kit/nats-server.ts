/**
 * The boundary of: the tests and real nats-servers. One, or three that are a cluster, on free
 * loopback ports with a store of their own; stopped and removed with `stop`.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { locateTool } from "./tools.ts";

export interface NatsOptions {
  readonly tool?: "nats-server" | "nats-server-2.9";
  readonly servers?: 1 | 3;
  /** Every write on the disk before it is acknowledged; servers from 2.10 on. */
  readonly syncAlways?: boolean;
  /** Further lines of the configuration: authorisation, limits. */
  readonly config?: string;
  readonly jetstream?: boolean;
}

interface Member {
  readonly name: string;
  readonly port: number;
  readonly file: string;
  child: ChildProcess | null;
  log: string[];
}

const PASSWORD = "test";
/** Users `u0`, `u1`, ... each with an account of their own: an empty server for each. */
const ACCOUNTS = 64;

export class NatsServers {
  readonly folder = mkdtempSync(join(tmpdir(), "watchfloor-nats-"));
  readonly members: Member[] = [];
  readonly #options: NatsOptions;
  #accounts = 0;

  private constructor(options: NatsOptions) {
    this.#options = options;
  }

  static async start(options: NatsOptions = {}): Promise<NatsServers> {
    const servers = new NatsServers(options);
    const count = options.servers ?? 1;
    const ports = await freePorts(count * 2);
    for (let n = 0; n < count; n += 1) servers.#configure(n, ports);
    try {
      await Promise.all(servers.members.map((member) => servers.#launch(member)));
      if (options.jetstream !== false) await servers.ready();
      return servers;
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  /** Where all members are reached; `user` is `name:password`. */
  url(user: string | null = null): string {
    const at = user === null ? "" : `${user}@`;
    return this.members.map(({ port }) => `nats://${at}127.0.0.1:${port}`).join(",");
  }

  /** A user whose account nobody has used. */
  account(): string {
    assert.ok(this.#accounts < ACCOUNTS, "all accounts of the server are taken");
    return `u${this.#accounts++}:${PASSWORD}`;
  }

  /** Resolves when JetStream answers, with a leader and all members in a cluster. */
  async ready(): Promise<void> {
    // A server of its own says when it is ready; where a test brings users, ours are unknown.
    if (this.members.length === 1 || this.#options.config !== undefined) return;
    const deadline = Date.now() + 60_000;
    for (;;) {
      if (await this.#hasLeader()) return;
      assert.ok(Date.now() < deadline, `JetStream does not answer:\n${this.log()}`);
      await sleep(50);
    }
  }

  async #hasLeader(): Promise<boolean> {
    const at = this.members.filter(({ child }) => child !== null);
    try {
      const nc = await connect({
        servers: at.map(({ port }) => `127.0.0.1:${port}`),
        reconnect: false,
        timeout: 2_000,
        user: "sys",
        pass: PASSWORD,
      });
      try {
        const reply = await nc.request("$SYS.REQ.SERVER.PING.JSZ", '{"leader_only":true}', {
          timeout: 1_000,
        });
        const { data } = reply.json<{ data: { meta_cluster?: { cluster_size: number } } }>();
        return data.meta_cluster?.cluster_size === this.members.length;
      } finally {
        await nc.close();
      }
    } catch {
      return false;
    }
  }

  log(): string {
    return this.members.map(({ name, log }) => `${name}:\n${log.slice(-30).join("\n")}`).join("\n");
  }

  /** Resolves when the process is gone. */
  async kill(n = 0, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const { child } = this.members[n]!;
    if (child === null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
    this.members[n]!.child = null;
  }

  async restart(n = 0): Promise<void> {
    await this.#launch(this.members[n]!);
  }

  pid(n = 0): number {
    return this.members[n]?.child?.pid ?? assert.fail(`server ${n} does not run`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((_, n) => this.kill(n)));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #configure(n: number, ports: readonly number[]): void {
    const count = ports.length / 2;
    const { config, syncAlways = false, jetstream = true } = this.#options;
    const name = `n${n}`;
    const routes = ports.slice(count).map((port) => `nats://127.0.0.1:${port}`);
    const store = `store_dir: ${JSON.stringify(join(this.folder, name))}`;
    const lines = [
      `server_name: ${name}`,
      `listen: "127.0.0.1:${ports[n]}"`,
      jetstream ? `jetstream { ${store}${syncAlways ? ", sync_interval: always" : ""} }` : "",
      count > 1
        ? `cluster { name: watch, listen: "127.0.0.1:${ports[count + n]}", routes: ${JSON.stringify(routes)} }`
        : "",
      config ?? accounts(jetstream),
    ];
    const file = join(this.folder, `${name}.conf`);
    writeFileSync(file, lines.join("\n"));
    this.members.push({ name, port: ports[n]!, file, child: null, log: [] });
  }

  #launch(member: Member): Promise<void> {
    const binary = locateTool(this.#options.tool ?? "nats-server");
    const child = spawn(binary, ["-c", member.file], { stdio: ["ignore", "ignore", "pipe"] });
    member.child = child;
    member.log = [];
    return new Promise((resolve, reject) => {
      createInterface({ input: child.stderr }).on("line", (line) => {
        member.log.push(line);
        if (line.includes("Server is ready")) resolve();
      });
      child.once("error", reject);
      child.once("exit", (code) =>
        reject(new Error(`nats-server ended with ${code}:\n${member.log.join("\n")}`)),
      );
    });
  }
}

function accounts(jetstream: boolean): string {
  const names = Array.from({ length: ACCOUNTS }, (_, n) => `u${n}`);
  const user = (name: string): string => `users: [{ user: ${name}, password: ${PASSWORD} }]`;
  const own = names.map(
    (name) => `${name} { ${jetstream ? "jetstream: enabled, " : ""}${user(name)} }`,
  );
  return `accounts {\n  SYS { ${user("sys")} }\n  ${own.join("\n  ")}\n}\nsystem_account: SYS`;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map(
      (server) => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve)),
    ),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
