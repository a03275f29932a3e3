/** The boundary of: chance and names made of it. */
import type { Random } from "../transports/ports.ts";

/** Lower-case hex of 32 bits a word. */
export function randomHex(random: Random, words: number): string {
  const word = (): string =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  return Array.from({ length: words }, word).join("");
}
