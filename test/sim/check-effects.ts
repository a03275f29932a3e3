/** The boundary of: what was done to the world, and what had to be there before. */
import type { Effect, Ledger } from "./ledger.ts";

export function checkEffects(ledger: Ledger): void {
  const byKey = new Map<string, number>();
  const byDecision = new Map<string, number>();
  for (const effect of ledger.effects) {
    count(byKey, effect.key);
    count(byDecision, `${effect.kind} ${effect.decisionId} ${effect.target}`);
    if (effect.kind === "act") checkDecided(ledger, effect);
  }
  for (const [key, times] of byKey)
    if (times > 1) ledger.violate("one effect for each key", `${key}, ${times} times`);
  for (const [decision, times] of byDecision)
    if (times > 1) ledger.violate("one effect for each decision", `${decision}, ${times} times`);
  checkReceipts(ledger);
}

/** The policy allowed it, and the reviewer's word of it was in a journal before it was done. */
function checkDecided(ledger: Ledger, { key, decisionId, at }: Effect): void {
  const verdict = ledger.verdicts.get(decisionId ?? "");
  if (verdict !== "auto_execute")
    ledger.violate("no effect without its verdict", `${key}: ${verdict}`);
  const recorded = ledger.entries.some(
    (entry) =>
      entry.at <= at &&
      entry.record.r === "turn" &&
      entry.record.actor.startsWith("reviewer/") &&
      JSON.stringify(entry.record.outbox).includes(`"${decisionId}"`),
  );
  if (!recorded) ledger.violate("a verdict is recorded before its effect", key);
}

/** Who says that it was done has done it. */
function checkReceipts(ledger: Ledger): void {
  const done = new Set(ledger.effects.map(({ key }) => key));
  for (const [actor, { snapshot }] of ledger.actors) {
    if (!actor.startsWith("remediator/")) continue;
    const context = snapshot?.context as { receipt: { idempotencyKey: string } | null } | undefined;
    const receipt = context?.receipt ?? null;
    if (receipt && !done.has(receipt.idempotencyKey))
      ledger.violate("what is said to be done was done", actor);
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
