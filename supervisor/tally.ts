/**
 * The boundary of: a run's counts. They add up: every line read is in exactly one of them.
 */
import type { CaseSummary, Gate, Verdict } from "../machines/vocabulary.ts";
import type { OutcomeLine } from "./fates.ts";

export interface Summary {
  readonly type: "summary";
  /** Lines read: the sum of `gates`. */
  readonly lines: number;
  readonly gates: Readonly<Record<Gate, number>>;
  /** Cases that lines of this run belong to: the sum of `verdicts` and `undecided`. */
  readonly cases: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly undecided: number;
  readonly waiting: readonly string[];
  /** Readings by the analyst in those cases, model or table. */
  readonly analystCalls: number;
  readonly modelTokens: number;
  readonly modelCostMicroUsd: number;
}

export interface CaseSource {
  caseSummaries(ids: readonly string[]): Promise<readonly CaseSummary[]>;
  analystCalls(): number;
}

export class Tally {
  readonly #gates: Record<Gate, number> = {
    screened: 0,
    forwarded: 0,
    grouped: 0,
    duplicate: 0,
    internal: 0,
    rejected: 0,
  };
  readonly #cases = new Set<string>();

  count(line: OutcomeLine): void {
    this.#gates[line.gate]++;
    if (line.case !== null) this.#cases.add(line.case);
  }

  async summary(lines: number, floor: CaseSource): Promise<Summary> {
    const cases = await floor.caseSummaries([...this.#cases]);
    const verdicts: Record<Verdict, number> = { auto_execute: 0, auto_reject: 0, escalate: 0 };
    for (const { verdict } of cases) if (verdict) verdicts[verdict]++;
    return {
      type: "summary",
      lines,
      gates: { ...this.#gates },
      cases: cases.length,
      verdicts,
      undecided: cases.filter((summary) => summary.verdict === null).length,
      waiting: cases
        .filter((summary) => summary.state === "awaiting_human")
        .map((summary) => summary.case),
      analystCalls: floor.analystCalls(),
      modelTokens: cases.reduce(
        (sum, { usage }) => sum + usage.inputTokens + usage.outputTokens,
        0,
      ),
      modelCostMicroUsd: cases.reduce((sum, { usage }) => sum + usage.costMicroUsd, 0),
    };
  }

  /** The same for people. */
  lines(summary: Summary): string[] {
    const { gates, verdicts, waiting } = summary;
    const events = Object.entries(gates)
      .filter(([, n]) => n > 0)
      .map(([gate, n]) => `${n} ${gate}`);
    const [first] = waiting;
    return [
      `${summary.lines} lines read: ${events.join(", ")}.`,
      `${summary.cases} cases: ${verdicts.auto_execute} auto_execute, ${verdicts.auto_reject} auto_reject, ${verdicts.escalate} escalate; ${summary.analystCalls} readings by the analyst.`,
      ...(first
        ? [
            `${waiting.length} wait for a person: watchfloor cases --waiting, then watchfloor case ${first}`,
          ]
        : []),
    ];
  }
}
