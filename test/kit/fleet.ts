/**
 * The boundary of: several runners in a test, on one memory disk and one virtual clock. Each has its
 * own transport; `crash` is a killed process, `drain` one that was told to stop.
 */
import type { ToolBinding } from "../../actors/define.ts";
import type { ActorAddress, Json } from "../../machines/protocol.ts";
import { shardOf } from "../../supervisor/placement.ts";
import type { JournalRecord } from "../../supervisor/record.ts";
import { Runner } from "../../supervisor/runner.ts";
import type { MemoryOperation } from "../../transports/memory-gate.ts";
import { MemoryDisk, openMemory } from "../../transports/memory.ts";
import type { Transport } from "../../transports/ports.ts";
import { definitionsWith, edgeEnvelope } from "./floor.ts";
import { seededRandom } from "./seeded-random.ts";
import { virtualClock, type VirtualClock } from "./virtual-clock.ts";

export interface Member {
  readonly id: string;
  readonly runner: Runner;
  readonly transport: Transport;
  readonly records: JournalRecord[];
  readonly alarms: string[];
}

export interface MemberOptions {
  readonly weight?: number;
  readonly work?: Partial<ToolBinding>;
  readonly before?: (operation: MemoryOperation) => Promise<void>;
}

export class Fleet {
  readonly clock: VirtualClock = virtualClock();
  readonly disk = new MemoryDisk();
  readonly members = new Map<string, Member>();
  readonly #edge = openMemory({ clock: this.clock, disk: this.disk });
  #sent = 0;

  /** Starts a runner; it takes its share within the following seconds. */
  async join(id: string, options: MemberOptions = {}): Promise<Member> {
    const { weight = 1, work, before } = options;
    const { clock, disk } = this;
    const transport = openMemory({ clock, disk, shared: true, ...(before ? { before } : {}) });
    const [records, alarms]: [JournalRecord[], string[]] = [[], []];
    const runner = new Runner({
      transport,
      definitions: definitionsWith(work),
      shardCount: 4,
      clock,
      random: seededRandom(1),
      runnerId: id,
      weight,
      observers: [
        {
          committed: (_, committed) => records.push(...committed),
          alarm: (error) => alarms.push(error.code),
        },
      ],
    });
    const member = { id, runner, transport, records, alarms };
    this.members.set(id, member);
    const started = runner.start();
    await clock.advance(500);
    await started;
    return member;
  }

  crash(id: string): void {
    this.members.get(id)?.runner.halt();
    this.members.delete(id);
  }

  /** Shards by the runner that has their title, as the registers say. */
  async owners(kind = "detector"): Promise<Record<string, string | null>> {
    const registers = this.disk.registers.list(`${kind}/shards/`);
    return Object.fromEntries(
      registers.map(({ key, value }) => [
        key.replace("/shards/", "."),
        (value as { runner: string | null }).runner,
      ]),
    );
  }

  async counts(kind = "detector"): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const owner of Object.values(await this.owners(kind)))
      if (owner !== null) counts[owner] = (counts[owner] ?? 0) + 1;
    return counts;
  }

  async send(to: ActorAddress, type: string, data: Json): Promise<void> {
    const envelope = edgeEnvelope(to, type, data, `edge-${++this.#sent}`);
    await this.#edge.mailbox.publish(shardOf(to, 4), [envelope]);
  }

  /** Turns of an actor, whoever took them. */
  turnsOf(actor: ActorAddress): number {
    const records = [...this.members.values()].flatMap((member) => member.records);
    return records.filter((record) => record.r === "turn" && record.actor === actor).length;
  }

  async close(): Promise<void> {
    for (const { runner } of this.members.values()) runner.halt();
    await this.#edge.close();
  }
}
