/**
 * The boundary of: the built policy on disk and the process. What is loaded is what its manifest
 * names, byte for byte.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { WatchfloorError } from "../machines/errors.ts";

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

/** Throws `policy_unusable`. */
export function loadBundle(directory: string = roomFile("bundle")): PolicyBundle {
  try {
    return readBundle(directory);
  } catch (cause) {
    if (cause instanceof WatchfloorError) throw cause;
    const why = `${directory} cannot be read`;
    throw new WatchfloorError("policy_unusable", { why }, { cause });
  }
}

function readBundle(directory: string): PolicyBundle {
  const parsed = manifest.safeParse(
    JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")),
  );
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.map(String).join(".") ?? "";
    throw new WatchfloorError("policy_unusable", { why: `its manifest is invalid at ${field}` });
  }
  const wasm = new Uint8Array(readFileSync(join(directory, "policy.wasm")));
  if (createHash("sha256").update(wasm).digest("hex") !== parsed.data.wasm) {
    throw new WatchfloorError("policy_unusable", {
      why: "policy.wasm is not the file its manifest names",
    });
  }
  const { revision, entrypoints, sources } = parsed.data;
  return { revision, entrypoints, sources, wasm };
}

/** Throws `policy_unusable` where the sources beside a bundle are not those it was built from. */
export function assertBuilt(folder: string, { sources }: PolicyBundle): void {
  for (const [path, expected] of Object.entries(sources)) {
    const file = join(folder, path);
    const found = existsSync(file)
      ? createHash("sha256").update(readFileSync(file)).digest("hex")
      : null;
    if (found === expected) continue;
    const why = `it was built from another ${path}: run npm run policy, or name the bundle itself`;
    throw new WatchfloorError("policy_unusable", { why });
  }
}
