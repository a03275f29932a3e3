/**
 * The boundary of: an operation on the memory transport and whatever delays or fails it.
 */
import { WatchfloorError } from "../machines/errors.ts";

/** One use of the transport, named as the method of its port. */
export interface MemoryOperation {
  readonly port: "journal" | "store" | "mailbox" | "leases";
  readonly method: string;
  /** The shard, the table, or the key of a blob or register. */
  readonly target: string;
}

/** Every operation passes here: reads at once, writes in one line. */
export class Gate {
  readonly #before: (operation: MemoryOperation) => Promise<void>;
  #line: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(before: (operation: MemoryOperation) => Promise<void> = async () => {}) {
    this.#before = before;
  }

  async read<T>(operation: MemoryOperation, work: () => T): Promise<T> {
    this.#checkOpen();
    await this.#before(operation);
    return work();
  }

  async write<T>(operation: MemoryOperation, work: () => T): Promise<T> {
    this.#checkOpen();
    const done = this.#line.then(async () => {
      await this.#before(operation);
      return work();
    });
    this.#line = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#line;
  }

  #checkOpen(): void {
    if (this.#closed) {
      throw new WatchfloorError("data_unusable", { path: "memory", why: "it is closed" });
    }
  }
}
