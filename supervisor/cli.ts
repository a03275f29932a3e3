/**
 * The boundary of: what a person types and what is done. Names, options, help and exit codes; each
 * command's work is loaded when it is asked for, so that the others start fast.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { WatchfloorError, type ErrorCode } from "../machines/errors.ts";
import type { AnswerOptions } from "./cli/answering.ts";
import { examples, hostPort, onData } from "./cli/command.ts";
import type { MachineOptions } from "./cli/inspecting.ts";
import { addModel } from "./cli/model-commands.ts";
import { addMcp, addParameters, addPolicy } from "./cli/policy-commands.ts";
import { natsFlags, openSession, type DataOptions, type Io, type Session } from "./cli/io.ts";
import { addNats } from "./cli/nats-commands.ts";
import { packageFile } from "./package.ts";

const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

const USAGE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "config_invalid",
  "config_unreadable",
  "unknown_kind",
  "nothing_readable",
  "dismissal_needed",
]);

const EXIT_HELP = `
Exit codes: 0 done; 1 it failed, and standard error says why; 2 wrong usage or settings, or nothing
that could be read.`;

/** Runs one command. Everything that fails is said in one sentence; the result is the exit code. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const state = { code: EXIT.ok as number };
  const program = createProgram(io, (code) => (state.code = code));
  try {
    await program.parseAsync(withCommand(argv), { from: "user" });
    return state.code;
  } catch (error) {
    return report(error, io, argv.includes("--json"));
  }
}

/** `run` takes no argument but options: `npm start -- cases` means the command it names. */
function withCommand(argv: readonly string[]): readonly string[] {
  const [first, second] = argv;
  return first === "run" && second !== undefined && !second.startsWith("-") ? argv.slice(1) : argv;
}

function report(error: unknown, io: Io, json: boolean): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    if (error.code !== "commander.help") {
      const text = error.message
        .replace(/^error: /, "")
        .replace(/\s*\n\s*/g, " ")
        .replace(/\.$/, "");
      say(io, json, "usage", `${text}; see watchfloor --help`);
    }
    return EXIT.usage;
  }
  if (!(error instanceof WatchfloorError)) throw error;
  say(io, json, error.code, error.message);
  return USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.failed;
}

function say(io: Io, json: boolean, code: string, message: string): void {
  io.writeError(
    json ? `${JSON.stringify({ type: "error", code, message })}\n` : `watchfloor: ${message}\n`,
  );
}

type SetCode = (code: number) => void;

function createProgram(io: Io, exit: SetCode): Command {
  const program = new Command("watchfloor")
    .description("A security operations centre's watch floor, run by agents.")
    .version(packageVersion())
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.write(text),
      writeErr: (text) => io.writeError(text),
      // Said once, in our form, when the error arrives in `report`.
      outputError: () => {},
    })
    .addHelpText("after", EXIT_HELP);
  addRun(program, io, exit);
  addReading(program, io);
  addAnswers(program, io);
  addLetters(program, io);
  addEvidence(program, io, exit);
  addParameters(program, io);
  addPolicy(program, io);
  addModel(program, io, exit);
  addMcp(program, io);
  addInside(program, io);
  addNats(program, io);
  return program;
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as {
    version: string;
  };
  return version;
}

// ---- run ---------------------------------------------------------------------------------------

interface RunOptions {
  readonly replay?: string;
  readonly transport?: string;
  readonly nats?: string;
  readonly natsCredentials?: string;
  readonly data?: string;
  readonly agents?: string;
  readonly mode?: string;
  readonly config?: string;
  readonly http?: { readonly host: string; readonly port: string };
  readonly inspect?: boolean;
  readonly kafka?: string;
  readonly topic?: string;
  /** false for `--no-sample`. */
  readonly sample?: boolean;
  readonly exitWhenIdle?: boolean;
  readonly json?: boolean;
}

