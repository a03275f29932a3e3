/**
 * The boundary of: stored words and a terminal. Nothing that was stored reaches a terminal as
 * control codes, whoever wrote it; colour only where someone sees it.
 */

const PAINTS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type Paint = (colour: keyof typeof PAINTS, text: string) => string;

export function painter(colour: boolean): Paint {
  return (name, text) => (colour ? `\u001b[${PAINTS[name]}m${text}\u001b[0m` : text);
}

const LINE_CHARS_MAX = 400;

/** One line: control characters, line breaks and marks that reorder text are shown as codes. */
export function plain(text: string): string {
  const cut = text.length > LINE_CHARS_MAX ? `${text.slice(0, LINE_CHARS_MAX)}…` : text;
  return cut.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Surrogate}]/gu,
    (mark) => `\\u${(mark.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}

/** `2026-01-05 03:00:00Z` */
export function timeText(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15
    ? new Date(ms).toISOString().replace("T", " ").replace(/\.\d+/, "")
    : "unknown time";
}

/** Columns as wide as their widest cell; the last one ends the line. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
