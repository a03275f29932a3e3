/**
 * The boundary of: `watchfloor drift`. The last windows of the gate's traffic beside its reference, and
 * which feature moved how far; read of what the runner keeps.
 */
import { STATISTICS, type DriftWindow } from "../../anomaly/index.ts";
import { DRIFT_KEY } from "../drift.ts";
import { openForReading } from "../place.ts";
import { table, timeText } from "../views/text.ts";
import { printJson, printLines, type Session } from "./io.ts";

const BAR_CHARS = 30;

export async function showDrift(session: Session): Promise<void> {
  const transport = await openForReading(session.place, session.io.clock, session.io.random);
  let windows: readonly DriftWindow[];
  try {
    const kept = await transport.store.get("settings", DRIFT_KEY);
    windows = (kept ?? []) as unknown as readonly DriftWindow[];
  } finally {
    await transport.close();
  }
  if (session.json) return printJson(session.io, windows);
  await printLines(session.io, driftLines(windows));
}

export function driftLines(windows: readonly DriftWindow[]): string[] {
  const last = windows.at(-1);
  if (last === undefined) return ["No window is complete yet: each takes an hour of events."];
  const rows = windows
    .slice(-24)
    .map(({ fromMs, events, alerts, psi, page }) => [
      timeText(fromMs),
      String(events),
      `${((alerts / Math.max(1, events)) * 100).toFixed(2)} %`,
      psi === null ? "learning" : (psi.at(-1) ?? 0).toFixed(3),
      page === null ? "" : `${page.causes.join(", ")}: ${page.moved.join(", ")}`,
    ]);
  const lines = table([["WINDOW", "EVENTS", "FORWARDED", "SCORE PSI", "PAGED"], ...rows]);
  const { deviations, cut } = last;
  if (deviations === null || cut === null)
    return [...lines, "", "The reference week is still being learnt."];
  return [...lines, "", ...deviationLines(deviations, cut)];
}

function deviationLines(deviations: readonly number[], cut: number): string[] {
  const scale = BAR_CHARS / Math.max(2 * cut, ...deviations);
  const rows = STATISTICS.map((name, i) => {
    const deviation = Math.max(0, deviations[i] ?? 0);
    const bar = (deviation > cut ? "#" : "=").repeat(Math.round(deviation * scale));
    return [name, deviation.toFixed(2), bar];
  });
  return [
    `last window, in units of the reference's own variation; drift from ${cut.toFixed(2)}`,
    ...table(rows),
  ];
}
