/**
 * The boundary of: workloads nobody has seen before. Each gets one window of event time in which
 * being new is no reason to wake anyone; a bounded number is remembered.
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";

const WORKLOADS_MAX = 10_000;

export class LearningWindows {
  private readonly known: ReadonlySet<string>;
  private readonly windowMs: number;
  /** Workload -> end of its window, the one seen first first; ended ones stay, they are known now. */
  private readonly untilMs = new Map<string, number>();

  constructor(known: ReadonlySet<string>, windowMs: number) {
    this.known = known;
    this.windowMs = windowMs;
  }

  /** The same windows where other workloads are known from the start. */
  under(known: ReadonlySet<string>): LearningWindows {
    const windows = new LearningWindows(known, this.windowMs);
    for (const [workload, untilMs] of this.untilMs) windows.untilMs.set(workload, untilMs);
    return windows;
  }

  /** Whether the workload is learning at this time, and the window's end if this event starts it. */
  enter(
    workload: string,
    atMs: number,
  ): { readonly learning: boolean; readonly startedUntilMs: number | null } {
    if (this.known.has(workload) || this.windowMs === 0)
      return { learning: false, startedUntilMs: null };
    const until = this.untilMs.get(workload);
    if (until !== undefined) return { learning: atMs < until, startedUntilMs: null };
    if (this.untilMs.size >= WORKLOADS_MAX) {
      this.untilMs.delete(this.untilMs.keys().next().value!);
    }
    this.untilMs.set(workload, atMs + this.windowMs);
    return { learning: true, startedUntilMs: atMs + this.windowMs };
  }

  save(writer: ByteWriter): void {
    writer.texts([...this.untilMs.keys()]);
    for (const until of this.untilMs.values()) writer.f64(until);
  }

  load(reader: ByteReader): void {
    this.untilMs.clear();
    for (const workload of reader.texts()) this.untilMs.set(workload, 0);
    for (const workload of this.untilMs.keys()) this.untilMs.set(workload, reader.f64());
  }
}
