/**
 * The faults, one function each: does it, lets the judge see, and says what was measured. Throws
 * where something does not hold.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Msg } from "@nats-io/transport-node";
import { systemClock, systemRandom } from "../../../transports/clock.ts";
import { openNats } from "../../../transports/nats/index.ts";
import { seededRandom, wholeBetween } from "../../kit/seeded-random.ts";
import { NatsServers } from "../../kit/nats-server.ts";
import { Crew, percentile, type Hand } from "./crew.ts";
import { Proxy } from "./proxy.ts";

export interface Row {
  readonly fault: string;
  readonly times: number;
  readonly jobs: number;
  readonly measured: string;
}

type Random = () => number;
const LEASE_MS = 3_000;

function pick(crew: Crew, random: Random): Hand {
  const hands = [...crew.hands.values()].filter(({ spec }) => crew.heldBy(spec.id).length > 0);
  return hands[wholeBetween(random, 0, hands.length - 1)] ?? assert.fail("nobody holds a shard");
}

async function working(crew: Crew): Promise<void> {
  const held = new Set(crew.commits.map(({ shard }) => shard));
  await crew.until(() => {
    for (const { shard } of crew.commits) held.add(shard);
    return held.size === 8;
  }, "all shards are worked");
}

function spread(ms: readonly number[]): string {
  const [p50, p95] = [percentile(ms, 0.5), percentile(ms, 0.95)];
  return `p50 ${p50} ms, p95 ${p95} ms, max ${Math.max(...ms)} ms`;
}

/** kill -9 under load: the connection is seen closed. */
export async function killed(servers: NatsServers, times: number, seed: number): Promise<Row> {
  const crew = await Crew.gather(servers, 3);
  const random = seededRandom(seed);
  try {
    crew.load();
    const took: number[] = [];
    for (let n = 0; n < times; n += 1) {
      await working(crew);
      await sleep(wholeBetween(random, 50, 400));
      const victim = pick(crew, random);
      const shards = crew.heldBy(victim.spec.id);
      const at = await crew.kill(victim, "SIGKILL");
      took.push(...(await crew.takeovers(victim.spec.id, shards, at)));
      await crew.hire();
    }
    await crew.judge();
    return {
      fault: "kill -9 of a runner",
      times,
      jobs: crew.jobs,
      measured: `goes on after ${spread(took)}`,
    };
  } finally {
    await crew.close();
  }
}

/** SIGSTOP past the lease, take-over, SIGCONT: its connection stays open, so only the lease tells. */
export async function paused(servers: NatsServers, times: number, seed: number): Promise<Row> {
  const crew = await Crew.gather(servers, 3);
  const random = seededRandom(seed);
  try {
    crew.load();
    const took: number[] = [];
    for (let n = 0; n < times; n += 1) {
      await working(crew);
      const victim = pick(crew, random);
      const shards = crew.heldBy(victim.spec.id);
      const at = Date.now();
      victim.child.kill("SIGSTOP");
      took.push(...(await crew.takeovers(victim.spec.id, shards, at)));
      await sleep(wholeBetween(random, 0, 500));
      victim.child.kill("SIGCONT");
      // It finds its lease passed, and takes part again.
      const back = Date.now();
      await crew.until(
        () => crew.commits.some((one) => one.by === victim.spec.id && one.at > back + 100),
        `${victim.spec.id} works again`,
      );
    }
    await crew.judge();
    return {
      fault: "SIGSTOP past the lease",
      times,
      jobs: crew.jobs,
      measured: `goes on after ${spread(took)}`,
    };
  } finally {
    await crew.close();
  }
}

