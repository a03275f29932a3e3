/**
 * The boundary of: the runner and people's commands. A Unix socket in the data directory, mode 0600;
 * one JSON value a line, both ways. Everything is bounded: connections, line length, time.
 *
 * The server speaks first: `{"watchfloor":1,"pid":…,"nonce":…}`. The client proves its user with the
 * nonce (peer.ts), sends one request, gets one answer, and is done.
 */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { z } from "zod";
import { toFailure, WatchfloorError } from "../machines/errors.ts";
import type { Json } from "../machines/protocol.ts";
import type { Person } from "../machines/vocabulary.ts";
import type { ParameterChange } from "../policies/parameters-change.ts";
import type { Clock, Random } from "../transports/ports.ts";
import type { Command } from "./commands.ts";
import { answeringPid } from "./control-client.ts";
import type { ModelOrder } from "./model-orders.ts";
import { CONTROL_LIMITS, PROTOCOL, RequestSchema, SOCKET, socketAddress } from "./control-wire.ts";
import { randomHex } from "./hex.ts";
import { openProofs, provenPerson, removeProof } from "./peer.ts";

export interface ControlOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Resolves when the command is durable. A WatchfloorError is passed on to the person. */
  handle(command: Command, person: Person): Promise<Json>;
  /** Resolves when the change is durable and in force. */
  setParameters(changes: readonly ParameterChange[], why: string, person: Person): Promise<Json>;
  /** Resolves when it is done, or durable for the trainer. */
  orderModel(order: ModelOrder, why: string, person: Person): Promise<Json>;
  status(): Json;
}

export interface Control {
  close(): Promise<void>;
}

/** Throws `data_in_use` where another runner answers there already, `control_invalid`, `data_unusable`. */
export async function startControl(options: ControlOptions): Promise<Control> {
  const path = join(options.dataDir, SOCKET);
  const address = socketAddress(path);
  await replaceStale(options, path, address);
  openProofs(options.dataDir);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(options, socket);
  });
  server.maxConnections = CONTROL_LIMITS.connectionsMax;
  await listenPrivately(server, address, path);
  return {
    close: () =>
      new Promise((resolve) => {
        // Node removes the socket's file with the server.
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** The lock on the data is the transport's; a socket that nobody answers is left over from a kill. */
async function replaceStale(options: ControlOptions, path: string, address: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    throw new WatchfloorError("control_invalid", { why: `${path} is there and is no socket` });
  }
  const pid = await answeringPid(address, options.clock);
  if (pid !== null) throw new WatchfloorError("data_in_use", { path: options.dataDir, pid });
  unlinkSync(path);
}

function listenPrivately(server: Server, address: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(
        new WatchfloorError("control_invalid", { why: `${path} cannot be opened` }, { cause }),
      );
    server.once("error", failed);
    // Bound within this call, so that the socket is never there with another mode.
    const before = process.umask(0o177);
    try {
      server.listen(address, () => {
        server.off("error", failed);
        server.on("error", () => {});
        resolve();
      });
    } finally {
      process.umask(before);
    }
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) chmodSync(path, 0o600);
  });
}

// ---- One connection ----------------------------------------------------------------------------

function serve(options: ControlOptions, socket: Socket): void {
  const nonce = randomHex(options.random, 4);
  const give = (said: object): void => void socket.end(`${JSON.stringify(said)}\n`);
  const refuse = (error: unknown): void => {
    const { code, message } = toFailure(error, "command");
    give({ ok: false, error: { code, message } });
  };
  let cancel = options.clock.after(CONTROL_LIMITS.requestMs, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    cancel();
    removeProof(options.dataDir, nonce);
  });
  onLine(
    socket,
    (line) => {
      cancel();
      cancel = options.clock.after(CONTROL_LIMITS.answerMs, () => socket.destroy());
      answer(options, nonce, line).then(give, refuse);
    },
    refuse,
  );
  socket.write(`${JSON.stringify({ watchfloor: PROTOCOL, pid: process.pid, nonce })}\n`);
}

async function answer(options: ControlOptions, nonce: string, line: string): Promise<object> {
  const request = parsedRequest(line);
  const person = provenPerson(options.dataDir, nonce, request.op === "status" ? null : request.as);
  if (request.op === "status") return { ok: true, result: options.status() };
  if (request.op === "parameters") {
    const { changes, why } = request;
    return { ok: true, result: await options.setParameters(changes, why, person) };
  }
  if (request.op === "model") {
    return { ok: true, result: await options.orderModel(request.order, request.why, person) };
  }
  return { ok: true, result: await options.handle(request.command, person) };
}

function parsedRequest(line: string): z.output<typeof RequestSchema> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new WatchfloorError("control_invalid", { why: "the request is not JSON" }, { cause });
  }
  const parsed = RequestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join(".") ?? "op";
  throw new WatchfloorError("control_invalid", { why: `the request is wrong at ${field || "op"}` });
}

/** The first line of a stream, once; more bytes than a line may have are refused unread. */
function onLine(
  socket: Socket,
  take: (line: string) => void,
  refuse: (error: Error) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const read = (chunk: Buffer): void => {
    const end = chunk.indexOf(0x0a);
    bytes += end === -1 ? chunk.length : end;
    if (bytes > CONTROL_LIMITS.lineBytesMax) {
      socket.off("data", read).resume();
      return refuse(new WatchfloorError("control_invalid", { why: "the line is too long" }));
    }
    chunks.push(end === -1 ? chunk : chunk.subarray(0, end));
    if (end === -1) return;
    socket.off("data", read);
    // What follows is nobody's: it is read and dropped, so that the answer is not reset.
    socket.resume();
    take(Buffer.concat(chunks).toString("utf8"));
  };
  socket.on("data", read);
}
