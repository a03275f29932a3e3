/**
 * The boundary of: a power cut and the disk it leaves. What was synced is there; of what was not, any
 * pages or parts of pages may be there, in any order. Then the store is opened on it and held to
 * everything that had been acknowledged before the cut.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WatchfloorError } from "../../machines/errors.ts";
import { systemClock } from "../../transports/clock.ts";
import { openLocal, type LocalTransport } from "../../transports/local/index.ts";
import type { Random } from "../../transports/ports.ts";
import { recordText, SHARDS } from "./contents.ts";
import type { DiskEvent } from "./trace.ts";

const SECTOR_BYTES = 512;
type Write = DiskEvent & { event: "write" };

/** A disk that keeps what was synced, and loses what it likes of the rest. */
class Disk {
  #bytes = Buffer.alloc(0);
  #unsynced: Write[] = [];

  take(event: DiskEvent): void {
    if (event.event === "sync") {
      for (const write of this.#unsynced) this.#keep(write.offset, write.bytes);
      this.#unsynced = [];
    } else if (event.event === "write") {
      if (event.durable) this.#keep(event.offset, event.bytes);
      else this.#unsynced.push(event);
    }
  }

  /** The bytes after a cut, in the middle of `under` if that is a write. */
  cut(under: DiskEvent | undefined, random: Random, share: number): Buffer {
    const disk = new Disk();
    disk.#bytes = Buffer.from(this.#bytes);
    const open = under?.event === "write" ? [...this.#unsynced, under] : this.#unsynced;
    for (const { offset, bytes } of open) {
      for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
        if (random() < share) disk.#keep(offset + at, bytes.subarray(at, at + SECTOR_BYTES));
      }
    }
    return disk.#bytes;
  }

  #keep(offset: number, bytes: Buffer): void {
    const end = offset + bytes.length;
    if (end > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(end - this.#bytes.length)]);
    bytes.copy(this.#bytes, offset);
  }
}

/** What was acknowledged, and what may be gone because it was trimmed. */
interface Promised {
  readonly bytes: Map<string, number>;
  readonly trimmed: Map<string, number>;
  round: number;
}

function hear(promised: Promised, line: string): void {
  const [word, what, shard = "", last = "0", count = "0", bytes = "0"] = line.split(" ");
  if (word === "trim") promised.trimmed.set(what ?? "", Number(shard));
  else if (what === "state") promised.round = Number(last);
  else
    for (let n = 0; n < Number(count); n++)
      promised.bytes.set(`${shard}/${Number(last) - n}`, Number(bytes));
}

export interface CutOptions {
  readonly folder: string;
  readonly random: Random;
  /** Share of the events at which the power is cut. */
  readonly share: number;
  /** Of an unsynced sector: is it on the disk after all? One of these for each cut. */
  readonly survives: readonly number[];
}

/** Cuts the power at many instants of one history; the number of cuts. Throws where something is lost. */
export async function cutPower(
  events: readonly DiskEvent[],
  options: CutOptions,
): Promise<{ cuts: number; records: number }> {
  const disk = new Disk();
  const promised: Promised = { bytes: new Map(), trimmed: new Map(), round: 0 };
  const counts = { cuts: 0, records: 0 };
  for (const [index, event] of events.entries()) {
    if (options.random() < options.share || index === events.length - 1) {
      const survives = options.survives[counts.cuts % options.survives.length] ?? 0;
      counts.records += await judge(disk.cut(event, options.random, survives), promised, options);
      counts.cuts++;
    }
    disk.take(event);
    if (event.event === "said") hear(promised, event.line);
  }
  return counts;
}

async function judge(bytes: Buffer, promised: Promised, { folder }: CutOptions): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const path = mkdtempSync(join(folder, "cut-"));
  writeFileSync(join(path, "data.mdb"), bytes);
  let transport: LocalTransport | null = null;
  try {
    transport = await openLocal({ path, shardCount: 4, clock: systemClock });
    return await compare(transport, promised);
  } catch (error) {
    // Before the first acknowledgement there may be no database yet, and it says so.
    const early = promised.bytes.size === 0 && error instanceof WatchfloorError;
    if (!early) throw error;
    return 0;
  } finally {
    await transport?.close();
    rmSync(path, { recursive: true, force: true });
  }
}

async function compare(transport: LocalTransport, promised: Promised): Promise<number> {
  let compared = 0;
  for (const shard of SHARDS) {
    const found = await transport.journal.read(shard, 0, 1_000_000);
    const kept = new Map(found.map(({ position, text }) => [position, text]));
    for (const [index, { position }] of found.entries())
      assert.equal(position, found[0]!.position + index, `${shard} has a hole`);
    const below = promised.trimmed.get(shard) ?? 0;
    for (const [place, bytes] of promised.bytes) {
      const [of = "", at = "0"] = place.split("/");
      if (of !== shard || Number(at) < below) continue;
      const wanted = recordText(shard, Number(at), bytes);
      assert.equal(kept.get(Number(at)), wanted, `${place} was acknowledged`);
      compared++;
    }
    for (const [position, text] of kept) assertWritten(shard, position, text);
  }
  const round = (await transport.store.get("settings", "round")) ?? 0;
  assert.ok(Number(round) >= promised.round, "a state write was acknowledged");
  return compared;
}

/** What nobody was told of may be there, but only as it was written. */
function assertWritten(shard: string, position: number, text: string | null): void {
  const { body } = JSON.parse(text ?? "null") as { body: string };
  assert.equal(text, recordText(shard, position, body.length), `${shard}/${position} is damaged`);
}
