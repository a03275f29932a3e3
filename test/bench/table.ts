/** The boundary of: a report and people. */
import type { Cell, Report, Table } from "./suite.ts";

export function asJson(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

export function asText(report: Report): string {
  const setting = Object.entries(report.setting).map(([name, value]) => `${name} ${value}`);
  const bounds = report.bounds.map(
    ({ what, measured, holds }) => `${holds ? "holds   " : "DOES NOT"}  ${what}: ${measured}`,
  );
  const blocks = [setting.join(", "), ...report.tables.map(tableText), bounds.join("\n")];
  return `\n${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function tableText({ title, columns, rows }: Table): string {
  const texts = [columns, ...rows.map((row) => row.map(cellText))];
  const widths = columns.map((_, n) => Math.max(...texts.map((row) => row[n]?.length ?? 0)));
  const lines = texts.map((row) =>
    row
      .map((text, n) => (n === 0 ? text.padEnd(widths[n]!) : text.padStart(widths[n]!)))
      .join("  ")
      .trimEnd(),
  );
  return [title, ...lines].join("\n");
}

function cellText(cell: Cell): string {
  if (cell === null) return "-";
  if (typeof cell === "string") return cell;
  if (!Number.isFinite(cell)) return "-";
  return cell >= 100 ? cell.toFixed(0) : cell.toPrecision(3);
}
