/**
 * The boundary of: a command and the runner it is for: the client's end of the control socket.
 */
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { WatchfloorError } from "../machines/errors.ts";
import type { Clock } from "../transports/ports.ts";
import {
  CONTROL_LIMITS,
  PROTOCOL,
  SOCKET,
  socketAddress,
  type ControlRequest,
} from "./control-wire.ts";

const HelloSchema = z.looseObject({
  pid: z.int(),
  nonce: z.string(),
  watchfloor: z.literal(PROTOCOL),
});
const AnswerSchema = z.union([
  z.object({ ok: z.literal(true), result: z.json() }),
  z.object({ ok: z.literal(false), error: z.object({ code: z.string(), message: z.string() }) }),
]);

/** What the runner said; null when no runner answers there. Throws `control_invalid` for anything else. */
export async function askRunner(
  dataDir: string,
  clock: Clock,
  prove: (nonce: string) => void,
  request: ControlRequest,
): Promise<z.output<typeof AnswerSchema> | null> {
  const connection = await openConnection(socketAddress(join(dataDir, SOCKET)), clock);
  if (connection === null) return null;
  try {
    const said = await connection.line();
    if (said === null) throw silent();
    const hello = HelloSchema.safeParse(said);
    if (!hello.success)
      throw new WatchfloorError("control_invalid", { why: "it is of another version" });
    prove(hello.data.nonce);
    connection.socket.write(`${JSON.stringify(request)}\n`);
    const answered = AnswerSchema.safeParse(await connection.line());
    if (!answered.success) throw silent();
    return answered.data;
  } finally {
    connection.socket.destroy();
  }
}

function silent(): WatchfloorError {
  return new WatchfloorError("control_invalid", { why: "it did not answer; try again" });
}

/** Process that answers at a socket; 0 where it does not say, null where nobody answers. */
export async function answeringPid(address: string, clock: Clock): Promise<number | null> {
  const connection = await openConnection(address, clock);
  if (connection === null) return null;
  const hello = HelloSchema.safeParse(await connection.line());
  connection.socket.destroy();
  return hello.success ? hello.data.pid : 0;
}

interface Connection {
  readonly socket: Socket;
  /** The next line as JSON; null when there is none. */
  line(): Promise<unknown>;
}

function openConnection(address: string, clock: Clock): Promise<Connection | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    socket.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") return resolve(null);
      const why = cause.code === "EACCES" ? "it is another user's" : String(cause.code);
      reject(new WatchfloorError("control_invalid", { why }, { cause }));
    });
    socket.once("connect", () => resolve({ socket, line: linesOf(socket, clock) }));
  });
}

function linesOf(socket: Socket, clock: Clock): () => Promise<unknown> {
  let buffered = Buffer.alloc(0);
  let ended = false;
  let wake = (): void => {};
  socket.on("data", (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    if (buffered.length > CONTROL_LIMITS.lineBytesMax) socket.destroy();
    wake();
  });
  for (const name of ["close", "error", "end"] as const) {
    socket.on(name, () => {
      ended = true;
      wake();
    });
  }
  return async () => {
    const cancel = clock.after(CONTROL_LIMITS.answerMs, () => socket.destroy());
    try {
      while (!buffered.includes(0x0a) && !ended)
        await new Promise<void>((resolve) => (wake = resolve));
      const end = buffered.indexOf(0x0a);
      if (end === -1) return null;
      const line = buffered.subarray(0, end).toString("utf8");
      buffered = buffered.subarray(end + 1);
      return parsed(line);
    } finally {
      cancel();
    }
  };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return null;
  }
}
