/** The boundary of: the `backup` command. */
import { resolve } from "node:path";
import { backupLocal } from "../../transports/local/backup.ts";
import { WatchfloorError } from "../../machines/errors.ts";
import { withReader } from "./reading.ts";
import { printJson, printLines, type Session } from "./io.ts";

/** A cluster's streams are copied whole by its own tool. */
const NOT_HERE = {
  origin: "backup",
  field: "transport",
  rule: "must be local: of NATS, copy the account with nats account backup",
};

/** Copies the data, beside a runner or without one, and reads the copy before it says so. */
export async function backupData(session: Session, target: string): Promise<void> {
  const { io, dataDir, place } = session;
  if (place.transport === "nats") throw new WatchfloorError("config_invalid", NOT_HERE);
  const path = resolve(io.cwd, target);
  await backupLocal(dataDir, path);
  const cases = await withReader({ ...session, place: { ...place, dataDir: path } }, (reader) =>
    reader.cases(),
  );
  const waiting = cases.filter((summary) => summary.waitingFor !== null).length;
  if (session.json)
    return printJson(io, [{ type: "backup", data: dataDir, path, cases: cases.length, waiting }]);
  return printLines(io, [
    `${path}: ${cases.length} cases, ${waiting} of them waiting for a person.`,
    `It is a data directory like any other: watchfloor run --data ${path}`,
  ]);
}
