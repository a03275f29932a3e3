/**
 * The boundary of: the runner and who believes it. An ed25519 key in the data directory, made once,
 * readable by its owner only. What it signs proves that this installation wrote it, no more.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from "node:crypto";
import { linkSync, lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WatchfloorError } from "../machines/errors.ts";

const KEY_FILE = "identity.key";

export interface Identity {
  /** SubjectPublicKeyInfo in base64. */
  readonly publicKey: string;
  /** Signature of a text, in base64. */
  sign(text: string): string;
}

/** The identity of a data directory that exists; made where missing. Throws `identity_unusable`. */
export function loadIdentity(dataDir: string): Identity {
  const path = join(dataDir, KEY_FILE);
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) makeKey(path);
    return identityOf(readKey(path));
  } catch (cause) {
    if (cause instanceof WatchfloorError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code ?? "it is no key";
    throw new WatchfloorError("identity_unusable", { path, why }, { cause });
  }
}

/** Appears whole or not at all, and only once: whoever comes second takes the first one's. */
function makeKey(path: string): void {
  const { privateKey } = generateKeyPairSync("ed25519");
  const aside = `${path}.${process.pid}`;
  writeFileSync(aside, privateKey.export({ type: "pkcs8", format: "pem" }), {
    flag: "wx",
    mode: 0o600,
    flush: true,
  });
  try {
    linkSync(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function readKey(path: string): KeyObject {
  const stats = lstatSync(path);
  const unusable = (why: string): WatchfloorError =>
    new WatchfloorError("identity_unusable", { path, why });
  if (!stats.isFile()) throw unusable("it is no plain file");
  if ((stats.mode & 0o077) !== 0) throw unusable("others may read it; it must have mode 0600");
  const key = createPrivateKey(readFileSync(path));
  if (key.asymmetricKeyType !== "ed25519") throw unusable("it is no ed25519 key");
  return key;
}

function identityOf(key: KeyObject): Identity {
  const publicKey = createPublicKey(key).export({ type: "spki", format: "der" }).toString("base64");
  return { publicKey, sign: (text) => sign(null, Buffer.from(text), key).toString("base64") };
}

/** False for a wrong signature and for a key that is none. */
export function verifySignature(publicKey: string, text: string, signature: string): boolean {
  try {
    const key = createPublicKey({
      key: Buffer.from(publicKey, "base64"),
      type: "spki",
      format: "der",
    });
    if (key.asymmetricKeyType !== "ed25519") return false;
    return verify(null, Buffer.from(text), key, Buffer.from(signature, "base64"));
  } catch {
    return false;
  }
}

/** A key as people compare it: the first 32 hex digits of its sha256. */
export function fingerprint(publicKey: string): string {
  return createHash("sha256").update(Buffer.from(publicKey, "base64")).digest("hex").slice(0, 32);
}
