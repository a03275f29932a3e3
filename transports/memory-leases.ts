/**
 * The boundary of: the leases of several runners in one process. The registers live on the memory
 * disk, so a change rings for every transport opened on it, and not only for its own.
 */
import type { Json } from "../machines/protocol.ts";
import { compareKeys } from "./keys.ts";
import type { Gate } from "./memory-gate.ts";
import type { Leases, Register, Revision } from "./ports.ts";

interface Listener {
  readonly prefix: string;
  readonly ring: () => void;
}

interface Stored {
  readonly revision: Revision;
  readonly text: string;
}

/** What is on the disk. */
export class Registers {
  readonly listeners = new Set<Listener>();
  readonly #stored = new Map<string, Stored>();
  #revisions: Revision = 0;

  read(key: string): Register | null {
    const stored = this.#stored.get(key);
    return stored === undefined ? null : registerOf(key, stored);
  }

  list(prefix: string): Register[] {
    const found = [...this.#stored].filter(([key]) => key.startsWith(prefix));
    return found
      .toSorted(([a], [b]) => compareKeys(a, b))
      .map(([key, stored]) => registerOf(key, stored));
  }

  write(key: string, expected: Revision, text: string): Revision | null {
    if ((this.#stored.get(key)?.revision ?? 0) !== expected) return null;
    this.#revisions += 1;
    this.#stored.set(key, { revision: this.#revisions, text });
    this.#ring(key);
    return this.#revisions;
  }

  remove(key: string, expected: Revision): boolean {
    if (this.#stored.get(key)?.revision !== expected) return false;
    this.#stored.delete(key);
    this.#ring(key);
    return true;
  }

  #ring(key: string): void {
    for (const listener of this.listeners) if (key.startsWith(listener.prefix)) listener.ring();
  }
}

function registerOf(key: string, { revision, text }: Stored): Register {
  const value: Json = JSON.parse(text);
  return { key, revision, value };
}

export class MemoryLeases implements Leases {
  readonly #registers: Registers;
  readonly #gate: Gate;
  readonly #own = new Set<Listener>();

  constructor(registers: Registers, gate: Gate) {
    this.#registers = registers;
    this.#gate = gate;
  }

  async read(key: string): Promise<Register | null> {
    return this.#gate.read({ port: "leases", method: "read", target: key }, () =>
      this.#registers.read(key),
    );
  }

  async list(prefix: string): Promise<readonly Register[]> {
    return this.#gate.read({ port: "leases", method: "list", target: prefix }, () =>
      this.#registers.list(prefix),
    );
  }

  async write(key: string, expected: Revision, value: Json): Promise<Revision | null> {
    const text = JSON.stringify(value);
    return this.#gate.write({ port: "leases", method: "write", target: key }, () =>
      this.#registers.write(key, expected, text),
    );
  }

  async remove(key: string, expected: Revision): Promise<boolean> {
    return this.#gate.write({ port: "leases", method: "remove", target: key }, () =>
      this.#registers.remove(key, expected),
    );
  }

  subscribe(prefix: string, ring: () => void): () => void {
    const listener = { prefix, ring };
    this.#own.add(listener);
    this.#registers.listeners.add(listener);
    return () => this.#forget(listener);
  }

  close(): void {
    for (const listener of this.#own) this.#forget(listener);
  }

  #forget(listener: Listener): void {
    this.#own.delete(listener);
    this.#registers.listeners.delete(listener);
  }
}
