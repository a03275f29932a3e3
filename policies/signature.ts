/**
 * The boundary of: files somebody brings and files we believe. Verifies OPA's `.signatures.json`: one
 * JSON Web Signature over the name and hash of every file of the bundle. Nothing is read twice: what
 * was hashed is what is handed on.
 */
import { createHash, createPublicKey, verify, type KeyObject } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { canonicalJson } from "../machines/digest.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { Json } from "../machines/protocol.ts";

const SIGNATURES = ".signatures.json";
const FILES_MAX = 1_000;
const BYTES_MAX = 64 * 1024 * 1024;

const signatures = z.object({ signatures: z.tuple([z.string().max(1_000_000)]) });
const header = z.object({ alg: z.enum(["RS256", "ES256"]) });
const payload = z.object({
  files: z
    .array(z.object({ name: z.string(), hash: z.string(), algorithm: z.literal("SHA-256") }))
    .max(FILES_MAX),
});

/** The key that each algorithm takes. A header that asks for another is a forgery. */
const KEY_TYPES = { RS256: "rsa", ES256: "ec" } as const;

/** Every file of a folder by its path, all of them signed. Throws `policy_unusable`. */
export function verifiedFiles(directory: string, publicKey: string): ReadonlyMap<string, Buffer> {
  const files = filesOf(directory);
  const signed = files.get(SIGNATURES);
  if (signed === undefined) throw unusable("it is not signed");
  files.delete(SIGNATURES);
  const hashes = signedHashes(signed.toString("utf8"), keyOf(publicKey));
  for (const [name, bytes] of files) {
    const expected = hashes.get(name);
    if (expected === undefined) throw unusable(`${name} is not signed`);
    if (hashOf(name, bytes) !== expected) throw unusable(`${name} is not the file that was signed`);
    hashes.delete(name);
  }
  for (const name of hashes.keys()) throw unusable(`${name} is missing`);
  return files;
}

function filesOf(directory: string): Map<string, Buffer> {
  const names = readdirSync(directory, { recursive: true })
    .map((name) => String(name).replaceAll("\\", "/"))
    // A mounted ConfigMap keeps its versions beside the links to them.
    .filter((name) => !name.startsWith("..") && statSync(join(directory, name)).isFile());
  if (names.length > FILES_MAX) throw unusable(`it has more than ${FILES_MAX} files`);
  let bytes = 0;
  for (const name of names) bytes += statSync(join(directory, name)).size;
  if (bytes > BYTES_MAX) throw unusable(`it has more than ${BYTES_MAX} bytes`);
  return new Map(names.map((name) => [name, readFileSync(join(directory, name))]));
}

function keyOf(publicKey: string): KeyObject {
  try {
    return createPublicKey(publicKey);
  } catch (cause) {
    throw unusable("the key to verify it is no public key in PEM", cause);
  }
}

function signedHashes(text: string, key: KeyObject): Map<string, string> {
  const token = parsed(signatures, text).signatures[0];
  const [head = "", body = "", signature = "", ...more] = token.split(".");
  const { alg } = parsed(header, decoded(head));
  const genuine =
    more.length === 0 &&
    key.asymmetricKeyType === KEY_TYPES[alg] &&
    verify(
      "sha256",
      Buffer.from(`${head}.${body}`),
      { key, dsaEncoding: "ieee-p1363" },
      Buffer.from(signature, "base64url"),
    );
  if (!genuine) throw unusable("it is not signed by the key that is configured");
  const { files } = parsed(payload, decoded(body));
  return new Map(files.map(({ name, hash }) => [name, hash]));
}

function decoded(part: string): string {
  return Buffer.from(part, "base64url").toString("utf8");
}

function parsed<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw unusable(`${SIGNATURES} is not what OPA writes`, cause);
  }
}

/** OPA hashes the content of JSON, whatever its white space, and the bytes of everything else. */
function hashOf(name: string, bytes: Buffer): string {
  const isJson = name === ".manifest" || name.endsWith(".json");
  const content = isJson ? canonicalJson(JSON.parse(bytes.toString("utf8")) as Json) : bytes;
  return createHash("sha256").update(content).digest("hex");
}

function unusable(why: string, cause?: unknown): WatchfloorError {
  return new WatchfloorError("policy_unusable", { why }, { cause });
}
