#!/usr/bin/env node
/**
 * The boundary of: the process. Standard streams, the environment and the real clock, handed to the
 * command line; an exit code, handed back.
 */
import { createInterface } from "node:readline/promises";
import { systemClock, systemRandom } from "../transports/clock.ts";
import { runCli } from "./cli.ts";
import type { Io } from "./cli/io.ts";

// Whoever reads our output may have seen enough (`watchfloor trace ... | head`). A runner stops in order.
let unread = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  if (process.listenerCount("SIGTERM") === 0) process.exit(0);
  if (!unread) process.emit("SIGTERM");
  unread = true;
});

const io: Io = {
  cwd: process.cwd(),
  env: process.env,
  clock: systemClock,
  random: systemRandom,
  terminal: process.stdout.isTTY,
  write: (text) =>
    new Promise((resolve) => {
      if (process.stdout.write(text)) resolve();
      else process.stdout.once("drain", resolve);
    }),
  writeError: (text) => void process.stderr.write(text),
  ask: process.stdin.isTTY && process.stderr.isTTY ? ask : null,
};

async function ask(question: string): Promise<string> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await prompt.question(question);
  } finally {
    prompt.close();
  }
}

process.exitCode = await runCli(process.argv.slice(2), io);
