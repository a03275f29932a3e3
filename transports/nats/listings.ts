/**
 * The boundary of: a listing that is read page by page. A server lists by looking through everything,
 * so what was found for the first page serves the next ones, until somebody here writes.
 */
import type { Table } from "../ports.ts";

interface Entry {
  readonly key: string;
  readonly data: string;
}

export class Listings {
  readonly #kept = new Map<
    Table,
    { readonly prefix: string; readonly entries: readonly Entry[] }
  >();

  of(table: Table, prefix: string): readonly Entry[] | null {
    const kept = this.#kept.get(table);
    return kept?.prefix === prefix ? kept.entries : null;
  }

  keep(table: Table, prefix: string, entries: readonly Entry[]): void {
    this.#kept.set(table, { prefix, entries });
  }

  forget(table: Table): void {
    this.#kept.delete(table);
  }
}
