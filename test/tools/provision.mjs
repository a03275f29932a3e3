#!/usr/bin/env node
/**
 * The boundary of: the tests and large tools that are no npm packages. Brings one tool into a user
 * cache outside the tree and prints the path of its binary, or of the directory of its jars:
 *
 *     node test/tools/provision.mjs opa
 *     node test/tools/provision.mjs kafka
 *     node test/tools/provision.mjs nats-server
 *
 * A tool is built by the Go toolchain from the go.mod and go.sum beside this script, or brought by
 * Maven as its pom says, so every file's hash is pinned here; nothing is downloaded that these files
 * do not name.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { provisionMaven } from "./maven.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));

/** One entry a tool; its version stands in `<tool>/go.mod` and nowhere else. */
const TOOLS = {
  opa: {
    module: "github.com/open-policy-agent/opa",
    package: "github.com/open-policy-agent/opa",
    override: "OPA_BIN",
    versionArgs: ["version"],
    versionPattern: /^Version: (\S+)$/m,
  },
  "nats-server": {
    module: "github.com/nats-io/nats-server/v2",
    package: "github.com/nats-io/nats-server/v2",
    override: "NATS_SERVER_BIN",
    versionArgs: ["--version"],
    versionPattern: /v(\d\S*)/,
  },
  // The oldest that is supported.
  "nats-server-2.9": {
    module: "github.com/nats-io/nats-server/v2",
    package: "github.com/nats-io/nats-server/v2",
    override: "NATS_SERVER_OLDEST_BIN",
    versionArgs: ["--version"],
    versionPattern: /v(\d\S*)/,
  },
  nats: {
    module: "github.com/nats-io/natscli",
    package: "github.com/nats-io/natscli/nats",
    override: "NATS_BIN",
    versionArgs: ["--version"],
    versionPattern: /v?(\d+\.\d+\.\d+\S*)/,
  },
  regal: {
    module: "github.com/open-policy-agent/regal",
    package: "github.com/open-policy-agent/regal",
    override: "REGAL_BIN",
    // A module does not know its own version; it is told.
    versionVariable: "github.com/open-policy-agent/regal/pkg/version.Version",
    versionArgs: ["version"],
    versionPattern: /^Version:\s+(\S+)$/m,
  },
};

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

function pinnedVersion(tool) {
  const text = readFileSync(join(HERE, tool, "go.mod"), "utf8");
  const line = text.split("\n").find((one) => one.trim().startsWith(`${TOOLS[tool].module} v`));
  const version = line?.trim().split(/\s+/)[1]?.slice(1);
  return version ?? fail(`test/tools/${tool}/go.mod does not name ${TOOLS[tool].module}.`);
}

function foundVersion(tool, binary) {
  const { versionArgs, versionPattern } = TOOLS[tool];
  const run = spawnSync(binary, versionArgs, { encoding: "utf8" });
  return run.status === 0 ? (versionPattern.exec(run.stdout)?.[1] ?? "unknown") : "none that runs";
}

function checked(tool, binary, wanted) {
  const found = foundVersion(tool, binary);
  if (found === wanted) return binary;
  return fail(`${binary} is not ${tool} ${wanted} (found: ${found}).`);
}

function goVersion() {
  const run = spawnSync("go", ["env", "GOVERSION"], { encoding: "utf8", cwd: HERE });
  return run.status === 0 ? run.stdout.trim() : null;
}

/** Built beside its final place and renamed, so that an interrupted build leaves no half binary. */
function build(tool, version, directory) {
  if (goVersion() === null) {
    fail(
      `${tool} ${version} is missing, and so is the Go toolchain that builds it: install Go 1.26 or ` +
        `newer, or set ${TOOLS[tool].override} to a binary of ${tool} ${version}.`,
    );
  }
  process.stderr.write(`building ${tool} ${version}; the first time takes minutes\n`);
  const unfinished = `${directory}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    const { package: main, versionVariable } = TOOLS[tool];
    const told = versionVariable ? ["-ldflags", `-X ${versionVariable}=${version}`] : [];
    const args = ["build", "-mod=readonly", ...told, "-o", join(unfinished, tool), main];
    execFileSync("go", args, { cwd: join(HERE, tool), stdio: ["ignore", "inherit", "inherit"] });
    checked(tool, join(unfinished, tool), version);
    if (!existsSync(join(directory, tool))) renameSync(unfinished, directory);
  } catch (error) {
    fail(`go could not build ${tool} ${version}: ${error.message}`);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Tools of jars: their version is that of this artifact in `<tool>/pom.xml`. */
const JARS = { kafka: "kafka_2.13" };

function toolCache() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "watchfloor", "tools");
}

function provisionJars(tool) {
  const folder = join(HERE, tool);
  const pom = readFileSync(join(folder, "pom.xml"), "utf8");
  const artifact = pom.slice(pom.indexOf(`<artifactId>${JARS[tool]}</artifactId>`));
  const version = /<version>([^<]+)</.exec(artifact)?.[1] ?? "unknown";
  return provisionMaven({ tool, version, folder, cache: toolCache(), fail });
}

function provision(tool) {
  if (Object.hasOwn(JARS, tool)) return provisionJars(tool);
  if (!Object.hasOwn(TOOLS, tool)) {
    fail(
      `unknown tool ${tool}; known: ${[...Object.keys(TOOLS), ...Object.keys(JARS)].join(", ")}.`,
    );
  }
  const version = pinnedVersion(tool);
  const override = process.env[TOOLS[tool].override];
  if (override) return checked(tool, override, version);
  const directory = join(toolCache(), `${tool}-${version}`);
  const binary = join(directory, tool);
  if (!existsSync(binary)) build(tool, version, directory);
  return checked(tool, binary, version);
}

process.stdout.write(`${provision(process.argv[2] ?? "")}\n`);
