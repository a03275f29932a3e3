/**
 * The boundary of: one connection and the few things that are done with it. Every failure leaves as
 * one of ours. Reads wait out a change of leader; writes are tried once, because only who writes
 * knows whether a repeat does harm.
 */
import {
  AckPolicy,
  DeliverPolicy,
  jetstream,
  JetStreamApiCodes,
  jetstreamManager,
  JetStreamApiError,
  type ApiError,
  type JetStreamClient,
  type JetStreamManager,
} from "@nats-io/jetstream";
import {
  connect,
  errors,
  headers as newHeaders,
  type MsgHdrs,
  type NatsConnection,
  type NodeConnectionOptions,
} from "@nats-io/transport-node";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Clock } from "../ports.ts";
import { connectFailure, isUnanswered, isWrongLastSequence, namedFailure } from "./failures.ts";

/** Of the stream, not of the subject; 0 means none. */
export type Sequence = number;

export interface Message {
  readonly subject: string;
  readonly seq: Sequence;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: Uint8Array;
}

export interface PublishOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** The last sequence of the subject; the publish is refused (null) when it is another. */
  readonly expected?: Sequence;
  /** A repeat with the same id within the stream's window is acknowledged and not stored. */
  readonly id?: string;
}

export interface ServerOptions {
  /** One URL, or several separated by commas. */
  readonly url: string;
  readonly clock: Clock;
  /** How the connection is called in `nats server report connections`. */
  readonly name: string;
  readonly credentials: NodeConnectionOptions;
  /** The server refused something that this connection tried. */
  readonly alarm: (error: WatchfloorError) => void;
}

const CONNECT_MS = 3_000;
const REQUEST_MS = 2_000;
/** A leader that was killed is followed by another within 4 to 9 seconds. */
const READ_TRIES_MAX = 6;
const READ_AGAIN_MS = 250;

const SINGLES_MAX = 32;
const FETCH_MAX = 1_000;
const CONSUMER_NANOS = 30_000_000_000;

const EXPECTED_LAST = "Nats-Expected-Last-Subject-Sequence";
const MESSAGE_ID = "Nats-Msg-Id";

export class Server {
  readonly nc: NatsConnection;
  readonly manager: JetStreamManager;
  readonly #js: JetStreamClient;
  readonly #options: ServerOptions;
  readonly url: string;
  /** False while the connection is gone. */
  connected = true;

  private constructor(nc: NatsConnection, manager: JetStreamManager, options: ServerOptions) {
    this.nc = nc;
    this.manager = manager;
    this.#js = jetstream(nc, { timeout: REQUEST_MS });
    this.#options = options;
    this.url = withoutSecrets(options.url);
    void this.#watch();
  }

  /** Errors: `nats_unreachable`, `nats_refused`. */
  static async connect(options: ServerOptions): Promise<Server> {
    const { url, name, credentials } = options;
    try {
      const nc = await connect({
        ...addressOf(url),
        name,
        timeout: CONNECT_MS,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 200,
        reconnectJitter: 100,
        pingInterval: 5_000,
        maxPingOut: 2,
        // A stack captured for each request costs a tenth of all the time.
        noAsyncTraces: true,
        // A credential that was refused may be mended while we wait.
        ignoreAuthErrorAbort: true,
        ...credentials,
      });
      const manager = await jetstreamManager(nc, { timeout: REQUEST_MS, checkAPI: false });
      return new Server(nc, manager, options);
    } catch (error) {
      throw connectFailure(withoutSecrets(url), error);
    }
  }

  get maxPayload(): number {
    return this.nc.info?.max_payload ?? 1024 * 1024;
  }

  /** The message's sequence; null when the subject's last one is not what is expected. */
  async publish(
    subject: string,
    data: Uint8Array,
    { headers = {}, expected, id }: PublishOptions = {},
  ): Promise<Sequence | null> {
    const all: Record<string, string> = { ...headers };
    if (expected !== undefined) all[EXPECTED_LAST] = String(expected);
    if (id !== undefined) all[MESSAGE_ID] = id;
    const bytes = data.length + headerBytes(all);
    if (bytes > this.maxPayload) {
      const why = `it takes ${bytes} bytes, and the server's max_payload is ${this.maxPayload}`;
      throw new WatchfloorError("nats_payload", { target: subject, why });
    }
    try {
      const ack = await this.#js.publish(subject, data, { headers: headersOf(all) });
      return ack.seq;
    } catch (error) {
      if (isWrongLastSequence(error)) return null;
      throw namedFailure({ url: this.url, target: subject }, error);
    }
  }

  /** The newest message on a subject, which may be a wildcard. */
  last(stream: string, subject: string): Promise<Message | null> {
    return this.#read(stream, { last_by_subj: subject });
  }

  /** The first message on a subject or wildcard from a sequence on. */
  next(stream: string, subject: string, from: Sequence): Promise<Message | null> {
    return this.#read(stream, { seq: Math.max(1, from), next_by_subj: subject });
  }

  /**
   * What is on a wildcard, in order. A few are asked for one by one, which leaves nothing on the
   * server; many are delivered to a consumer that goes away with its last message.
   */
  async *scan(stream: string, filter: string): AsyncGenerator<Message> {
    let from = 1;
    for (let n = 0; n < SINGLES_MAX; n += 1) {
      const message = await this.next(stream, filter, from);
      if (message === null) return;
      yield message;
      from = message.seq + 1;
    }
    yield* this.#deliver(stream, filter, from);
  }

