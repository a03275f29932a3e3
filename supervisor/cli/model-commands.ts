/**
 * The boundary of: what a person types about the model. Names, options and help; each command's work
 * is loaded when it is asked for.
 */
import { InvalidArgumentError, type Command } from "commander";
import { examples, onData } from "./command.ts";
import { openSession, type DataOptions, type Io } from "./io.ts";
import type { OrderOptions } from "./models.ts";
import type { ScoreOptions } from "./scoring.ts";

type SetCode = (code: number) => void;
const FAILED = 1;

const work = () => import("./models.ts");

export function addModel(program: Command, io: Io, exit: SetCode): void {
  const model = program.command("model").description("versions of the model, and which one serves");
  onData(model, "ls", "every version, what it was fitted to, how it compared; * serves").action(
    async (options: DataOptions) => {
      await (await work()).listModels(await openSession(io, options));
    },
  );
  onOrder(model, "promote", "make a version serve, on all runners within seconds")
    .argument("<version>", "its number", wholeNumber)
    .action(async (version: number, options: DataOptions & OrderOptions) => {
      await (await work()).promoteModel(await openSession(io, options), version, options);
    });
  onOrder(model, "rollback", "make the version serve that did before").action(
    async (options: DataOptions & OrderOptions) => {
      await (await work()).rollbackModel(await openSession(io, options), options);
    },
  );
  model.addHelpText(
    "after",
    examples(
      "model ls",
      'model promote 3 --why "quieter on prod-2"',
      'model rollback --why "SEC-9"',
    ),
  );
  addTrain(program, io, exit);
  addTeacher(program, io);
  addScore(program, io);
  onData(program, "drift", "what the gate sees beside what it saw when all was well")
    .addHelpText("after", examples("drift", "drift --json"))
    .action(async (options: DataOptions) => {
      const { showDrift } = await import("./drift.ts");
      await showDrift(await openSession(io, options));
    });
}

function onOrder(parent: Command, name: string, description: string): Command {
  return onData(parent, name, description)
    .option("--why <text>", "the reason, for the record; required")
    .option("--as <name>", "a note of who you say you are; your user is what counts");
}

function addTrain(program: Command, io: Io, exit: SetCode): void {
  onData(program, "train", "fit a model now; it serves only if it is no worse than what does")
    .option("--from <file>", "Falco JSON, one event a line: fit to these instead of what is stored")
    .option("--why <text>", "the reason, for the record")
    .option("--as <name>", "a note of who you say you are; your user is what counts")
    .addHelpText("after", examples("train", "train --from last-month.jsonl"))
    .action(async (options: DataOptions & OrderOptions & { from?: string }) => {
      const session = await openSession(io, options);
      if (!(await (await work()).train(session, options.from, options))) exit(FAILED);
    });
}

function addTeacher(program: Command, io: Io): void {
  onOrder(program, "teacher", "what a person's verdicts taught the model; --revert takes it back")
    .argument("<user>", "an operating-system user")
    .option("--revert", "what this person taught counts no more; the model is fitted without it")
    .addHelpText("after", examples("teacher alice", 'teacher mallory --revert --why "SEC-77"'))
    .action(async (user: string, options: DataOptions & OrderOptions & { revert?: boolean }) => {
      await (await work()).showTeacher(await openSession(io, options), user, options);
    });
}

function addScore(program: Command, io: Io): void {
  onData(program, "score", "add score, p-value and top features to each line of a file")
    .argument("<file>", "Falco JSON, one event a line; - reads standard input")
    .option("--svg <file>", "write the plot of the scores and the cut as SVG")
    .option("--no-plot", "no plot on standard error")
    .addHelpText("after", examples("score events.jsonl > scored.jsonl", "score - --svg scores.svg"))
    .action(async (file: string, options: DataOptions & ScoreOptions) => {
      const { scoreFile } = await import("./scoring.ts");
      await scoreFile(await openSession(io, options), file, options);
    });
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be the number of a version.");
}