/** SIGTERM of every runner in turn, each replaced before the next. */
export async function rolled(servers: NatsServers, rounds: number): Promise<Row> {
  const crew = await Crew.gather(servers, 3);
  try {
    crew.load();
    const gaps: number[] = [];
    for (let n = 0; n < rounds * 3; n += 1) {
      await working(crew);
      const hand = [...crew.hands.values()].find(({ spec }) => crew.heldBy(spec.id).length > 0)!;
      await crew.hire();
      const shards = crew.heldBy(hand.spec.id);
      const at = await crew.kill(hand, "SIGTERM");
      assert.equal(await hand.exited, 0, "it ends by itself");
      await crew.takeovers(hand.spec.id, shards, at);
      for (const shard of shards) gaps.push(gapAt(crew, shard, hand.spec.id));
    }
    await crew.judge();
    return {
      fault: "SIGTERM, rolling",
      times: rounds * 3,
      jobs: crew.jobs,
      measured: `handed over in ${spread(gaps)}`,
    };
  } finally {
    await crew.close();
  }
}

/** Ms between the last commit of a shard by one runner and the next by another. */
function gapAt(crew: Crew, shard: string, by: string): number {
  const commits = crew.commits.filter((one) => one.shard === shard);
  const last = commits.findLastIndex((one) => one.by === by);
  return (commits[last + 1]?.at ?? Infinity) - (commits[last]?.at ?? 0);
}

/** kill -9 of a server and its restart; of a cluster each member in turn, so its leaders too. */
export async function serverKilled(clustered: boolean, times: number): Promise<Row> {
  const servers = await NatsServers.start({ servers: clustered ? 3 : 1, syncAlways: true });
  const crew = await Crew.gather(servers, 2);
  try {
    crew.load();
    const stalls: number[] = [];
    for (let n = 0; n < times; n += 1) {
      await working(crew);
      await sleep(300);
      const member = n % servers.members.length;
      const at = Date.now();
      await servers.kill(member);
      if (!clustered) await servers.restart(member);
      const before = crew.done;
      await crew.until(() => crew.done > before + 30, "jobs are done again");
      stalls.push(longestGap(crew, at));
      if (clustered) await servers.restart(member);
      if (clustered) await servers.ready();
    }
    await crew.judge();
    const what = clustered ? "kill -9 of each server of a cluster" : "kill -9 of the server";
    return { fault: what, times, jobs: crew.jobs, measured: `stalled for ${spread(stalls)}` };
  } finally {
    await crew.close();
    await servers.stop();
  }
}

function longestGap(crew: Crew, since: number): number {
  const times = [since, ...crew.commits.filter(({ at }) => at >= since).map(({ at }) => at)];
  return Math.max(0, ...times.slice(1).map((at, n) => at - times[n]!));
}

/** A runner behind a network that goes dark, then comes back; and one whose answers are lost. */
export async function cutOff(
  servers: NatsServers,
  mode: "dark" | "deaf",
  times: number,
): Promise<Row> {
  const crew = await Crew.gather(servers, 1);
  const proxy = await Proxy.before(servers.members[0]!.port, crew.account);
  try {
    crew.load();
    const hand = await crew.hire({ url: proxy.url });
    const took: number[] = [];
    for (let n = 0; n < times; n += 1) {
      await crew.until(() => crew.heldBy(hand.spec.id).length > 0, "it has a share");
      const shards = crew.heldBy(hand.spec.id);
      const at = Date.now();
      proxy.turn(mode);
      // Long enough that the lease passes; or only so long that answers are missing.
      if (mode === "dark") took.push(...(await crew.takeovers(hand.spec.id, shards, at)));
      else await sleep(700);
      const late = crew.commits.filter((one) => one.by === hand.spec.id && one.at > at + LEASE_MS);
      assert.deepEqual(late, [], "it steps down before its lease ends");
      proxy.turn("pass");
      proxy.drop();
      const back = Date.now();
      await crew.until(
        () => crew.commits.some((one) => one.by === hand.spec.id && one.at > back),
        "it works again",
      );
    }
    await crew.judge();
    const fault = mode === "dark" ? "runner cut off and back" : "answers of the server are lost";
    const measured =
      mode === "dark" ? `goes on elsewhere after ${spread(took)}` : "nothing doubled or skipped";
    return { fault, times, jobs: crew.jobs, measured };
  } finally {
    proxy.close();
    await crew.close();
  }
}

