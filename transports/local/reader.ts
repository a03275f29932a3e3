/**
 * The boundary of: reads and a database that may be closed. Reads are made at once and on this
 * thread: a page is in memory, or one read from the disk away. They see what this process was told
 * is committed, and what another process committed at the latest a turn of the event loop ago.
 */
import { namedFailure, unusable } from "./failures.ts";

export class Reader {
  readonly #path: string;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
  }

  async read<T>(work: () => T): Promise<T> {
    if (this.#closed) throw unusable(this.#path, "it is closed");
    try {
      return work();
    } catch (error) {
      throw await namedFailure(this.#path, error);
    }
  }

  close(): void {
    this.#closed = true;
  }
}
