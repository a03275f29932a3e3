/**
 * The boundary of: what this process knows of keys, and who wrote them. Bounded: what was forgotten
 * is looked up again.
 */
import { WatchfloorError } from "../../machines/errors.ts";
import type { Owner } from "../ports.ts";
import type { Message, Sequence } from "./server.ts";

const KEPT_MAX = 100_000;
const OWNER = "Watchfloor-Owner";

export interface Known {
  readonly seq: Sequence;
  /** Who wrote it, where an owner did. */
  readonly owner: Owner | null;
}

export class Revisions {
  /** Oldest first. */
  readonly #known = new Map<string, Known>();

  get(subject: string): Known | null {
    return this.#known.get(subject) ?? null;
  }

  set(subject: string, known: Known): void {
    this.#known.delete(subject);
    this.#known.set(subject, known);
    if (this.#known.size <= KEPT_MAX) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  forget(subject: string): void {
    this.#known.delete(subject);
  }
}

export function knownOf({ seq, headers }: Message): Known {
  const [shard = "", epoch = ""] = (headers[OWNER] ?? "").split("@");
  return { seq, owner: shard === "" ? null : { shard, epoch: Number(epoch) } };
}

/** `reviewer.0@4711`: the shard and the position of its owner's claim. */
export function ownerHeader({ shard, epoch }: Owner): Record<string, string> {
  return { [OWNER]: `${shard}@${epoch}` };
}

/** Throws `fenced` where a later owner of the same shard wrote what is known. */
export function checkOwner(known: Known | null, { shard, epoch }: Owner): void {
  if (known?.owner?.shard === shard && known.owner.epoch > epoch)
    throw new WatchfloorError("fenced", { shard });
}
