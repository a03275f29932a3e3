/**
 * The boundary of: the `run` command. Brings the floor up, feeds it what was asked for, shows what
 * happens, and takes it down in order.
 *
 * Up: store -> floor -> listeners -> sources. Down, on SIGTERM or SIGINT: listener
 * (no new events), sources, turns in flight, store. A second signal leaves at once: kill -9 is safe.
 */
import { WatchfloorError } from "../machines/errors.ts";
import { systemClock } from "../transports/clock.ts";
import { readLines, type SourceLine } from "../transports/falco/lines.ts";
import { generateSampleDay } from "../transports/sample/day.ts";
import { composeFloor, type Floor } from "./compose.ts";
import { unusedSettings, type Config } from "./config.ts";
import { Fates } from "./fates.ts";
import type { FirstModel } from "./first-model.ts";
import type { Inspection } from "./inspection.ts";
import { pause, replay, type ReplayCounts } from "./replay.ts";
import { Screen } from "./screen.ts";
import { openListeners } from "./serve.ts";
import { Tally } from "./tally.ts";

const RECHECK_MS = 200;
/** Ctrl-C under npm, or `timeout`, sends one wish as two signals; what comes later is meant. */
const SECOND_SIGNAL_MS = 1_000;
const EXIT = { ok: 0, failed: 1, nothingReadable: 2 } as const;
const SAMPLE_DONE = "sample.finished";

/** Runs until it is told to stop, or is idle with `--exit-when-idle`. The exit code. */
export async function runCommand(config: Config, firstModel: FirstModel): Promise<number> {
  const screen = new Screen(process.stdout, systemClock, process.env["NO_COLOR"] === undefined);
  const tally = new Tally();
  const fates = new Fates((line) => {
    tally.count(line);
    if (config.json) printJson(line);
  });
  const inspection = await openInspection(config, screen);
  for (const line of unusedSettings(config)) say(config, screen, line);
  const floor = await composeFloor(config, {
    sink: config.json ? { deliver: async () => {} } : screen,
    observers: [
      screen,
      { committed: (_, records) => fates.observe(records) },
      ...(inspection ? [inspection.observer] : []),
    ],
    say: (line) => say(config, screen, line),
    firstModel,
  });
  const stop = stopSignal(floor);
  try {
    const listeners = await openListeners(config, floor);
    if (!config.json) screen.start();
    const code = await feed({ config, floor, fates, screen, tally, stop });
    await listeners.close();
    return code;
  } finally {
    screen.stop();
    await floor.close();
    await inspection?.close();
  }
}

async function openInspection(config: Config, screen: Screen): Promise<Inspection | null> {
  if (!config.inspect.enabled) return null;
  const { createInspection } = await import("./inspection.ts");
  const inspection = await createInspection({
    host: "127.0.0.1",
    port: config.inspect.port,
    clock: systemClock,
  });
  say(config, screen, inspection.announcement);
  return inspection;
}

function say(config: Config, screen: Screen, line: string): void {
  if (config.json) process.stderr.write(`${line}\n`);
  else screen.say(line);
}

function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

// ---- Stopping ----------------------------------------------------------------------------------

interface Stop {
  readonly asked: boolean;
  readonly done: Promise<void>;
}

function stopSignal(floor: Floor): Stop {
  const state = { asked: false };
  const done = new Promise<void>((resolve) => {
    let askedAt = 0;
    const stop = (): void => {
      state.asked = true;
      askedAt = systemClock.steady();
      resolve();
    };
    const ask = (): void => {
      if (!state.asked) stop();
      // Not by `process.exit`: it joins the threads of the embedded store, and one of them may wait for this one.
      else if (systemClock.steady() - askedAt >= SECOND_SIGNAL_MS)
        process.kill(process.pid, "SIGKILL");
    };
    process.on("SIGINT", ask);
    process.on("SIGTERM", ask);
    floor.lost.then(stop, stop);
  });
  return {
    get asked() {
      return state.asked;
    },
    done,
  };
}

// ---- Sources -----------------------------------------------------------------------------------

interface Run {
  readonly config: Config;
  readonly floor: Floor;
  readonly fates: Fates;
  readonly screen: Screen;
  readonly tally: Tally;
  readonly stop: Stop;
}

