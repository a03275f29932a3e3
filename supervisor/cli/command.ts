/**
 * The boundary of: commands and commander. What all commands on stored data have in common.
 */
import { InvalidArgumentError, type Command } from "commander";

/** A command on stored data, with the options that all of them have. */
export function onData(parent: Command, signature: string, description: string): Command {
  return parent
    .command(signature)
    .description(description)
    .option(
      "--data <dir>",
      "the data directory (default: from the configuration, else ./watchfloor-data)",
    )
    .option("--transport <name>", "local (the default) or nats")
    .option("--nats <url>", "a NATS server, or several with commas; means --transport nats")
    .option("--nats-credentials <dir>", "a folder of credentials; see watchfloor nats permissions")
    .option("--config <dir>", "where watchfloor.yaml is")
    .option("--json", "one JSON value a line");
}

export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ watchfloor ${line}`).join("\n")}`;
}

/** For an option that takes an address. */
export function hostPort(text: string): { host: string; port: string } {
  const [, bracketed, host, port] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]+)):(\d+)$/.exec(text) ?? [];
  const named = bracketed ?? host;
  if (named === undefined || port === undefined)
    throw new InvalidArgumentError("It must be HOST:PORT.");
  return { host: named, port };
}
