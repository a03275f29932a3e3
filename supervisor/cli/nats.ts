/** The boundary of: `watchfloor nats permissions`. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { ROLES, serverConfig, type Proof } from "../../transports/nats/permissions.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import type { Io } from "./io.ts";

export interface PermissionsOptions {
  readonly seeds?: string;
  readonly certificates?: string;
}

/**
 * Prints a part of the server's configuration. With `--seeds` it makes the seeds that are missing;
 * with `--certificates` each role's certificate carries the name `<role>.<domain>`.
 */
export async function printPermissions(io: Io, options: PermissionsOptions): Promise<void> {
  const { seeds, certificates } = options;
  if ((seeds === undefined) === (certificates === undefined)) {
    const rule = "takes one of --seeds DIR and --certificates DOMAIN";
    throw new WatchfloorError("config_invalid", { origin: "nats permissions", field: "it", rule });
  }
  const folder = seeds === undefined ? null : resolve(io.cwd, seeds);
  const users = ROLES.map((role) => {
    const proof: Proof =
      folder === null
        ? { by: "certificate", name: `${role}.${certificates ?? ""}` }
        : { by: "nkey", publicKey: publicKeyOf(folder, role) };
    return { role, proof };
  });
  await io.write(serverConfig(users));
}

function publicKeyOf(folder: string, role: string): string {
  const path = join(folder, `${role}.nk`);
  try {
    if (!existsSync(path)) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const seed = Buffer.from(nkeys.createUser().getSeed()).toString("utf8");
      writeFileSync(path, `${seed}\n`, { mode: 0o600, flag: "wx" });
    }
    const seed = readFileSync(path, "utf8").trim();
    return nkeys.fromSeed(new TextEncoder().encode(seed)).getPublicKey();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "it is no NKEY seed";
    throw new WatchfloorError("config_unreadable", { path, why: code }, { cause });
  }
}
