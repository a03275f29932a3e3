/**
 * The boundary of: a person's word and a mailbox. A command is checked against what the case says
 * now, so that a person hears at once what cannot be; whether it counts is decided by the case's
 * coordinator, when it is taken.
 */
import { z } from "zod";
import type { HumanAnswer, HumanUndo } from "../machines/calls.ts";
import { sha256 } from "../machines/digest.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { ActorAddress, Envelope, Json } from "../machines/protocol.ts";
import { DISMISSALS, type CaseSummary, type Person } from "../machines/vocabulary.ts";
import type { Mailbox } from "../transports/ports.ts";
import { DROP_TYPE, RETRY_TYPE } from "./apply.ts";
import { shardOf } from "./placement.ts";
import type { Reader } from "./reader.ts";

const id = z.string().min(1).max(200);
const reason = z.string().max(500).nullable();

export const CommandSchema = z.discriminatedUnion("command", [
  z.strictObject({
    command: z.literal("answer"),
    case: id,
    answer: z.enum(["approve", "dismiss", "investigate"]),
    reason,
    dismissal: z.enum(DISMISSALS).nullable(),
  }),
  z.strictObject({ command: z.literal("undo"), case: id, reason }),
  z.strictObject({ command: z.literal("letter"), letter: id, how: z.enum(["retry", "drop"]) }),
]);

export type Command = z.output<typeof CommandSchema>;

export interface CommandPorts {
  readonly reader: Reader;
  readonly mailbox: Mailbox;
  readonly shardCount: number;
}

export interface Accepted {
  readonly accepted: true;
  readonly id: string;
}

/**
 * Resolves when the command is durable in its mailbox. Throws `case_unknown`, `not_waiting`,
 * `dismissal_needed`, `nothing_to_undo` or `dead_letter_unknown` before anything is written.
 *
 * @param commandId unique; what a repeat is recognised by.
 */
export async function publishCommand(
  ports: CommandPorts,
  command: Command,
  person: Person,
  commandId: string,
): Promise<Accepted> {
  ports.reader.refresh();
  const envelope = await envelopeOf(ports.reader, command, person, commandId);
  await ports.mailbox.publish(shardOf(envelope.to, ports.shardCount), [envelope]);
  return { accepted: true, id: commandId };
}

/** Throws what `publishCommand` would. */
export async function checkCommand(reader: Reader, command: Command): Promise<void> {
  if (command.command === "letter") return void (await letterOf(reader, command.letter));
  checkedCase(command, await caseOf(reader, command.case));
}

async function envelopeOf(
  reader: Reader,
  command: Command,
  person: Person,
  commandId: string,
): Promise<Envelope> {
  if (command.command === "letter") {
    const letter = await letterOf(reader, command.letter);
    const type = command.how === "retry" ? RETRY_TYPE : DROP_TYPE;
    const trace = letter.input.input === "envelope" ? letter.input.envelope.traceparent : null;
    const data = { letter, person } as unknown as Json;
    return edge(
      commandId,
      letter.actor,
      type,
      data,
      letter.case,
      trace ?? traceparent(sha256(letter.id).slice(0, 32), commandId),
    );
  }
  const summary = checkedCase(command, await caseOf(reader, command.case));
  const to: ActorAddress = `coordinator/${summary.case}`;
  const trace = traceparent(summary.traceId, commandId);
  if (command.command === "undo") {
    const undo: HumanUndo = { id: commandId, person, reason: command.reason };
    return edge(commandId, to, "human.undo", undo as unknown as Json, summary.case, trace);
  }
  const { answer, reason: why, dismissal } = command;
  const said: HumanAnswer = { id: commandId, answer, person, reason: why, dismissal };
  return edge(commandId, to, "human.answer", said as unknown as Json, summary.case, trace);
}

function checkedCase(
  command: Exclude<Command, { command: "letter" }>,
  summary: CaseSummary,
): CaseSummary {
  const { case: caseId, state } = summary;
  if (command.command === "undo") {
    if (summary.actions.some((action) => action.state === "done")) return summary;
    throw new WatchfloorError("nothing_to_undo", { id: caseId });
  }
  if (summary.waitingFor === null) throw new WatchfloorError("not_waiting", { id: caseId, state });
  if (command.answer === "dismiss" && command.dismissal === null) {
    throw new WatchfloorError("dismissal_needed", { id: caseId, choices: DISMISSALS.join(", ") });
  }
  return summary;
}

async function caseOf(reader: Reader, caseId: string): Promise<CaseSummary> {
  const summary = await reader.caseSummary(caseId);
  if (summary === null) throw new WatchfloorError("case_unknown", { id: caseId });
  return summary;
}

async function letterOf(reader: Reader, letterId: string) {
  const letter = await reader.deadLetter(letterId);
  if (letter === null) throw new WatchfloorError("dead_letter_unknown", { id: letterId });
  return letter;
}

/** The span is the command's own, so that a trace shows which command a turn was taken on. */
function traceparent(traceId: string, commandId: string): string {
  return `00-${traceId}-${sha256(commandId).slice(0, 16)}-01`;
}

function edge(
  envelopeId: string,
  to: ActorAddress,
  type: string,
  data: Json,
  caseId: string | null,
  trace: string,
): Envelope {
  return {
    id: envelopeId,
    from: "edge/cli",
    to,
    type,
    data,
    traceparent: trace,
    case: caseId,
    cause: null,
    replyTo: null,
    shard: null,
    seq: null,
  };
}