function addRun(program: Command, io: Io, exit: SetCode): void {
  program
    .command("run")
    .description("host the agents: replay events, listen for Falco, work cases")
    .option("--replay <file>", "Falco JSON, one event a line; - reads standard input")
    .option("--transport <name>", "local (durable, the default), nats or memory")
    .option("--nats <url>", "a NATS server, or several with commas; means --transport nats")
    .option("--nats-credentials <dir>", "a folder of credentials; see watchfloor nats permissions")
    .option("--data <dir>", "the data directory (default: ./watchfloor-data)")
    .option("--agents <kinds>", "agent kinds to host, separated by commas (default: all)")
    .option("--no-sample", "do not replay the bundled day where no source is configured")
    .option("--mode <mode>", "observe (the default), recommend or enforce")
    .option("--config <dir>", "where watchfloor.yaml is")
    .option(
      "--http <host:port>",
      "where Falco's http_output is taken (default: 127.0.0.1:8080)",
      hostPort,
    )
    .option("--kafka <brokers>", "host:port, separated by commas: read Falco events from Kafka")
    .option("--topic <name>", "Kafka's topic (default: falco)")
    .option(
      "--exit-when-idle",
      "leave when every event is in a terminal state or waits for a person",
    )
    .option("--inspect", "speak the XState inspection protocol on loopback")
    .option("--json", "only JSON lines on standard output")
    .addHelpText(
      "after",
      examples(
        "run",
        "run --replay events.jsonl --exit-when-idle --json",
        "run --http 127.0.0.1:9090 --data /var/lib/watchfloor",
        "run --nats nats://nats-0:4222,nats-1:4222 --agents reviewer,analyst",
        "run --kafka broker-1:9092,broker-2:9092 --topic falco",
      ),
    )
    .action(async (options: RunOptions) => {
      const { http, config: folder = null, inspect, sample, kafka, topic, ...more } = options;
      const { nats, natsCredentials, transport, ...given } = more;
      const flags = {
        ...given,
        ...natsFlags({ nats, natsCredentials, transport }),
        sample: sample === false ? "never" : undefined,
        "http.host": http?.host,
        "http.port": http?.port,
        "inspect.enabled": inspect,
        "kafka.brokers": kafka,
        "kafka.topic": topic,
      };
      const { loadConfig } = await import("./config.ts");
      const config = loadConfig({ flags, env: io.env, cwd: io.cwd, folder });
      const { prepareFirstModel } = await import("./first-model.ts");
      const firstModel = prepareFirstModel(config);
      const { runCommand } = await import("./run.ts");
      exit(await runCommand(config, firstModel));
    });
}

// ---- Reading -----------------------------------------------------------------------------------

const reading = () => import("./cli/reading.ts");

function addReading(program: Command, io: Io): void {
  onData(program, "cases", "list cases, oldest first")
    .option("--waiting", "only those that wait for a person")
    .addHelpText("after", examples("cases --waiting", "cases --json"))
    .action(async (options: DataOptions & { waiting?: boolean }) => {
      const session = await openSession(io, options);
      await (await reading()).listCases(session, options.waiting ?? false);
    });
  onData(program, "case", "what happened in a case and why, and what to type next")
    .argument("<id>", ID_HELP)
    .option("--at <turn>", "as it stood after this turn of the case; trace shows them", wholeNumber)
    .addHelpText("after", examples("case c-0123456789ab", "case c-0123456789ab --at 3"))
    .action(async (id: string, options: DataOptions & { at?: number }) => {
      const session = await openSession(io, options);
      if (options.at === undefined) await (await reading()).showCase(session, id);
      else await (await reading()).showCaseAt(session, id, options.at);
    });
  onData(program, "trace", "the whole chain behind an id: every step, its time, cause and hash")
    .argument("<id>", ID_HELP)
    .addHelpText(
      "after",
      examples("trace c-0123456789ab", "trace 4bf92f3577b34da6a3ce929d0e0e4736 --json"),
    )
    .action(async (id: string, options: DataOptions) => {
      await (await reading()).showTrace(await openSession(io, options), id);
    });
}

const ID_HELP = "a case, an event's digest, a trace id, or the first 8 characters of one";

// ---- Answers -----------------------------------------------------------------------------------

const answering = () => import("./cli/answering.ts");

function addAnswers(program: Command, io: Io): void {
  const texts = {
    approve: "answer an escalation: do what is proposed, if the policy then allows it",
    dismiss: "answer an escalation: do nothing, and say why",
    investigate: "answer an escalation: look further, change nothing",
  } as const;
  for (const how of ["approve", "dismiss", "investigate"] as const) {
    const command = onAnswer(program, how, texts[how]);
    if (how === "dismiss") {
      command.option(
        "--because <why>",
        "false_positive, expected, true_handled or wrong_action; asked for on a terminal",
      );
    }
    command
      .addHelpText(
        "after",
        examples(
          `${how} c-0123456789ab${how === "dismiss" ? " --because expected" : ""} --reason "seen with the owner"`,
        ),
      )
      .action(async (id: string, options: DataOptions & AnswerOptions) => {
        await (await answering()).answer(await openSession(io, options), id, how, options);
      });
  }
  onAnswer(
    program,
    "undo",
    "reverse what was done in a case; the policy decides on it like on any action",
  )
    .addHelpText("after", examples('undo c-0123456789ab --reason "the pod was ours"'))
    .action(async (id: string, options: DataOptions & AnswerOptions) => {
      await (await answering()).undo(await openSession(io, options), id, options);
    });
}

function onAnswer(program: Command, name: string, description: string): Command {
  return onData(program, name, description)
    .argument("<case>", ID_HELP)
    .option("--reason <text>", "why, for the record")
    .option("--as <name>", "a note of who you say you are; your user is what counts");
}

