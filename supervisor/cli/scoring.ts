/**
 * The boundary of: `watchfloor score`. Lines of a file with what the model that serves makes of each;
 * nothing is taken in, stored or worked. The plot of what they scored goes to standard error, or as
 * SVG to a file.
 */
import { writeFileSync } from "node:fs";
import { Models } from "../../actors/trainer/models.ts";
import { createScorer, cutOf, type Model, type Scored } from "../../anomaly/index.ts";
import { toFailure, WatchfloorError } from "../../machines/errors.ts";
import { readLines, type SourceLine } from "../../transports/falco/lines.ts";
import { EVENT_BYTES_MAX, parseFalcoLine } from "../../transports/falco/parse.ts";
import { openForReading } from "../place.ts";
import { parameterLedger } from "../parameters.ts";
import { plotLines, plotSvg, type ScorePlot } from "../views/plot.ts";
import type { Io, Session } from "./io.ts";

export interface ScoreOptions {
  readonly plot?: boolean;
  readonly svg?: string;
}

/** Lines are written in chunks of this many. */
const CHUNK_LINES = 256;

/** One JSON line for each line of the file. @throws `nothing_readable` */
export async function scoreFile(
  session: Session,
  file: string,
  options: ScoreOptions,
): Promise<void> {
  const { model, budget, version } = await serving(session);
  const scorer = createScorer(model);
  const cutP = cutOf(model.full.calibration, budget);
  const scores: number[] = [];
  let forwarded = 0;
  let chunk: string[] = [];
  let lines = 0;
  let rejected = 0;
  for await (const line of readLines(file === "-" ? process.stdin : file)) {
    lines += 1;
    const { text, scored } = scoredLine(line, scorer, cutP);
    if (scored) scores.push(scored.score);
    if (scored && scored.pValue <= cutP) forwarded += 1;
    if (scored === undefined) rejected += 1;
    chunk.push(text);
    if (chunk.length < CHUNK_LINES) continue;
    await session.io.write(chunk.join(""));
    chunk = [];
  }
  if (chunk.length > 0) await session.io.write(chunk.join(""));
  if (rejected === lines) throw new WatchfloorError("nothing_readable", { source: file });
  const title = `${scores.length} events by version ${version}: ${forwarded} would be forwarded at a budget of ${budget}`;
  show(session.io, { title, scores, cut: scoreAt(model, cutP) }, options);
}

/** The line with what was made of it; undefined for a line that is no event, null for no score. */
function scoredLine(
  line: SourceLine,
  scorer: (event: ReturnType<typeof parseFalcoLine>) => Scored | null,
  cutP: number,
): { readonly text: string; readonly scored: Scored | null | undefined } {
  try {
    if (line.text === null) {
      const fields = { line: line.line, bytes: line.bytes, limit: EVENT_BYTES_MAX };
      throw new WatchfloorError("line_too_long", fields);
    }
    const scored = scorer(parseFalcoLine(line.text, line.line));
    const gate = scored && { ...scored, forwarded: scored.pValue <= cutP };
    const value = { ...(JSON.parse(line.text) as object), watchfloor: gate };
    return { text: `${JSON.stringify(value)}\n`, scored };
  } catch (error) {
    if (!(error instanceof WatchfloorError)) throw error;
    const { code, message } = toFailure(error, "score");
    const value = { line: line.line, watchfloor: null, error: { code, message } };
    return { text: `${JSON.stringify(value)}\n`, scored: undefined };
  }
}

function show(io: Io, plot: ScorePlot, { plot: shown = true, svg }: ScoreOptions): void {
  if (shown) io.writeError(`${plotLines(plot).join("\n")}\n`);
  if (svg === undefined) return;
  try {
    writeFileSync(svg, plotSvg(plot));
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? "it cannot be written";
    throw new WatchfloorError("config_unreadable", { path: svg, why }, { cause });
  }
}

/** The lowest score whose p-value is within the cut. */
function scoreAt({ full: { calibration } }: Model, cutP: number): number {
  const { scores } = calibration;
  const above = Math.floor(cutP * (scores.length + 1)) - 1;
  const last = scores.length - 1 - Math.max(0, above);
  return scores[Math.max(0, last)] ?? 1;
}

/** The model that serves, and the budget in force; a floor that never ran has neither. */
async function serving(
  session: Session,
): Promise<{ readonly model: Model; readonly budget: number; readonly version: number }> {
  const { place, io } = session;
  const transport = await openForReading(place, io.clock, io.random);
  try {
    const models = new Models(transport.store);
    const now = await models.serving();
    if (now === null) {
      throw new WatchfloorError("model_unreadable", { what: "model", why: "none serves yet" });
    }
    const head = await parameterLedger(transport.store).head();
    const budget = head?.spec.alertBudget ?? 1e-3;
    return { model: await models.load(now.digest), budget, version: now.n };
  } finally {
    await transport.close();
  }
}
