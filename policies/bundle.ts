/**
 * The boundary of: the built policy on disk and the process. The policy that ships is what its
 * manifest names, byte for byte, and is trusted as the package is. Any other is a signed bundle, in
 * OPA's layout, so that one folder serves an OPA server and the engine in this process alike.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { WatchfloorError } from "../machines/errors.ts";
import { verifiedFiles } from "./signature.ts";

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

const manifest = z.strictObject({
  /** Digest of the sources below. */
  revision: sha256Hex,
  opaVersion: z.string(),
  entrypoints: z.array(z.string()),
  /** sha256 of each source, by its path under policies/. */
  sources: z.record(z.string(), sha256Hex),
  wasm: sha256Hex,
});

/** OPA's own manifest; what is ours stands in its metadata. */
const opaManifest = z.object({
  revision: z.string().min(1).max(256),
  roots: z.array(z.string()),
  metadata: z.object({ watchfloor: manifest }),
});

export interface PolicyBundle {
  readonly revision: string;
  readonly sources: Readonly<Record<string, string>>;
  readonly entrypoints: readonly string[];
  readonly wasm: Uint8Array<ArrayBuffer>;
}

/** A file of this room: beside this module, or in the source tree that dist/ was built from. */
function roomFile(path: string): string {
  const own = fileURLToPath(new URL(path, import.meta.url));
  return existsSync(own) ? own : fileURLToPath(new URL(`../../policies/${path}`, import.meta.url));
}

/** Where the parameters are that the product ships with. */
export function defaultParametersPath(): string {
  return roomFile("parameters.yaml");
}

/** The policy that ships, or one of the same make. Throws `policy_unusable`. */
export function loadBundle(directory: string = roomFile("bundle")): PolicyBundle {
  return readable(directory, () => {
    const named = checked(manifest, readFileSync(join(directory, "manifest.json"), "utf8"));
    return bundleOf(named, new Uint8Array(readFileSync(join(directory, "policy.wasm"))));
  });
}

/**
 * A bundle in OPA's layout whose every file is signed by the holder of the key. Throws
 * `policy_unusable`, naming what is unsigned, changed, missing or added.
 *
 * @param publicKey PEM
 */
export function loadSignedBundle(directory: string, publicKey: string): PolicyBundle {
  return readable(directory, () => {
    const files = verifiedFiles(directory, publicKey);
    const { metadata, revision } = checked(opaManifest, textOf(files, ".manifest"));
    const bundle = bundleOf(metadata.watchfloor, bytesOf(files, "policy.wasm"));
    if (revision !== bundle.revision) throw unusable("its two revisions differ");
    return bundle;
  });
}

function readable(directory: string, read: () => PolicyBundle): PolicyBundle {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof WatchfloorError) throw cause;
    const why = `${directory} cannot be read`;
    throw new WatchfloorError("policy_unusable", { why }, { cause });
  }
}

function checked<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  const parsed = schema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.map(String).join(".") ?? "";
  throw unusable(`its manifest is invalid at ${field}`);
}

function bundleOf(
  { revision, entrypoints, sources, wasm: expected }: z.output<typeof manifest>,
  wasm: Uint8Array<ArrayBuffer>,
): PolicyBundle {
  if (createHash("sha256").update(wasm).digest("hex") !== expected) {
    throw unusable("policy.wasm is not the file its manifest names");
  }
  return { revision, entrypoints, sources, wasm };
}

function bytesOf(files: ReadonlyMap<string, Buffer>, name: string): Uint8Array<ArrayBuffer> {
  const bytes = files.get(name);
  if (bytes === undefined) throw unusable(`it has no ${name}`);
  return new Uint8Array(bytes);
}

function textOf(files: ReadonlyMap<string, Buffer>, name: string): string {
  return Buffer.from(bytesOf(files, name)).toString("utf8");
}

function unusable(why: string): WatchfloorError {
  return new WatchfloorError("policy_unusable", { why });
}

/** Throws `policy_unusable` where the sources beside a bundle are not those it was built from. */
export function assertBuilt(folder: string, { sources }: PolicyBundle): void {
  for (const [path, expected] of Object.entries(sources)) {
    const file = join(folder, path);
    const found = existsSync(file)
      ? createHash("sha256").update(readFileSync(file)).digest("hex")
      : null;
    if (found === expected) continue;
    throw unusable(`it was built from another ${path}: run npm run policy, or name the bundle`);
  }
}