// ---- Dead letters, evidence, the inside --------------------------------------------------------

const inspecting = () => import("./cli/inspecting.ts");

function addLetters(program: Command, io: Io): void {
  const letters = program.command("dead-letters").description("what could not be applied");
  const session = (options: DataOptions): Promise<Session> => openSession(io, options);
  onData(letters, "ls", "list dead letters").action(async (options: DataOptions) => {
    await (await inspecting()).listLetters(await session(options));
  });
  onData(letters, "show", "one dead letter with its cause and content")
    .argument("<id>")
    .action(async (id: string, options: DataOptions) => {
      await (await inspecting()).showLetter(await session(options), id);
    });
  for (const how of ["retry", "drop"] as const) {
    onData(letters, how, how === "retry" ? "apply it again" : "give it up, and free its actor")
      .argument("<id>")
      .option("--as <name>", "a note of who you say you are; your user is what counts")
      .action(async (id: string, options: DataOptions & { as?: string }) => {
        await (await answering()).resolveLetter(await session(options), id, how, options.as);
      });
  }
  letters.addHelpText("after", examples("dead-letters ls", "dead-letters retry dl-0123456789ab"));
}

function addEvidence(program: Command, io: Io, exit: SetCode): void {
  const evidence = program
    .command("evidence")
    .description("a case's whole record as one file, and its check");
  onData(evidence, "export", "write a case's hash-chained, signed record")
    .argument("<case>", ID_HELP)
    .option("--out <file>", "where to (default: standard output)")
    .action(async (id: string, options: DataOptions & { out?: string }) => {
      await (await inspecting()).exportCase(await openSession(io, options), id, options.out);
    });
  evidence
    .command("verify")
    .description("check such a file, offline")
    .argument("<file>")
    .option("--head <hash>", "the head that was noted elsewhere")
    .option("--json", "one JSON value a line")
    .action(async (file: string, options: { head?: string; json?: boolean }) => {
      exit((await (await inspecting()).verifyFile(io, file, options)) ? EXIT.ok : EXIT.failed);
    });
  evidence.addHelpText(
    "after",
    examples(
      "evidence export c-0123456789ab --out case.json",
      "evidence verify case.json --head <hash>",
    ),
  );
}

function addInside(program: Command, io: Io): void {
  onData(program, "journal", "the log of one shard, record by record, readable or not")
    .argument("<shard>", "kind.n, for example detector.0")
    .option("--from <position>", "the first record to show", wholeNumber, 0)
    .addHelpText("after", examples("journal detector.0", "journal detector.0 --from 12 --json"))
    .action(async (shard: string, options: DataOptions & { from: number }) => {
      await (await inspecting()).showJournal(await openSession(io, options), shard, options.from);
    });
  onData(program, "backup", "copy all that is kept to a new directory, while the floor runs")
    .argument("<dir>", "must not exist; is then a data directory like any other")
    .addHelpText(
      "after",
      examples("backup /backups/floor-2026-11-25", "run --data /backups/floor-2026-11-25"),
    )
    .action(async (target: string, options: DataOptions) => {
      const { backupData } = await import("./cli/backup.ts");
      await backupData(await openSession(io, options), target);
    });
  program
    .command("machine")
    .description("an agent's statechart, with the state a case is in")
    .argument("<kind>")
    .option("--case <id>", "mark where this case is")
    .option("--mermaid", "as a Mermaid stateDiagram-v2")
    .option("--data <dir>", "the data directory")
    .option("--transport <name>", "local (the default) or nats")
    .option("--nats <url>", "a NATS server, or several with commas; means --transport nats")
    .option("--nats-credentials <dir>", "a folder of credentials")
    .option("--config <dir>", "where watchfloor.yaml is")
    .addHelpText("after", examples("machine coordinator --case c-0123456789ab --mermaid"))
    .action(async (kind: string, options: MachineOptions) => {
      await (await inspecting()).showMachine(io, kind, options);
    });
  onData(program, "config", "effective settings with their origin, secrets masked").action(
    async (options: DataOptions) => {
      await (await inspecting()).showConfig(io, options);
    },
  );
  program
    .command("sample")
    .description("print the bundled day as Falco JSON, one event a line")
    .option("--seed <n>", "another day of the same kind", wholeNumber, 1)
    .option("--ordinary <n>", "ordinary events (default: 20000)", wholeNumber)
    .addHelpText("after", examples("sample | watchfloor run --replay - --exit-when-idle"))
    .action(async (options: { seed: number; ordinary?: number }) => {
      await (await inspecting()).printSample(io, options.seed, options.ordinary ?? null);
    });
}

const WHOLE_MAX = 10_000_000;

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= WHOLE_MAX) return Number(text);
  throw new InvalidArgumentError(`It must be a whole number up to ${WHOLE_MAX}.`);
}