  async *#deliver(stream: string, filter: string, from: Sequence): AsyncGenerator<Message> {
    const { name, num_pending: found } = await this.attempt(stream, () =>
      this.manager.consumers.add(stream, {
        filter_subject: filter,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: from,
        ack_policy: AckPolicy.None,
        inactive_threshold: CONSUMER_NANOS,
        mem_storage: true,
        num_replicas: 1,
      }),
    );
    try {
      const consumer = await this.#js.consumers.get(stream, name);
      for (let left = found; left > 0;) {
        const limits = { max_messages: Math.min(left, FETCH_MAX), expires: REQUEST_MS };
        for await (const message of await consumer.fetch(limits)) {
          left = message.info.pending;
          const { subject, seq, data, headers } = message;
          yield { subject, seq, data, headers: recordOf(headers) };
        }
      }
    } finally {
      await this.manager.consumers.delete(stream, name).catch(() => false);
    }
  }

  /** Removes what is on a subject or wildcard strictly below a sequence; without one, everything. */
  async purge(stream: string, subject: string, below?: Sequence): Promise<void> {
    await this.attempt(stream, () =>
      this.manager.streams.purge(stream, {
        filter: subject,
        ...(below === undefined ? {} : { seq: below }),
      }),
    );
  }

  /** Runs a request that may be repeated, until it is answered or was tried often enough. */
  async attempt<T>(target: string, request: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await request();
      } catch (error) {
        const last = attempt >= READ_TRIES_MAX || this.nc.isClosed() || !isUnanswered(error);
        if (last) throw namedFailure({ url: this.url, target }, error);
        await new Promise<void>((resolve) => {
          this.#options.clock.after(READ_AGAIN_MS * attempt, resolve);
        });
      }
    }
  }

  async close(): Promise<void> {
    await this.nc.close();
  }

  /** Answered by the stream's leader alone. The client's own way decodes byte by byte. */
  async #read(stream: string, query: object): Promise<Message | null> {
    const subject = `$JS.API.STREAM.MSG.GET.${stream}`;
    const request = JSON.stringify(query);
    return this.attempt(stream, async () => {
      const reply = await this.nc.request(subject, request, { timeout: REQUEST_MS });
      const { error, message } = JSON.parse(reply.string()) as Stored;
      if (message) return messageOf(message);
      if (error?.err_code === JetStreamApiCodes.NoMessageFound) return null;
      throw new JetStreamApiError(error ?? NO_ANSWER);
    });
  }

  async #watch(): Promise<void> {
    for await (const status of this.nc.status()) {
      const { type } = status;
      if (type === "error") this.#refused(status.error);
      else if (type === "disconnect" || type === "close") this.connected = false;
      else if (type === "reconnect") this.connected = true;
    }
  }

  #refused(error: Error): void {
    if (error instanceof errors.PermissionViolationError)
      this.#options.alarm(namedFailure({ url: this.url, target: error.subject }, error));
  }
}

interface Stored {
  readonly error?: ApiError;
  readonly message?: {
    readonly subject: string;
    readonly seq: number;
    readonly hdrs?: string;
    readonly data?: string;
  };
}

const NO_ANSWER: ApiError = { code: 500, err_code: 0, description: "an answer without a message" };

function messageOf({ subject, seq, hdrs, data }: NonNullable<Stored["message"]>): Message {
  return {
    subject,
    seq,
    headers: hdrs === undefined ? {} : headersIn(Buffer.from(hdrs, "base64").toString("utf8")),
    data: Buffer.from(data ?? "", "base64"),
  };
}

/** `NATS/1.0`, then a line for each. */
function headersIn(text: string): Record<string, string> {
  const record: Record<string, string> = {};
  for (const line of text.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) record[line.slice(0, colon)] = line.slice(colon + 1).trim();
  }
  return record;
}

function headersOf(record: Readonly<Record<string, string>>): MsgHdrs {
  const headers = newHeaders();
  for (const [name, value] of Object.entries(record)) headers.set(name, value);
  return headers;
}

function headerBytes(record: Readonly<Record<string, string>>): number {
  let bytes = 16;
  for (const [name, value] of Object.entries(record)) bytes += name.length + value.length + 4;
  return bytes;
}

function recordOf(headers: MsgHdrs | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  if (headers) for (const name of headers.keys()) record[name] = headers.get(name);
  return record;
}

/** A URL may carry a user and a password; each of several must carry the same. */
function addressOf(url: string): NodeConnectionOptions {
  const urls = url
    .split(",")
    .map((one) => new URL(one.includes("://") ? one.trim() : `nats://${one.trim()}`));
  const [first] = urls;
  const servers = urls.map(({ hostname, port }) => `${hostname}:${port || 4222}`);
  const user = decodeURIComponent(first?.username ?? "");
  const pass = decodeURIComponent(first?.password ?? "");
  if (user === "") return { servers };
  // A lone user name is a token.
  return pass === "" ? { servers, token: user } : { servers, user, pass };
}

function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/@]*@/g, "//");
}
