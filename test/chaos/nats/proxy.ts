/**
 * The boundary of: a runner and a network that fails. Stands between it and the server: passes
 * everything, swallows what the server says, swallows both ways, or drops the connection.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

type Mode = "pass" | "deaf" | "dark";

export class Proxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #mode: Mode = "pass";
  url = "";

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const upstream = connect(port, "127.0.0.1");
      const pair = [client, upstream] as const;
      this.#pairs.add(pair);
      client.on("data", (data) => this.#mode !== "dark" && upstream.write(data));
      upstream.on("data", (data) => this.#mode === "pass" && client.write(data));
      const end = (): void => {
        this.#pairs.delete(pair);
        client.destroy();
        upstream.destroy();
      };
      for (const socket of pair) socket.on("error", end).on("close", end);
    });
  }

  static async before(port: number, account: string): Promise<Proxy> {
    const proxy = new Proxy(port);
    await new Promise<void>((resolve) => void proxy.#server.listen(0, "127.0.0.1", resolve));
    const { port: own } = proxy.#server.address() as AddressInfo;
    proxy.url = `nats://${account}@127.0.0.1:${own}`;
    return proxy;
  }

  /** `deaf`: what the server answers is lost, what it is told arrives. `dark`: nothing passes. */
  turn(mode: Mode): void {
    this.#mode = mode;
  }

  /** Drops every connection; new ones are taken. */
  drop(): void {
    for (const [client, upstream] of this.#pairs) {
      client.destroy();
      upstream.destroy();
    }
  }

  close(): void {
    this.drop();
    this.#server.close();
  }
}
