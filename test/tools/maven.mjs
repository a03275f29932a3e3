/**
 * The boundary of: the tests and tools that are Maven artifacts. The pom beside this script says
 * which; sums.txt has the sha256 of every file, and whatever is not exactly those is refused.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
const JAVA_MIN = 17;

function sums(folder) {
  const lines = readFileSync(join(folder, "sums.txt"), "utf8").trim().split("\n");
  return new Map(lines.map((line) => line.split(/\s+/).toReversed()));
}

/** What is wrong with the files of a directory; null where they are exactly the pinned ones. */
function fault(directory, wanted) {
  const found = existsSync(directory) ? readdirSync(directory) : [];
  const extra = found.find((name) => !wanted.has(name));
  if (extra !== undefined) return `${extra} is not pinned`;
  for (const [name, sum] of wanted) {
    if (!found.includes(name)) return `${name} is missing`;
    const hash = createHash("sha256")
      .update(readFileSync(join(directory, name)))
      .digest("hex");
    if (hash !== sum) return `${name} is not the pinned file`;
  }
  return null;
}

function javaVersion() {
  const run = spawnSync("java", ["-version"], { encoding: "utf8" });
  return run.status === 0 ? Number(/version "(\d+)/.exec(run.stderr)?.[1] ?? 0) : 0;
}

/** The directory of the tool's jars, brought first if need be. */
export function provisionMaven({ tool, version, folder, cache, fail }) {
  if (javaVersion() < JAVA_MIN) {
    fail(`${tool} ${version} needs Java ${JAVA_MIN} or newer on the PATH (a JRE will do).`);
  }
  const wanted = sums(folder);
  const directory = join(cache, `${tool}-${version}`);
  if (fault(directory, wanted) === null) return directory;
  if (spawnSync("mvn", ["--version"]).status !== 0) {
    fail(
      `${tool} ${version} is missing, and so is Maven (mvn) that brings it: install Maven 3.8 or newer.`,
    );
  }
  process.stderr.write(`bringing ${tool} ${version}; the first time takes a minute\n`);
  const unfinished = `${directory}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    const args = ["-q", "-B", "-f", join(folder, "pom.xml"), COPY, "-DincludeScope=runtime"];
    execFileSync("mvn", [...args, `-DoutputDirectory=${unfinished}`], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    const wrong = fault(unfinished, wanted);
    if (wrong !== null) fail(`what Maven brought for ${tool} ${version} is refused: ${wrong}.`);
    rmSync(directory, { recursive: true, force: true });
    renameSync(unfinished, directory);
  } catch (error) {
    fail(`Maven could not bring ${tool} ${version}: ${error.message}`);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return directory;
}
