/**
 * The boundary of: the floor and a person's terminal. Prints notices as they fall and one line of
 * progress; colour and a moving line only where a terminal shows them.
 */
import type { Gate } from "../machines/vocabulary.ts";
import type { Clock, Notice, NoticeSink } from "../transports/ports.ts";
import type { JournalRecord } from "./record.ts";
import type { Observer } from "./runner.ts";

export interface ScreenStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const PROGRESS_MS = 2_000;
const PROGRESS_TTY_MS = 250;
const COLOURS: Readonly<Record<Notice["kind"], number>> = {
  opened: 36,
  verdict: 33,
  performed: 35,
  undone: 35,
  waiting: 31,
  answered: 32,
  closed: 32,
  fault: 31,
  learning: 34,
};

export class Screen implements NoticeSink, Observer {
  readonly #out: ScreenStream;
  readonly #clock: Clock;
  readonly #colour: boolean;
  readonly #gates: Record<string, number> = {};
  readonly #cases = new Set<string>();
  #turns = 0;
  #shown = "";
  #cancel: (() => void) | null = null;

  constructor(out: ScreenStream, clock: Clock, colour: boolean) {
    this.#out = out;
    this.#clock = clock;
    this.#colour = colour && out.isTTY === true;
  }

  say(line: string): void {
    this.#clear();
    this.#out.write(`${line}\n`);
    if (this.#out.isTTY && this.#cancel) this.#draw();
  }

  async deliver(notice: Notice): Promise<void> {
    const [first = "", ...rest] = notice.lines;
    this.say([this.#paint(notice.kind, first), ...rest.map((line) => `    ${line}`)].join("\n"));
  }

  committed(_shard: string, records: readonly JournalRecord[]): void {
    for (const record of records) {
      if (record.r !== "turn") continue;
      this.#turns++;
      for (const outcome of record.outcomes) this.#count(outcome.gate);
      if (record.summary) this.#cases.add(record.summary.case);
    }
  }

  /** Shows progress until `stop`. */
  start(): void {
    if (this.#cancel !== null) return;
    const tick = (): void => {
      if (this.#out.isTTY) this.#draw();
      else this.#print();
      this.#cancel = this.#clock.after(this.#out.isTTY ? PROGRESS_TTY_MS : PROGRESS_MS, tick);
    };
    this.#cancel = this.#clock.after(PROGRESS_TTY_MS, tick);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#clear();
  }

  #count(gate: Gate): void {
    this.#gates[gate] = (this.#gates[gate] ?? 0) + 1;
  }

  #progress(): string {
    const total = Object.values(this.#gates).reduce((sum, n) => sum + n, 0);
    const { screened = 0, forwarded = 0, grouped = 0 } = this.#gates;
    return `… ${total} events, ${screened} screened out, ${forwarded + grouped} to ${this.#cases.size} cases, ${this.#turns} turns`;
  }

  #draw(): void {
    this.#shown = this.#progress();
    this.#out.write(`\r\u001b[2K${this.#shown.slice(0, (this.#out.columns ?? 80) - 1)}`);
  }

  /** Without a terminal each progress is a line of its own, so one that says nothing new is left out. */
  #print(): void {
    const line = this.#progress();
    if (line !== this.#shown && this.#turns > 0) this.#out.write(`${line}\n`);
    this.#shown = line;
  }

  #clear(): void {
    if (this.#out.isTTY && this.#shown) this.#out.write("\r\u001b[2K");
  }

  #paint(kind: Notice["kind"], text: string): string {
    return this.#colour ? `\u001b[${COLOURS[kind]}m${text}\u001b[0m` : text;
  }
}
