/**
 * The boundary of: a test and a listener of the inspector. A WebSocket client that keeps what it
 * was told, and waits for conditions instead of time.
 */
import { WebSocket, type ClientOptions } from "ws";

export interface TestClient {
  readonly socket: WebSocket;
  /** Every message, parsed. */
  readonly messages: readonly Record<string, unknown>[];
  /** Resolves when `met` holds of the messages. */
  until(met: (messages: readonly Record<string, unknown>[]) => boolean): Promise<void>;
  /** The close code. */
  readonly closed: Promise<number>;
}

/** Rejects with the status of a refused handshake. */
export function connectClient(port: number, options: ClientOptions = {}): Promise<TestClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, options);
  const messages: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  socket.on("message", (data: Buffer) => {
    messages.push(JSON.parse(data.toString()) as Record<string, unknown>);
    for (const look of waiting) look();
  });
  const closed = new Promise<number>((resolve) => socket.on("close", (code) => resolve(code)));
  const until: TestClient["until"] = (met) =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!met(messages)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return new Promise((resolve, reject) => {
    socket.once("open", () => resolve({ socket, messages, until, closed }));
    socket.once("unexpected-response", (_, { statusCode }) =>
      reject(new Error(String(statusCode))),
    );
    socket.on("error", reject);
  });
}