/** Three claimants of one shard on a cluster whose members are killed meanwhile. */
export async function raced(appends: number): Promise<Row> {
  const servers = await NatsServers.start({ servers: 3 });
  const account = servers.account();
  const claimants = await Promise.all(
    ["a", "b", "c"].map((name) =>
      openNats({
        url: servers.url(account),
        shardCount: 4,
        clock: systemClock,
        random: systemRandom,
        name,
      }),
    ),
  );
  try {
    const acknowledged: string[] = [];
    let running = true;
    const race = async ({ journal }: (typeof claimants)[number], by: number): Promise<void> => {
      for (let n = 0; running; n += 1) {
        const text = `${by}-${n}`;
        try {
          const last = await journal.last("reviewer.0");
          if ((await journal.append("reviewer.0", last, [text])).appended) acknowledged.push(text);
        } catch {
          // Nobody knows: it may be there or not, and must not be counted as acknowledged.
          await sleep(20);
        }
      }
    };
    const racing = claimants.map(race);
    for (let member = 0; acknowledged.length < appends; member = (member + 1) % 3) {
      const before = acknowledged.length;
      await servers.kill(member);
      while (acknowledged.length < before + appends / 6) await sleep(20);
      await servers.restart(member);
      await servers.ready();
    }
    running = false;
    await Promise.all(racing);
    const records = await claimants[0]!.journal.read("reviewer.0", 1, 1_000_000);
    const texts = records.map(({ text }) => text);
    assert.equal(new Set(texts).size, texts.length, "nothing twice");
    const there = new Set(texts);
    const lost = acknowledged.filter((text) => !there.has(text));
    assert.deepEqual(lost, [], "what was acknowledged is there");
    assert.deepEqual(
      records.map(({ position }) => position),
      records.map((_, n) => n + 1),
    );
    const unanswered = texts.length - acknowledged.length;
    return {
      fault: "three claimants, servers killed (R3)",
      times: 3,
      jobs: acknowledged.length,
      measured: `one chain; ${unanswered} landed without an answer`,
    };
  } finally {
    await Promise.all(claimants.map((claimant) => claimant.close()));
    await servers.stop();
  }
}

/** What crossed runners is published again under other ids, as after the server has forgotten them. */
export async function repeated(servers: NatsServers, jobs: number): Promise<Row> {
  const crew = await Crew.gather(servers, 2);
  const [user = "", pass = ""] = crew.account.split(":");
  const nc = await connect({ servers: `127.0.0.1:${servers.members[0]!.port}`, user, pass });
  try {
    const crossed: Msg[] = [];
    nc.subscribe("mbx.*.*.*", {
      callback: (_, message) => {
        if (!message.subject.endsWith(".edge")) crossed.push(message);
      },
    });
    await nc.flush();
    crew.load();
    await crew.until(() => crew.done >= jobs && crossed.length > 0, "envelopes cross runners");
    await crew.rest();
    const times = crossed.length;
    for (const { subject, data } of crossed.slice(0, times)) await nc.request(subject, data);
    await crew.ask();
    await crew.judge();
    return {
      fault: "envelopes delivered again",
      times,
      jobs: crew.jobs,
      measured: "dropped by their senders' sequence",
    };
  } finally {
    await nc.close();
    await crew.close();
  }
}

/** The wall clock of one runner is ten minutes ahead. */
export async function skewed(servers: NatsServers): Promise<Row> {
  const crew = await Crew.gather(servers, 2);
  try {
    crew.load();
    await working(crew);
    const owners = () => [...crew.hands.keys()].map((id) => [id, crew.heldBy(id).length] as const);
    await crew.hire({ skewMs: 600_000 });
    await sleep(4_000);
    const early = owners().filter(([, shards]) => shards === 0);
    await crew.judge();
    assert.ok(early.length <= 1, "nobody lost its shards to a clock");
    return {
      fault: "clock of one runner 10 minutes off",
      times: 1,
      jobs: crew.jobs,
      measured: "no early take-over",
    };
  } finally {
    await crew.close();
  }
}
