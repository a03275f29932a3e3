/**
 * The boundary of: agents that ask what happened before and the record of cases. Counts only: no
 * text, and no case of anyone else.
 */
import { z } from "zod";
import { sha256 } from "../../machines/digest.ts";
import type { CaseSummary } from "../../machines/vocabulary.ts";
import type { StateStore, ToolServerSpec } from "../../transports/ports.ts";
import { readTool } from "./define.ts";

/** Cases counted for one answer, the bound of its cost; `complete` says whether it sufficed. */
const CASES_MAX = 1_000;

const InputSchema = z.strictObject({
  entity: z.string().min(1).max(1_024),
  /** The case that asks, which is no earlier one. */
  except: z.string().max(256).nullable(),
});

const count = z.int().nonnegative();

const OutputSchema = z.strictObject({
  cases: count,
  verdicts: z.strictObject({
    auto_execute: count,
    auto_reject: count,
    escalate: count,
    none: count,
  }),
  /** By state of the case. */
  states: z.record(z.string(), count),
  newestAt: z.number().nullable(),
  complete: z.boolean(),
});
export type PastCases = z.output<typeof OutputSchema>;

export function historyServer(store: Pick<StateStore, "list" | "getMany">): ToolServerSpec {
  return {
    name: "history",
    version: "1",
    tools: [
      readTool({
        name: "past_cases",
        description:
          "How many earlier cases an entity had, with which verdicts, and how they stand.",
        input: InputSchema,
        output: OutputSchema,
        handle: ({ entity, except }) => pastCases(store, entity, except),
      }),
    ],
  };
}

/** What the keys of an entity's cases begin with in table `entities`. */
export function entityPrefix(entity: string): string {
  return `${sha256(entity)}/`;
}

async function pastCases(
  store: Pick<StateStore, "list" | "getMany">,
  entity: string,
  except: string | null,
): Promise<PastCases> {
  const prefix = entityPrefix(entity);
  const entries = await store.list("entities", prefix, { limit: CASES_MAX + 1 });
  const ids = entries.map(({ key }) => key.slice(prefix.length)).filter((id) => id !== except);
  const found = await store.getMany("cases", ids);
  const summaries = (found as unknown as (CaseSummary | null)[]).filter((one) => one !== null);
  return counted(summaries, entries.length <= CASES_MAX);
}

function counted(found: readonly CaseSummary[], complete: boolean): PastCases {
  const verdicts = { auto_execute: 0, auto_reject: 0, escalate: 0, none: 0 };
  const states: Record<string, number> = {};
  for (const { verdict, state } of found) {
    verdicts[verdict ?? "none"] += 1;
    states[state] = (states[state] ?? 0) + 1;
  }
  const newestAt = found.reduce<number | null>(
    (newest, { openedAt }) => (newest === null ? openedAt : Math.max(newest, openedAt)),
    null,
  );
  return { cases: found.length, verdicts, states, newestAt, complete };
}
