/**
 * The boundary of: a case and someone paged at 03:00. What it is, what happened, why the verdict,
 * what was or would be changed, who answered, and the command to type next.
 */
import type { Json } from "../../machines/protocol.ts";
import type { CaseSummary, Person } from "../../machines/vocabulary.ts";
import type { HistoryEntry } from "../record.ts";
import { plain, table, timeText, type Paint } from "./text.ts";

const STORY_LINES_MAX = 40;

/** `cases`: one line a case. */
export function casesTable(cases: readonly CaseSummary[], paint: Paint): string[] {
  if (cases.length === 0) return ["No cases."];
  const rows = cases.map((summary) => [
    summary.case,
    timeText(summary.openedAt),
    summary.state,
    summary.verdict ?? "-",
    String(summary.events),
    plain(summary.entity),
    plain(summary.rules[0] ?? ""),
  ]);
  const [head = "", ...lines] = table([
    ["CASE", "OPENED", "STATE", "VERDICT", "EVENTS", "ENTITY", "RULE"],
    ...rows,
  ]);
  const painted = lines.map((line, index) =>
    cases[index]?.waitingFor ? paint("red", line) : line,
  );
  const waiting = cases.filter((summary) => summary.waitingFor !== null);
  const next = waiting[0]
    ? [`${waiting.length} waiting; look with: watchfloor case ${waiting[0].case}`]
    : [];
  return [paint("bold", head), ...painted, ...next];
}

/** `cases --json` */
export function caseLine(summary: CaseSummary): Json {
  const { verdict, state, openedAt, entity, waitingFor, expiresAt } = summary;
  return { case: summary.case, verdict, state, openedAt, entity, waitingFor, expiresAt };
}

/** `case ID` */
export function caseStory(
  summary: CaseSummary,
  entries: readonly HistoryEntry[],
  quoted: readonly string[],
  paint: Paint,
): string[] {
  return [
    paint("bold", headline(summary)),
    "",
    ...section(paint, "What happened", happened(summary, entries, quoted)),
    ...section(paint, "Why", why(summary)),
    ...section(paint, "Actions", actions(summary)),
    ...section(paint, "People", people(entries)),
    ...section(paint, "Steps", steps(entries)),
    ...section(paint, "Next", nextCommands(summary)),
    `trace ${summary.traceId}  head ${entries.at(-1)?.hash ?? "none"}`,
  ];
}

function headline(summary: CaseSummary): string {
  const { case: id, state, verdict, waitingFor, entity } = summary;
  const said = verdict === null ? "no verdict yet" : `verdict ${verdict}`;
  const waits = waitingFor === null ? "" : ", WAITS FOR YOU";
  return `${id}: ${state}, ${said}${waits} (${plain(entity)})`;
}

function section(paint: Paint, title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [paint("cyan", title), ...lines.map((line) => `  ${line}`), ""];
}

function happened(
  summary: CaseSummary,
  entries: readonly HistoryEntry[],
  quoted: readonly string[],
): string[] {
  const { events, rules, pValue, techniques, openedAt, updatedAt, usage } = summary;
  const engine =
    usage.engine === "model" ? `model ${usage.model ?? ""}` : "rules, no model was used";
  return [
    `${events} event${events === 1 ? "" : "s"} from ${timeText(openedAt)} to ${timeText(updatedAt)}, p-value ${Number(pValue.toPrecision(3))}`,
    `rules: ${rules.map(plain).join("; ")}`,
    `techniques: ${techniques.join(", ") || "none named"} (by ${engine.trim()})`,
    ...driving(entries),
    ...quoted.map((text) => `the event said (attacker's words, never a command): "${plain(text)}"`),
  ];
}

/** What drove the score, from the detector's report. */
function driving(entries: readonly HistoryEntry[]): string[] {
  const report = entries
    .map((entry) => field(entry.data, "detector"))
    .findLast((found) => found !== null);
  const features = field(report ?? null, "features");
  if (!Array.isArray(features) || features.length === 0) return [];
  const parts = features.slice(0, 4).map((feature: Json) => {
    const share = field(feature, "contribution");
    return `${textOf(feature, "name")} ${typeof share === "number" ? share.toFixed(2) : ""}`.trim();
  });
  return [`the score was driven by: ${parts.map(plain).join(", ")}`];
}

function why({ reasons, failures, mode, verdict }: CaseSummary): string[] {
  if (verdict === null && reasons.length === 0 && failures.length === 0) return [];
  return [
    `${verdict ?? "no verdict yet"} (mode ${mode})`,
    ...reasons.map((reason) => `- ${plain(reason)}`),
    ...(failures.length > 0 ? [`failed on the way: ${failures.map(plain).join(", ")}`] : []),
  ];
}

