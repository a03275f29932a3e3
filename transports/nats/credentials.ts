/**
 * The boundary of: a folder of credentials and the connections they are for. A role is an agent kind,
 * `edge` for sources and the command line, or `operator`, who makes streams and need not be there once
 * they are made. In development `<role>.nk` is an NKEY seed; in production `<role>.crt` and
 * `<role>.key` are a TLS client certificate, and `ca.crt` says whom to trust. A kind without a file
 * of its own goes by `edge`, which may not do what a kind does.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nkeyAuthenticator, type NodeConnectionOptions } from "@nats-io/transport-node";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Kind } from "../../machines/protocol.ts";

export type Role = Kind | "edge" | "operator";

export interface Credentials {
  readonly credentials: NodeConnectionOptions;
  readonly operator: NodeConnectionOptions | null;
  readonly byKind: ReadonlyMap<Kind, NodeConnectionOptions>;
}

/** Throws `config_unreadable`, naming the file. Null stands for a server that asks for none. */
export function readCredentials(folder: string | null, kinds: readonly Kind[]): Credentials {
  if (folder === null) return { credentials: {}, operator: null, byKind: new Map() };
  const byKind = new Map<Kind, NodeConnectionOptions>();
  for (const kind of kinds) {
    const own = credentialsOf(folder, kind);
    if (own) byKind.set(kind, own);
  }
  const edge = credentialsOf(folder, "edge");
  if (edge) return { credentials: edge, operator: credentialsOf(folder, "operator"), byKind };
  const path = join(folder, "edge.nk");
  throw new WatchfloorError("config_unreadable", { path, why: "there is no such file" });
}

/** Answers come back on subjects that only this role may subscribe to. */
export function inboxPrefix(role: Role): string {
  return `_INBOX_${role}`;
}

function credentialsOf(folder: string, role: Role): NodeConnectionOptions | null {
  const at = (name: string): string => join(folder, name);
  const own = { inboxPrefix: inboxPrefix(role) };
  if (existsSync(at(`${role}.nk`))) {
    const seed = read(at(`${role}.nk`)).trim();
    return { ...own, authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) };
  }
  if (!existsSync(at(`${role}.crt`))) return null;
  const [cert, key, ca] = [`${role}.crt`, `${role}.key`, "ca.crt"].map((name) => read(at(name)));
  return { ...own, tls: { cert: cert ?? "", key: key ?? "", ca: ca ?? "" } };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new WatchfloorError("config_unreadable", { path, why: code ?? "unreadable" }, { cause });
  }
}
