/**
 * The boundary of: a runtime that is broken on purpose. Each mutation is one fragment of one source
 * file and what it becomes; the whole is copied, the fragment replaced, and the copy simulated until
 * a checker notices. A fragment that is no longer there fails by name: the mutation must be renewed.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { MUTATIONS, type Mutation } from "./mutation-list.ts";
import type { Outcome } from "./world.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const ROOMS = ["machines", "anomaly", "policies", "transports", "actors", "supervisor"];
const OURS = ["test/sim", "test/kit", "package.json", "tsconfig.json"];

export interface Noticed {
  readonly name: string;
  /** The first seed that showed it, counted from the first; null when none did. */
  readonly seed: number | null;
  readonly violation: string;
}

export interface MutationOptions {
  readonly seeds: number;
  /** Of the mutations, those whose name contains this. */
  readonly only: string;
  done?(result: Noticed): void;
}

export async function runMutations(options: MutationOptions): Promise<Noticed[]> {
  const { seeds, only } = options;
  const results: Noticed[] = [];
  for (const mutation of MUTATIONS.filter(({ name }) => name.includes(only))) {
    const result = await noticed(mutation, seeds);
    options.done?.(result);
    results.push(result);
  }
  return results;
}

export async function noticed(mutation: Mutation, seeds: number): Promise<Noticed> {
  const folder = mkdtempSync(join(tmpdir(), "watchfloor-mutant-"));
  try {
    copyTo(folder);
    mutate(folder, mutation);
    const world = pathToFileURL(join(folder, "test/sim/world.ts")).href;
    const mutant = (await import(world)) as { simulate(seed: number): Promise<Outcome> };
    for (let seed = 1; seed <= seeds; seed++) {
      const { violations } = await mutant.simulate(seed);
      if (violations.length > 0) return { name: mutation.name, seed, violation: violations[0]! };
    }
    return { name: mutation.name, seed: null, violation: "" };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every fragment is there, once. */
export function checkFragments(): void {
  for (const mutation of MUTATIONS)
    replaced(mutation, readFileSync(join(ROOT, mutation.file), "utf8"));
}

function copyTo(folder: string): void {
  for (const part of [...ROOMS, ...OURS]) {
    mkdirSync(join(folder, part, ".."), { recursive: true });
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

function mutate(folder: string, mutation: Mutation): void {
  const path = join(folder, mutation.file);
  writeFileSync(path, replaced(mutation, readFileSync(path, "utf8")));
}

function replaced({ name, file, from, to }: Mutation, text: string): string {
  const found = text.split(from).length - 1;
  if (found !== 1) throw new Error(`${name}: its fragment is ${found} times in ${file}, not once`);
  return text.replace(from, () => to);
}
