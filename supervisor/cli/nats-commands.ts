/** The boundary of: `watchfloor nats` and commander. */
import type { Command } from "commander";
import { examples } from "./command.ts";
import type { Io } from "./io.ts";

export function addNats(program: Command, io: Io): void {
  const nats = program.command("nats").description("what a NATS server must know of us");
  nats
    .command("permissions")
    .description("print users and permissions for the server's configuration, one user a role")
    .option("--seeds <dir>", "by NKEY: seeds are kept here, and made where missing")
    .option("--certificates <domain>", "by TLS client certificate, named <role>.<domain>")
    .addHelpText(
      "after",
      examples(
        "nats permissions --seeds ./nats-credentials > permissions.conf",
        "nats permissions --certificates watchfloor.svc > permissions.conf",
      ),
    )
    .action(async (options: { seeds?: string; certificates?: string }) => {
      const { printPermissions } = await import("./nats.ts");
      await printPermissions(io, options);
    });
}
