/**
 * The boundary of: an OPA server's REST API. One kept-alive connection pool; every answer is bounded
 * in bytes and time, and what is no 200 is a failure with the code's own sentence.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { WatchfloorError } from "../machines/errors.ts";
import type { Json, JsonObject } from "../machines/protocol.ts";
import type { Clock } from "./ports.ts";

export interface OpaOptions {
  /** http or https; a path is put before `/v1`. */
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token: string | null;
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, "after">;
}

export interface OpaClient {
  query(path: string, input: JsonObject): Promise<Json>;
  close(): void;
}

const CONNECTIONS_MAX = 32;
const ANSWER_BYTES_MAX = 1024 * 1024;

export function createOpaClient(options: OpaOptions): OpaClient {
  const base = new URL(options.url);
  const secure = base.protocol === "https:";
  const pool = { keepAlive: true, maxSockets: CONNECTIONS_MAX };
  const agent = secure ? new HttpsAgent(pool) : new HttpAgent(pool);
  return {
    query: async (path, input) => {
      const url = new URL(
        `${base.pathname.replace(/\/$/, "")}/v1/data/${path}?provenance=true`,
        base,
      );
      const { status, text } = await exchange(url, agent, JSON.stringify({ input }), options);
      if (status === 200) return parsed(text);
      if (status >= 500 || status === 401 || status === 403 || status === 404)
        throw unreachable(`it answered ${status}`);
      throw new WatchfloorError("policy_failed", { why: `the server answered ${status}` });
    },
    close: () => agent.destroy(),
  };
}

interface Exchanged {
  readonly status: number;
  readonly text: string;
}

function exchange(
  url: URL,
  agent: HttpAgent,
  body: string,
  { token, timeoutMs, clock }: OpaOptions,
): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
      method: "POST",
      agent,
      headers: {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(body),
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      },
    });
    const cancel = clock.after(timeoutMs, () =>
      request.destroy(unreachable(`no answer within ${timeoutMs} ms`)),
    );
    const failed = (cause: Error): void => {
      cancel();
      reject(cause instanceof WatchfloorError ? cause : unreachable(codeOf(cause), cause));
    };
    request.on("error", failed);
    request.on("response", (response) => {
      bodyOf(response).then((text) => {
        cancel();
        resolve({ status: response.statusCode ?? 0, text });
      }, failed);
    });
    request.end(body);
  });
}

function bodyOf(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) response.destroy(unreachable("its answer is too large"));
      else chunks.push(chunk);
    });
    response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    response.on("error", reject);
    response.on("aborted", () => reject(unreachable("the connection broke")));
  });
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new WatchfloorError("policy_failed", { why: "its answer is not JSON" }, { cause });
  }
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? "the connection broke";
}

function unreachable(why: string, cause?: unknown): WatchfloorError {
  return new WatchfloorError("policy_unreachable", { why }, { cause });
}
