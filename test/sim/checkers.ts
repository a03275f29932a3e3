/**
 * The boundary of: a finished run and the rules it must have kept. Judges by the ledger and by what
 * the store holds at the end; knows nothing of how the runtime works. Each rule names itself.
 */
import { checkActors } from "./check-actors.ts";
import { checkEffects } from "./check-effects.ts";
import { checkJournals } from "./check-journals.ts";
import { checkStore } from "./check-store.ts";
import type { Run } from "./ledger.ts";

/** Alarms that say something was lost or cannot be read: here nothing ever may be. */
const ALARMS_NEVER = new Set([
  "sequence_gap",
  "record_unreadable",
  "unknown_version",
  "data_newer",
]);

export async function check(run: Run): Promise<void> {
  const { ledger } = run;
  for (const code of ledger.alarms)
    if (ALARMS_NEVER.has(code)) ledger.violate("no alarm about lost or unreadable data", code);
  checkJournals(ledger);
  checkActors(ledger);
  checkEffects(ledger);
  await checkStore(run);
}
