/**
 * The boundary of: a Kafka topic and the gate's verdict, committed. A real broker and the built command
 * as two processes; one partition, and one core for the command where the machine can pin it. What
 * each of the two used of a processor is read from the kernel.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { systemClock } from "../../../transports/clock.ts";
import { pause } from "../../../supervisor/replay.ts";
import { Broker, locateKafka } from "../../kit/kafka.ts";
import { ROOT } from "./built.ts";
import { parsedLines, sampleLines } from "./events.ts";

const MAIN = join(ROOT, "dist/app/main.js");
const TOPIC = "falco";

export interface KafkaResult {
  readonly events: number;
  readonly perSecond: number;
  /** Processor seconds over wall seconds, while the topic was read. */
  readonly consumerCores: number;
  readonly brokerCores: number;
}

export async function measureKafka(
  events: number,
  say: (line: string) => void,
): Promise<KafkaResult> {
  const jars = locateKafka();
  if (jars === null) throw new Error("no broker can be had here");
  const broker = await Broker.start(jars, { heapMb: 512, fast: true });
  const data = mkdtempSync(join(tmpdir(), "watchfloor-bench-"));
  try {
    await broker.createTopic(TOPIC);
    const lines = sampleLines(3, events);
    await broker.produce(TOPIC, lines, 0);
    const wanted = new Set(parsedLines(lines).map(({ digest }) => digest)).size;
    say(`${wanted} different events lie in the topic; reading them`);
    return await measured(broker, data, wanted);
  } finally {
    await broker.close();
    rmSync(data, { recursive: true, force: true });
  }
}

/** From the first verdicts on, so that neither the start nor the fit of a first model counts. */
async function measured(broker: Broker, data: string, wanted: number): Promise<KafkaResult> {
  const args = ["run", "--kafka", broker.address, "--topic", TOPIC, "--agents", "ingest"];
  const consumer = spawnPinned([...args, "--data", data, "--http", "127.0.0.1:0"]);
  try {
    const url = await urlOf(consumer);
    const cpu = (): number[] => [cpuOf(consumer.pid ?? 0), cpuOf(broker.pid)];
    let done = 0;
    while (done === 0) done = await decided(url);
    const [from, first, before] = [performance.now(), done, cpu()];
    while (done < wanted) {
      await pause(systemClock);
      done = await decided(url);
    }
    const seconds = (performance.now() - from) / 1_000;
    const [own, its] = cpu().map((now, i) => (now - before[i]!) / seconds);
    const perSecond = (done - first) / seconds;
    return { events: done - first, perSecond, consumerCores: own!, brokerCores: its! };
  } finally {
    consumer.kill("SIGKILL");
  }
}

/** On the last core, where the machine can hold a process there. */
function spawnPinned(args: readonly string[]): ChildProcess {
  const node = [process.execPath, MAIN, ...args];
  const pinned = spawnSync("taskset", ["--version"]).status === 0;
  const [file, ...rest] = pinned ? ["taskset", "-c", String(cpus().length - 1), ...node] : node;
  return spawn(file!, rest, { stdio: ["ignore", "pipe", "inherit"] });
}

async function urlOf(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const url = /Listening on (http:\/\/\S+?):? /.exec(line)?.[1];
    if (url !== undefined) {
      child.stdout?.resume();
      return url.replace(/:$/, "");
    }
  }
  throw new Error("the command ended before it listened");
}

/** Events whose verdict is committed. */
async function decided(url: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const counts = page.matchAll(/^watchfloor_events_total\{gate="\w+"\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

const TICKS_PER_SECOND = 100;

/** Processor seconds of a process so far, its threads included; 0 where the kernel does not say. */
function cpuOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}
