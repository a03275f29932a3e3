/** The boundary of: what people taught, as the trainer keeps it. One label a case, the newest wins. */
import type { Label } from "./calls.ts";
import type { Json, JsonObject } from "./protocol.ts";

const LABELS_MAX = 1_000;
/** Digests over all labels together, and of one; bounds the record of a turn. */
export const DIGESTS_MAX = 3_000;
const DIGESTS_OF_ONE_MAX = 32;
/** What a label weighs beside its digests, in digests. */
const LABEL_WEIGHT = 3;

/** The labels with one more; the oldest make room. */
export function withLabel(labels: readonly Label[], label: Label): readonly Label[] {
  const kept: Label = { ...label, digests: label.digests.slice(0, DIGESTS_OF_ONE_MAX) };
  const others = labels.filter((known) => known.case !== label.case);
  const all = [...others, kept].slice(-LABELS_MAX);
  let weight = 0;
  const first = all.findLastIndex((known) => (weight += weightOf(known)) > DIGESTS_MAX);
  return all.slice(first + 1);
}

export function weightOf(label: Label): number {
  return label.digests.length + LABEL_WEIGHT;
}

/** Version 1 did not know what asked for a run, nor whether something was taught since. */
export const TRAINER_MIGRATIONS: Readonly<Record<number, (snapshot: Json) => Json>> = {
  1: (snapshot) => {
    const stored = snapshot as JsonObject;
    const context = { ...(stored["context"] as JsonObject), taught: false, why: "" };
    return { ...stored, context };
  },
};