async function feed(run: Run): Promise<number> {
  const { config, floor, fates, screen, stop } = run;
  const endChecking = keepChecking(floor, fates);
  try {
    const source = await chooseSource(config, floor);
    const code = source ? await replayed(run, source) : EXIT.ok;
    if (config.exitWhenIdle || code !== EXIT.ok) {
      await untilIdle(floor, stop);
      return floor.failed ? EXIT.failed : code;
    }
    if (!config.json) screen.start();
    await stop.done;
    return floor.failed ? EXIT.failed : EXIT.ok;
  } finally {
    endChecking();
  }
}

async function replayed(run: Run, { lines, origin }: ChosenSource): Promise<number> {
  const { config, floor, fates, screen, stop } = run;
  const counts = await replay(lines, {
    intake: floor.intake,
    fates,
    clock: systemClock,
    origin,
    stopped: () => stop.asked,
    caseSummaries: (ids) => floor.caseSummaries(ids),
  });
  while (fates.pending > 0 && !stop.asked) await pause(systemClock);
  await untilIdle(floor, stop);
  screen.stop();
  if (stop.asked) return EXIT.ok;
  if (origin === "sample") await floor.setSetting(SAMPLE_DONE, config.sampleSeed);
  await report(run, counts);
  return exitCode(config, counts);
}

interface ChosenSource {
  readonly lines: AsyncIterable<SourceLine> | Iterable<SourceLine>;
  readonly origin: "sample" | "live";
}

async function chooseSource(config: Config, floor: Floor): Promise<ChosenSource | null> {
  if (config.replay !== null) {
    return {
      lines: readLines(config.replay === "-" ? process.stdin : config.replay),
      origin: "live",
    };
  }
  if (!floor.runner.hosts("ingest") || !wantsSample(config)) return null;
  if ((await floor.setting(SAMPLE_DONE)) === config.sampleSeed && !config.exitWhenIdle) {
    floor.say("The sample day was replayed in an earlier run; waiting for events.");
    return null;
  }
  floor.say(
    "No source is configured: replaying the bundled sample day against the simulated cluster (mode enforce, for the sample only).",
  );
  return { lines: numbered(generateSampleDay(config.sampleSeed)), origin: "sample" };
}

/** A listener that others can reach is a source; on loopback it may just as well be a laptop. */
function wantsSample(config: Config): boolean {
  if (config.sample !== "auto") return config.sample === "always";
  return (
    config.kafka.brokers === null && config.http.tls === null && config.http.secretPath === null
  );
}

function* numbered(lines: Iterable<string>): Generator<SourceLine> {
  let line = 0;
  for (const text of lines) yield { line: ++line, text, bytes: Buffer.byteLength(text) };
}

/** What the first line waits for may have been recorded before this process saw it: the store is asked. */
function keepChecking(floor: Floor, fates: Fates): () => void {
  let ended = false;
  let cancel = (): void => {};
  const arm = (): void => {
    if (!ended) cancel = systemClock.after(RECHECK_MS, () => void check().finally(arm));
  };
  const check = async (): Promise<void> => {
    const lacking = fates.lacking;
    if (!lacking) return;
    const [outcome] = await floor.intake.recorded([lacking.digest]);
    const id = lacking.case ?? outcome?.case ?? null;
    fates.known(outcome ? [outcome] : [], []);
    if (id === null || !floor.runner.idle) return;
    await floor.runner.flush();
    fates.known([], await floor.caseSummaries([id]));
  };
  arm();
  return () => {
    ended = true;
    cancel();
  };
}

async function untilIdle(floor: Floor, stop: Stop): Promise<void> {
  while (!floor.runner.idle && !stop.asked) await pause(systemClock);
}

// ---- The end -----------------------------------------------------------------------------------

function exitCode(config: Config, counts: ReplayCounts): number {
  if (config.replay === null || counts.rejected < counts.lines) return EXIT.ok;
  process.stderr.write(
    `${new WatchfloorError("nothing_readable", { source: sourceName(config) }).message}\n`,
  );
  return EXIT.nothingReadable;
}

function sourceName(config: Config): string {
  return config.replay === "-" ? "standard input" : String(config.replay);
}

async function report({ config, floor, tally }: Run, counts: ReplayCounts): Promise<void> {
  await floor.runner.flush();
  const summary = await tally.summary(counts.lines, floor);
  if (config.json) printJson(summary);
  else for (const line of tally.lines(summary)) floor.say(line);
}
