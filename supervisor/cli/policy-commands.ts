/**
 * The boundary of: what a person types about the policy. Names, options and help; each command's work
 * is loaded when it is asked for.
 */
import type { Command } from "commander";
import { examples, hostPort, onData } from "./command.ts";
import { openSession, type DataOptions, type Io } from "./io.ts";
import type { McpOptions } from "./mcp.ts";
import type { ReplayOptions } from "./policy-replay.ts";
import type { SetOptions } from "./parameters.ts";

export function addPolicy(program: Command, io: Io): void {
  const commands = program.command("policy").description("what the policy decided, and would");
  commands
    .command("replay")
    .description("decide a decision log again, offline, and show every verdict that would change")
    .requiredOption("--from <log>", "a decision log: a file, a folder of them, or a data directory")
    .option("--policy <dir>", "the policy to try: a folder like policies/, or a bundle")
    .option("--parameters <file>", "the parameters to try (default: those of each decision)")
    .option("--json", "one JSON value a line")
    .addHelpText(
      "after",
      examples(
        "policy replay --from ./watchfloor-data --policy ../pull-request/policies",
        "policy replay --from decisions.00000001.jsonl --parameters stricter.yaml --json",
      ),
    )
    .action(async (options: ReplayOptions) => {
      await (await import("./policy-replay.ts")).replayPolicy(io, options);
    });
}

export function addMcp(program: Command, io: Io): void {
  const servers = program.command("mcp").description("tool servers for other MCP clients");
  servers
    .command("policy")
    .description("the policy's tools, read-only: evaluate_action, explain_decision, policy_info")
    .option(
      "--http <host:port>",
      "over Streamable HTTP (default: standard input and output)",
      hostPort,
    )
    .option("--data <dir>", "the data directory of the floor whose parameters count")
    .option("--config <dir>", "where watchfloor.yaml is")
    .addHelpText(
      "after",
      examples(
        "mcp policy",
        "mcp policy --http 127.0.0.1:8090",
        "mcp policy --http 0.0.0.0:8090   # needs WATCHFLOOR_MCP_TOKEN",
      ),
    )
    .action(async (options: McpOptions) => {
      await (await import("./mcp.ts")).serveMcpPolicy(io, options);
    });
}

export function addParameters(program: Command, io: Io): void {
  const commands = program
    .command("parameters")
    .description("what the policy weighs: floors, lists, limits, mode, kill switch");
  const work = () => import("./parameters.ts");
  onData(commands, "get", "show the parameters in force as YAML, or one of them")
    .argument("[path]", "for example confidenceFloor.contain")
    .action(async (path: string | undefined, options: DataOptions) => {
      await (await work()).getParameters(await openSession(io, options), path, options);
    });
  onData(commands, "set", "change parameters: at once on a running floor, all of them or none")
    .argument("<assignments...>", "PATH=VALUE; lists and maps in YAML: '[a, b]'")
    .option("--why <text>", "the reason, for the record; required")
    .option("--as <name>", "a note of who you say you are; your user is what counts")
    .action(async (given: readonly string[], options: DataOptions & SetOptions) => {
      await (await work()).setParameters(await openSession(io, options), given, options);
    });
  onData(commands, "history", "every change: when, who, what, why").action(
    async (options: DataOptions) => {
      await (await work()).listHistory(await openSession(io, options));
    },
  );
  commands.addHelpText(
    "after",
    examples(
      "parameters get confidenceFloor",
      'parameters set killSwitch=true --why "odd isolations on prod-2"',
      `parameters set confidenceFloor.contain=0.9 'assets.alwaysEscalateNames=[vault, dex]' --why "SEC-142"`,
      "parameters history --json",
    ),
  );
}
