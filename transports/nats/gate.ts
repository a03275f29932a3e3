/**
 * The boundary of: an operation and the connection it goes by. Each agent kind may have a connection
 * of its own, with a credential that allows no more than that kind needs; what no kind does (sources,
 * the command line) goes by the common one. Closing lets what was begun end, and refuses the rest.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Kind } from "../../machines/protocol.ts";
import type { Server } from "./server.ts";

export class Gate {
  readonly common: Server;
  readonly #byKind: ReadonlyMap<Kind, Server>;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  constructor(common: Server, byKind: ReadonlyMap<Kind, Server>) {
    this.common = common;
    this.#byKind = byKind;
  }

  get closed(): boolean {
    return this.#closed;
  }

  serverOf(kind: Kind | null): Server {
    return (kind === null ? undefined : this.#byKind.get(kind)) ?? this.common;
  }

  get servers(): readonly Server[] {
    return [...new Set([this.common, ...this.#byKind.values()])];
  }

  async run<T>(kind: Kind | null, work: (server: Server) => Promise<T>): Promise<T> {
    const server = this.serverOf(kind);
    if (this.#closed)
      throw new WatchfloorError("data_unusable", { path: server.url, why: "it is closed" });
    const running = work(server);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
    await Promise.all(this.servers.map((server) => server.close()));
  }
}