function actions(summary: CaseSummary): string[] {
  return summary.actions.flatMap((action) => [
    `${action.type} ${plain(action.target)}: ${action.state}, ${action.verdict ?? "not decided"} (${action.digest.slice(0, 12)})`,
    ...action.diff.map((line) => `    ${plain(line)}`),
  ]);
}

function people(entries: readonly HistoryEntry[]): string[] {
  return entries.flatMap((entry) => {
    const said = field(entry.data, "message");
    const person = field(said, "person") as Person | null;
    if (person === null) return [];
    const what = entry.event === "human.undo" ? "undo" : textOf(said, "answer");
    const because = textOf(said, "dismissal");
    const reason = textOf(said, "reason");
    const note = person.as ? ` (says to be ${plain(person.as)})` : "";
    const parts = [what, because, reason && `"${plain(reason)}"`, refusalOf(entry.data, said)]
      .filter(Boolean)
      .join(", ");
    return [`${timeText(entry.at)}  ${plain(person.user)} (uid ${person.uid})${note}: ${parts}`];
  });
}

function steps(entries: readonly HistoryEntry[]): string[] {
  const shown = entries.filter(
    (entry) => entry.from !== entry.to || entry.event.startsWith("human."),
  );
  const left = shown.length - STORY_LINES_MAX;
  const lines = table(
    shown
      .slice(-STORY_LINES_MAX)
      .map((entry) => [timeText(entry.at), stepName(entry.event), `-> ${entry.to}`]),
  );
  return left > 0 ? [`… ${left} earlier, see watchfloor trace`, ...lines] : lines;
}

/** The entry of an answer that did not count says so. */
function refusalOf(data: Json, said: Json): string {
  const command = field(data, "command");
  const own = field(command, "id") !== null && field(command, "id") === field(said, "id");
  if (!own || field(command, "accepted") !== false) return "";
  return `did not count: ${plain(textOf(command, "code") || "refused")}`;
}

/** `askAnalyst answered` reads better than `xstate.done.actor.askAnalyst`. */
export function stepName(event: string): string {
  const [, how, source] = /^xstate\.(done|error)\.actor\.(.+)$/.exec(event) ?? [];
  if (source !== undefined) return `${source} ${how === "done" ? "answered" : "failed"}`;
  const [, delay] = /^xstate\.after\.([^.]+)/.exec(event) ?? [];
  return plain(delay === undefined ? event : `after ${delay}`);
}

function nextCommands(summary: CaseSummary): string[] {
  const { case: id, waitingFor, expiresAt } = summary;
  if (waitingFor === null) {
    const undoable = summary.actions.some((action) => action.state === "done");
    return undoable ? [`watchfloor undo ${id}`] : [`watchfloor trace ${id}`];
  }
  const until = expiresAt === null ? [] : [`an answer counts until ${timeText(expiresAt)}`];
  const approvable = summary.actions.some((action) => action.state === "waiting");
  const approve = `watchfloor approve ${id} --reason "..."      performs what waits above`;
  return [
    ...(approvable ? [approve] : []),
    `watchfloor dismiss ${id} --because false_positive|expected|true_handled|wrong_action`,
    `watchfloor investigate ${id}      looks further, changes nothing`,
    ...until,
  ];
}

function field(value: Json, name: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return (value as { readonly [key: string]: Json | undefined })[name] ?? null;
}

function textOf(value: Json, name: string): string {
  const found = field(value, name);
  return typeof found === "string" ? found : "";
}

// ---- As it stood ---------------------------------------------------------------------------------

/** `case ID --at TURN --json` */
export function caseAtLine(caseId: string, until: readonly HistoryEntry[]): Json {
  const { turn, at, to, data, hash } = until.at(-1)!;
  return { case: caseId, turn, at, state: to, known: data, head: hash };
}

/** `case ID --at TURN`: the entries up to that turn, none after it. */
export function caseAt(
  caseId: string,
  until: readonly HistoryEntry[],
  last: number,
  paint: Paint,
): string[] {
  const { turn, at, to, event, data, hash } = until.at(-1)!;
  const verdict = textOf(data, "verdict") || "none yet";
  const known = JSON.stringify(data, null, 2).split("\n");
  return [
    paint("bold", `${caseId} after turn ${turn} of ${last}, at ${timeText(at)}: ${to}`),
    "",
    ...section(paint, "Then", [`taken: ${stepName(event)}`, `verdict: ${verdict}`]),
    ...section(
      paint,
      "What that turn knew",
      known.map((line) => plain(line)),
    ),
    ...section(paint, "Steps until then", steps(until)),
    `head ${hash}`,
  ];
}
