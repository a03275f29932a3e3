/**
 * The boundary of: who should run what. Pure: the same view gives the same answer to every runner, so
 * nobody has to be asked. Shares follow weights; a shard stays where it is while its runner's share
 * allows; what has no place goes to the runner with room that its name scores highest for
 * (rendezvous), so that a runner that comes or goes moves no more than its own share.
 */
export interface Candidate {
  readonly id: string;
  /** Relative share of the shards; 0 takes none. */
  readonly weight: number;
}

export interface Placed {
  readonly shard: string;
  /** The live runner that has it; null when none has. */
  readonly holder: string | null;
  /** Runners that cannot run it: what is stored there is newer than they are. */
  readonly refusedBy: readonly string[];
}

/** The runner of each shard; null where nobody may take it. */
export function assign(
  shards: readonly Placed[],
  candidates: readonly Candidate[],
): Map<string, string | null> {
  const able = candidates.filter(({ weight }) => weight > 0);
  const room = shares(shards, able);
  const assigned = new Map<string, string | null>();
  for (const { id } of able) {
    const held = shards.filter(({ holder, refusedBy }) => holder === id && !refusedBy.includes(id));
    const best = held.toSorted((a, b) => score(b.shard, id) - score(a.shard, id));
    for (const { shard } of best.slice(0, room.get(id))) {
      assigned.set(shard, id);
      room.set(id, room.get(id)! - 1);
    }
  }
  for (const placed of shards) {
    if (assigned.has(placed.shard)) continue;
    const chosen = homeOf(placed, able, room);
    assigned.set(placed.shard, chosen);
    if (chosen !== null) room.set(chosen, room.get(chosen)! - 1);
  }
  return new Map(shards.map(({ shard }) => [shard, assigned.get(shard) ?? null]));
}

/** Of the runners with room the one of the highest score; where none has room, of all. */
function homeOf(
  { shard, refusedBy }: Placed,
  able: readonly Candidate[],
  room: ReadonlyMap<string, number>,
): string | null {
  const willing = able.filter(({ id }) => !refusedBy.includes(id));
  const roomy = willing.filter(({ id }) => room.get(id)! > 0);
  const [first] = (roomy.length > 0 ? roomy : willing).toSorted(
    (a, b) => score(shard, b.id) - score(shard, a.id),
  );
  return first?.id ?? null;
}

/** Shards each runner has room for: proportional, whole, and all of them together. */
function shares(shards: readonly Placed[], able: readonly Candidate[]): Map<string, number> {
  const total = able.reduce((sum, { weight }) => sum + weight, 0);
  const parts = able.map(({ id, weight }) => {
    const exact = (shards.length * weight) / total;
    const held = shards.filter(({ holder }) => holder === id).length;
    return { id, whole: Math.floor(exact), rest: exact - Math.floor(exact), held };
  });
  const left = shards.length - parts.reduce((sum, { whole }) => sum + whole, 0);
  // One more goes first to who has one more already: nothing moves for the sake of a fraction.
  const ranked = parts.toSorted(
    (a, b) =>
      Number(b.rest > 0 && b.held > b.whole) - Number(a.rest > 0 && a.held > a.whole) ||
      b.rest - a.rest ||
      score("share", b.id) - score("share", a.id),
  );
  return new Map(ranked.map(({ id, whole }, rank) => [id, whole + (rank < left ? 1 : 0)]));
}

/** Of shard and runner together; FNV-1a, mixed, since names differ in their last letters. */
function score(shard: string, runner: string): number {
  const name = `${shard}|${runner}`;
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++)
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
