/**
 * The boundary of: many waiting cases and how they came to be. One real case is worked until it waits
 * for a person; what it left in the state store is written again and again under other ids, so that
 * a hundred thousand of them cost minutes of disk and not hours of work.
 */
import { createHash } from "node:crypto";
import type { ActorAddress, Json } from "../../machines/protocol.ts";
import { composeFloor } from "../../supervisor/compose.ts";
import { loadConfig } from "../../supervisor/config.ts";
import { fitBaseline } from "../../supervisor/baseline.ts";
import { shardOf } from "../../supervisor/placement.ts";
import type { ActorRecord } from "../../supervisor/record.ts";
import { systemClock } from "../../transports/clock.ts";
import { parseFalcoLine } from "../../transports/falco/parse.ts";
import { openMemory } from "../../transports/memory.ts";
import { TABLES, type Put, type StateStore, type Table } from "../../transports/ports.ts";
import { attackLines } from "../../transports/sample/scenarios.ts";
import { SHARDS } from "./watchfloor.ts";

const SEED = 1;
const PUTS_AT_ONCE = 20_000;

/** What one case left, and what a call that is under way looks like. */
export interface Template {
  readonly case: string;
  readonly digest: string;
  readonly entries: readonly {
    readonly table: Table;
    readonly key: string;
    readonly text: string;
  }[];
  /** An actor with a tool call outstanding. */
  readonly calling: { readonly actor: string; readonly text: string };
}

/** Works attacks of the sample day until one waits for a person. */
export async function waitingTemplate(): Promise<Template> {
  const transport = openMemory({ clock: systemClock });
  let calling: Template["calling"] | null = null;
  const config = loadConfig({
    flags: {},
    env: { WATCHFLOOR_TRANSPORT: "memory", WATCHFLOOR_MODE: "enforce" },
    cwd: import.meta.dirname,
    folder: null,
  });
  const floor = await composeFloor(config, {
    transport,
    sink: { deliver: async () => {} },
    observers: [
      {
        committed: (_, records) => {
          for (const record of records) {
            if (record.r !== "turn" || !record.actor.startsWith("analyst/")) continue;
            if (record.record.calls.some(({ kind }) => kind === "tool"))
              calling ??= { actor: record.actor, text: JSON.stringify(record.record) };
          }
        },
      },
    ],
    say: () => {},
    firstModel: async () => fitBaseline(SEED),
  });
  for (const { text } of attackLines(SEED)) {
    const event = parseFalcoLine(text, 1);
    await floor.intake.accept([event], "sample", "bench");
    do await new Promise((resolve) => void setTimeout(resolve, 20));
    while (!floor.runner.idle);
    await floor.runner.flush();
    const [outcome] = await floor.intake.recorded([event.digest]);
    const [summary] = await floor.caseSummaries(outcome?.case ? [outcome.case] : []);
    if (summary?.state !== "awaiting_human" || summary.events !== 1 || calling === null) continue;
    const entries = await entriesOf(transport.store, summary.case, event.digest);
    await floor.close();
    return { case: summary.case, digest: event.digest, entries, calling };
  }
  throw new Error("no attack of the sample day waits for a person");
}

async function entriesOf(
  store: StateStore,
  caseId: string,
  digest: string,
): Promise<Template["entries"]> {
  const entries: { table: Table; key: string; text: string }[] = [];
  for (const table of TABLES) {
    for (const { key, value } of await store.list(table, "")) {
      const text = JSON.stringify(value);
      const own = table === "evidence" || table === "outcomes" ? key === digest : true;
      if (own && (key + text).includes(caseId)) entries.push({ table, key, text });
      else if (table === "evidence" && key === digest) entries.push({ table, key, text });
    }
  }
  return entries;
}

export function caseIdOf(n: number): string {
  return `c-${createHash("sha256").update(`waiting ${n}`).digest("hex").slice(0, 12)}`;
}

/** Writes `waiting` copies of the case, and `calling` actors whose call was begun and has no result. */
export async function seedWaiting(
  store: StateStore,
  template: Template,
  waiting: number,
  calling: number,
): Promise<void> {
  const prefixes = template.entries.filter(({ table }) => table !== "timers");
  let puts: Put[] = [];
  for (let n = 0; n < waiting; n++) {
    const renamed = renaming(template, n);
    for (const { table, key, text } of prefixes)
      puts.push(...copied(table, renamed(key), renamed(text)));
    if (puts.length < PUTS_AT_ONCE) continue;
    await store.write(puts);
    puts = [];
  }
  for (let n = 0; n < calling; n++) {
    const renamed = renaming(template, waiting + n);
    const { actor, text } = template.calling;
    puts.push(...copied("actors", renamed(actor), renamed(text)));
  }
  await store.write(puts);
}

function renaming(template: Template, n: number): (text: string) => string {
  const [caseId, digest] = [caseIdOf(n), createHash("sha256").update(`${n}`).digest("hex")];
  return (text) =>
    text
      .replaceAll(template.case, caseId)
      .replaceAll(template.digest, digest)
      .replaceAll(template.digest.slice(0, 32), digest.slice(0, 32));
}

/** An actor with its entries in the indexes of its shard. */
function copied(table: Table, key: string, text: string): Put[] {
  const value = JSON.parse(text) as Json;
  const puts: Put[] = [{ table, key, value, text }];
  if (table !== "actors") return puts;
  const shard = shardOf(key as ActorAddress, SHARDS);
  const record = value as unknown as ActorRecord;
  for (const { dueAt } of record.timers) {
    const due = String(Math.trunc(dueAt)).padStart(15, "0");
    puts.push({ table: "timers", key: `${shard}/${due}/${key}`, value: 1 });
  }
  if (record.calls.some(({ kind }) => kind === "tool"))
    puts.push({ table: "calls", key: `${shard}/${key}`, value: 1 });
  return puts;
}
