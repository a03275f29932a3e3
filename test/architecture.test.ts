/**
 * The shape of the code, as an ordinary test: who may import whom (type imports included), no
 * cycles, no dead files, and the limits of style that a reader relies on.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "mocha";
import { ERRORS } from "../machines/errors.ts";

const root = resolve(import.meta.dirname, "..");

const LAYERS: Readonly<Record<string, readonly string[]>> = {
  machines: [],
  anomaly: ["machines"],
  policies: ["machines"],
  transports: ["machines"],
  actors: ["machines", "anomaly", "policies", "transports"],
  supervisor: ["machines", "anomaly", "policies", "transports", "actors"],
};

/** Packages a room may import; a room that is not listed may import any dependency. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  machines: ["xstate", "zod", "node:crypto"],
};

/** The one file that actors may take from transports: its types. */
const PORTS = "transports/ports.ts";
const ADAPTER = /^transports\/(?!ports\.ts$|keys\.ts$)/;
const LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

interface SourceFile {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(root, path)).isDirectory())
      return name === "node_modules" ? [] : filesUnder(path);
    return path.endsWith(".ts") ? [path] : [];
  });
}

function read(path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  const specifiers = [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^"';]*?from\s*"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)|(?:^|\n)import\s+"([^"]+)"/g,
    ),
  ];
  const imports = specifiers.map((match) => match[1] ?? match[2] ?? match[3] ?? "");
  return { path, room: path.split("/")[0]!, text, imports };
}

const sources = Object.keys(LAYERS).flatMap((room) => filesUnder(room).map(read));
const byPath = new Map(sources.map((file) => [file.path, file]));

function localTargets(file: SourceFile): string[] {
  return file.imports
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => relative(root, resolve(root, dirname(file.path), specifier)));
}

describe("architecture", () => {
  it("finds every layer", () => {
    for (const room of Object.keys(LAYERS)) {
      assert.ok(
        sources.some((file) => file.room === room),
        `no file in ${room}/`,
      );
    }
  });

  it("lets right import left only, types included", () => {
    const wrong = sources.flatMap((file) =>
      localTargets(file)
        .map((target) => ({ file, target, room: target.split("/")[0]! }))
        .filter(({ room }) => room !== file.room && !LAYERS[file.room]!.includes(room))
        .map(({ target }) => `${file.path} -> ${target}`),
    );
    assert.deepEqual(wrong, []);
  });

  it("lets actors know the ports and no adapter", () => {
    const wrong = sources
      .filter((file) => file.room === "actors")
      .flatMap((file) =>
        localTargets(file)
          .filter((target) => target.startsWith("transports/") && target !== PORTS)
          .map((target) => `${file.path} -> ${target}`),
      );
    assert.deepEqual(wrong, []);
  });

  it("lets the pure runtime know no adapter: only what composes does", () => {
    const runtime =
      /^supervisor\/(admission|apply|assignment|calls|census|chart|commit|flush|history|inlet|lease|limits|line|load|look-ahead|marks|ownership|placement|posting|projection|record|recover|restart|runner|shard|state|timers|turn)\.ts$/;
    const wrong = sources
      .filter((file) => runtime.test(file.path))
      .flatMap((file) =>
        localTargets(file)
          .filter((target) => ADAPTER.test(target))
          .map((target) => `${file.path} -> ${target}`),
      );
    assert.deepEqual(wrong, []);
  });

  it("imports only the packages a room is allowed", () => {
    const wrong = sources.flatMap((file) => {
      const allowed = PACKAGES[file.room];
      return allowed
        ? file.imports
            .filter((name) => !name.startsWith(".") && !allowed.includes(name))
            .map((name) => `${file.path} -> ${name}`)
        : [];
    });
    assert.deepEqual(wrong, []);
  });

  it("has no import cycle", () => {
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path))
        assert.fail([...trail.slice(trail.indexOf(path)), path].join(" -> "));
      if (done.has(path)) return;
      const file = byPath.get(path);
      if (file) for (const target of localTargets(file)) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const file of sources) visit(file.path, []);
  });

  it("opens every file by saying what it is the boundary of", () => {
    const silent = sources
      .filter((file) => !/^(#!.*\n)?\/\*\*/.test(file.text))
      .map((file) => file.path);
    assert.deepEqual(silent, []);
  });

  it("keeps files and functions small", () => {
    const long = sources
      .filter((file) => file.text.split("\n").length > LINES_MAX + 1)
      .map((file) => file.path);
    assert.deepEqual(long, []);
    assert.deepEqual(sources.flatMap(longFunctions), []);
  });

  it("reads real time and chance in one file", () => {
    const wrong = sources
      .filter((file) => file.path !== "transports/clock.ts")
      .filter((file) =>
        /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\brandomUUID\(|\bsetTimeout\(|\bsetInterval\(/.test(
          file.text,
        ),
      )
      .map((file) => file.path);
    assert.deepEqual(wrong, []);
  });

  it("mints the brands where they belong", () => {
    const casts = sources
      .filter((file) => /as (unknown as )?AllowedEffect\b/.test(file.text))
      .map((file) => file.path);
    assert.deepEqual(casts, ["policies/effect.ts"]);
    const scored = sources
      .filter((file) => /as (unknown as )?ScoredEvent\b/.test(file.text))
      .map((file) => file.path);
    assert.deepEqual(
      scored.filter((path) => !path.startsWith("anomaly/")),
      [],
    );
  });

  it("documents every error code in the README, and no other", () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const table = readme.slice(readme.indexOf("## Errors"));
    const documented = [...table.matchAll(/^\| `([a-z_]+)` \|/gm)].map((match) => match[1]!);
    assert.deepEqual(documented.toSorted(), Object.keys(ERRORS).toSorted());
  });
});

/** Top-level functions and methods by their indentation: the formatter keeps it honest. */
function longFunctions(file: SourceFile): string[] {
  const lines = file.text.split("\n");
  const found: string[] = [];
  for (const [start, line] of lines.entries()) {
    const opened =
      /^( {0,2})(?:export )?(?:async )?(?:function\b|(?:static |readonly |async |get |#)*[\w#]+\(.*\).*\{$)/.exec(
        line,
      );
    if (!opened || !line.trimEnd().endsWith("{")) continue;
    const end = lines.findIndex(
      (candidate, index) => index > start && candidate === `${opened[1]}}`,
    );
    if (end - start > FUNCTION_LINES_MAX)
      found.push(`${file.path}:${start + 1} (${end - start} lines)`);
  }
  return found;
}
