/**
 * The boundary of: many writers and one disk. Group commit: whatever was submitted while the last
 * transaction was on its way to the disk goes into the next, in the order of submission, and is
 * acknowledged when that is on the disk. One transaction is in flight at a time.
 */
import type { Environment } from "./database.ts";
import { diskFull, isSpaceShort, namedFailure, unusable } from "./failures.ts";

/** A transaction is cut here, so that one burst neither fills the memory nor makes others wait. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;

interface Write {
  readonly bytes: number;
  readonly apply: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriterOptions {
  readonly env: Environment;
  readonly path: string;
  /** Taken before each transaction; its result gives it back. Rejecting refuses what waits. */
  readonly hold: () => Promise<() => void>;
}

export class Writer {
  readonly #env: Environment;
  readonly #path: string;
  readonly #hold: () => Promise<() => void>;
  #queue: Write[] = [];
  #draining: Promise<void> | null = null;
  #closed = false;
  /** After a failed commit the next is made on this thread: there a broken database says so, while
   * its background thread would leave us waiting. */
  #careful = false;

  constructor(options: WriterOptions) {
    this.#env = options.env;
    this.#path = options.path;
    this.#hold = options.hold;
  }

  /**
   * Runs `apply` inside a transaction and resolves with its result once that is on the disk.
   * `bytes` is what it adds; 0 for what only frees space, which a full disk does not refuse.
   */
  submit<T>(bytes: number, apply: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(unusable(this.#path, "it is closed"));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ bytes, apply, resolve: resolve as (result: unknown) => void, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Resolves when everything submitted before has been settled. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) await this.#commitBatch();
    this.#draining = null;
  }

  async #commitBatch(): Promise<void> {
    let batch: readonly Write[] = [];
    try {
      // The batch is cut inside the transaction: what arrives while its lock is fetched comes along.
      const results = await this.#transact(() => {
        batch = this.#cutBatch();
        return batch.map((write) => write.apply());
      });
      batch.forEach((write, i) => write.resolve(results[i]));
    } catch (error) {
      const failure = await namedFailure(this.#path, error);
      const refused = batch.length > 0 ? batch : this.#queue.splice(0);
      for (const write of refused) write.reject(failure);
    }
  }

  async #transact(work: () => readonly unknown[]): Promise<readonly unknown[]> {
    const release = await this.#hold();
    try {
      // A child, because only a child takes everything back when `work` throws half way.
      const results = this.#careful
        ? this.#env.transactionSync(work)
        : await this.#env.childTransaction(work);
      this.#careful = false;
      return results;
    } catch (error) {
      this.#careful = true;
      throw error;
    } finally {
      release();
    }
  }

  /** Always takes the first write, however large. */
  #cutBatch(): readonly Write[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.#queue) {
      if (count > 0 && bytes + write.bytes > BATCH_BYTES_MAX) break;
      bytes += write.bytes;
      count += 1;
    }
    const batch = this.#queue.splice(0, count);
    return bytes > 0 && isSpaceShort(this.#path) ? this.#refuseGrowth(batch) : batch;
  }

  #refuseGrowth(batch: readonly Write[]): readonly Write[] {
    for (const write of batch) if (write.bytes > 0) write.reject(diskFull(this.#path));
    return batch.filter((write) => write.bytes === 0);
  }
}
