/**
 * The boundary of: tokens and money. US dollars a million tokens, which is the same number as
 * millionths of a dollar a token. List prices of November 2026; a model that is not listed is
 * counted at the dearest price known, so that a budget never hides a cost.
 */

interface Price {
  readonly input: number;
  readonly output: number;
  /** The price of the whole request when its input is over so many tokens. */
  readonly long?: { readonly overTokens: number; readonly input: number; readonly output: number };
}

/** By prefix of the model's id; the longest that fits counts. */
const PRICES: Readonly<Record<string, Price>> = {
  "claude-haiku-5-5": {
    input: 0.1,
    output: 0.5,
    long: { overTokens: 100_000, input: 0.5, output: 2.5 },
  },
  "claude-haiku-4-5": { input: 1, output: 5 },
  "claude-sonnet-5": { input: 2, output: 10 },
  "claude-sonnet-4": { input: 3, output: 15 },
  "claude-opus-5-5": { input: 4, output: 20 },
  "claude-opus-5": { input: 5, output: 25 },
  "claude-opus-4": { input: 5, output: 25 },
  "claude-fable-5": { input: 10, output: 50 },
};
const UNKNOWN: Price = { input: 25, output: 125 };

export interface Tokens {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Millionths of a US dollar, rounded up. */
export function costOf(model: string, usage: Tokens): number {
  const price = priceOf(model);
  const rate =
    price.long !== undefined && usage.inputTokens > price.long.overTokens ? price.long : price;
  return Math.ceil(usage.inputTokens * rate.input + usage.outputTokens * rate.output);
}

function priceOf(model: string): Price {
  const prefix = Object.keys(PRICES)
    .filter((known) => model === known || model.startsWith(`${known}-`))
    .toSorted((a, b) => b.length - a.length)[0];
  return (prefix === undefined ? undefined : PRICES[prefix]) ?? UNKNOWN;
}
