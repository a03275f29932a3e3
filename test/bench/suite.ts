/** The boundary of: a suite of the bench and whoever prints it. Types only. */

export interface BenchOptions {
  readonly json: boolean;
  readonly seconds: number;
  readonly rounds: number;
  /** Rows whose name contains this; empty takes all. */
  readonly only: string;
  readonly peers: boolean;
  /** Whether the rows on NATS are measured: they take real servers. */
  readonly nats: boolean;
}

export type Cell = string | number | null;

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** What was promised of a number, and whether it held. */
export interface Bound {
  readonly what: string;
  readonly measured: string;
  readonly holds: boolean;
}

export interface Report {
  readonly suite: string;
  /** The machine and what else the numbers depend on. */
  readonly setting: Readonly<Record<string, string | number>>;
  readonly tables: readonly Table[];
  readonly bounds: readonly Bound[];
}

export interface Suite {
  run(options: BenchOptions, say: (line: string) => void): Promise<Report>;
}
