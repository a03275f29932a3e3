/**
 * The boundary of: the listener and whoever can reach it. Decides what must be configured before a
 * port is opened, and which requests a browser was tricked into sending.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { WatchfloorError } from "../../machines/errors.ts";

/** Mutual TLS: PEM texts. A client without a certificate of `ca` gets no connection. */
export interface FalcoTls {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

export const EVENTS_PATH = "/falco";
const SECRET_CHARS_MIN = 16;
const SECRET_PATH = /^\/[A-Za-z0-9._~-]{16,256}$/;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i;

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/**
 * @throws WatchfloorError `http_exposed` for a host others can reach without mutual TLS or a secret
 *   path that is long enough; `config_invalid` for a bad secret path on loopback.
 */
export function assertNotExposed(options: {
  readonly host: string;
  readonly tls: FalcoTls | null;
  readonly secretPath: string | null;
}): void {
  const { host, tls, secretPath } = options;
  const secret = secretPath !== null && SECRET_PATH.test(secretPath);
  if (!isLoopback(host) && tls === null && !secret) {
    throw new WatchfloorError("http_exposed", { host });
  }
  if (secretPath !== null && !secret) {
    const rule = `must be / and ${SECRET_CHARS_MIN} to 256 characters of A-Z a-z 0-9 . _ ~ -`;
    throw new WatchfloorError("config_invalid", { origin: "http", field: "secretPath", rule });
  }
}

/** Compares in a time that says nothing of how much was right. */
export function samePath(asked: string, wanted: string): boolean {
  return timingSafeEqual(hashed(asked), hashed(wanted));
}

function hashed(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/**
 * On loopback every page a user's browser opens can send requests here. A page that rebinds its
 * own name to 127.0.0.1 still sends that name as Host; a page that posts across sites sends Origin.
 */
export function refusalOfBrowser(host: string, headers: IncomingHttpHeaders): 403 | 421 | null {
  if (headers.origin !== undefined) return 403;
  const asked = (headers.host ?? "").replace(/:\d+$/, "");
  return isLoopback(asked) || asked === host ? null : 421;
}
