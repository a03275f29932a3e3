/**
 * The boundary of: a distribution of scores and a person's eyes. How many scored what, on a
 * logarithmic scale since the tail is what matters, and where the cut lies: in a terminal and as SVG.
 */
export interface ScorePlot {
  readonly title: string;
  /** In [0, 1]. */
  readonly scores: readonly number[];
  /** Scores from here on are forwarded. */
  readonly cut: number;
}

interface Bin {
  readonly from: number;
  readonly count: number;
  readonly forwarded: boolean;
}

const BINS = 40;
const BAR_CHARS = 50;
const SVG = { width: 720, height: 300, left: 60, right: 20, top: 40, bottom: 40 } as const;

function binsOf({ scores, cut }: ScorePlot): readonly Bin[] {
  const low = Math.min(...extremes(scores), cut);
  const high = Math.max(...extremes(scores), cut);
  const width = Math.max(1e-6, (high - low) / BINS);
  const counts = Array.from({ length: BINS }, () => 0);
  for (const score of scores) {
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor((score - low) / width)));
    counts[bin]! += 1;
  }
  return counts.map((count, i) => {
    const from = low + i * width;
    return { from, count, forwarded: from + width > cut };
  });
}

/** Least and most; a spread would be one argument a score. */
function extremes(scores: readonly number[]): readonly number[] {
  let [least, most] = [1, 0];
  for (const score of scores) {
    if (score < least) least = score;
    if (score > most) most = score;
  }
  return scores.length === 0 ? [] : [least, most];
}

/** Share of the height, in [0, 1]; one event is seen. */
function heightOf(count: number, most: number): number {
  return count === 0 ? 0 : Math.log1p(count) / Math.log1p(most);
}

export function plotLines(plot: ScorePlot): string[] {
  const bins = binsOf(plot);
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const first = bins.findIndex(({ forwarded }) => forwarded);
  const lines = bins.flatMap(({ from, count, forwarded }, i) => {
    const bar = (forwarded ? "#" : "=").repeat(Math.ceil(heightOf(count, most) * BAR_CHARS));
    const line = `${from.toFixed(3)} |${bar.padEnd(BAR_CHARS)} ${count === 0 ? "" : count}`;
    const mark = `------+${"-".repeat(BAR_CHARS)} cut at ${plot.cut.toFixed(4)}`;
    return i === first ? [mark, line.trimEnd()] : [line.trimEnd()];
  });
  return [plot.title, "score | events, logarithmic; # is forwarded", ...lines];
}

export function plotSvg(plot: ScorePlot): string {
  const bins = binsOf(plot);
  const { width, height, left, right, top, bottom } = SVG;
  const [inner, tall] = [width - left - right, height - top - bottom];
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const first = bins[0]?.from ?? 0;
  const span = Math.max(1e-6, (bins[1]?.from ?? 1) - first) * BINS;
  const xOf = (score: number): number => left + ((score - first) / span) * inner;
  const bars = bins.map(({ from, count, forwarded }) => {
    const tallOf = heightOf(count, most) * tall;
    const at = `x="${xOf(from).toFixed(1)}" y="${(top + tall - tallOf).toFixed(1)}"`;
    const size = `width="${(inner / BINS - 1).toFixed(1)}" height="${tallOf.toFixed(1)}"`;
    return `<rect ${at} ${size} fill="${forwarded ? "#b3261e" : "#4a6fa5"}"><title>${from.toFixed(4)}: ${count}</title></rect>`;
  });
  const text = (x: number, y: number, anchor: string, words: string): string =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`;
  const cutX = xOf(plot.cut);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) =>
    text(left + share * inner, height - bottom + 18, "middle", (first + share * span).toFixed(3)),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" role="img">`,
    `<title>${escaped(plot.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(left, 20, "start", plot.title),
    ...bars,
    `<line x1="${cutX.toFixed(1)}" x2="${cutX.toFixed(1)}" y1="${top - 8}" y2="${top + tall}" stroke="#b3261e" stroke-dasharray="4 3"/>`,
    text(cutX - 4, top - 2, "end", `cut ${plot.cut.toFixed(4)}`),
    `<line x1="${left}" x2="${width - right}" y1="${top + tall}" y2="${top + tall}" stroke="#333333"/>`,
    ...ticks,
    text(left - 6, top + 10, "end", String(most)),
    text(left - 6, top + tall, "end", "0"),
    text(left + inner / 2, height - 6, "middle", "score (events on a logarithmic scale)"),
    "</svg>",
    "",
  ].join("\n");
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => `&#${mark.codePointAt(0)};`);
}
