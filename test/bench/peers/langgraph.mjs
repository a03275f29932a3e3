/**
 * The boundary of: LangGraph.js on its SQLite checkpointer. The same six steps and 1 KB of state; a
 * checkpoint after each node. Run with one JSON argument; prints one JSON line.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import { closedLoop } from "../load.ts";
import { NOTE, STEPS, TURNS_PER_CASE } from "../six-step.ts";

const { durability, load } = JSON.parse(process.argv[2]);

const State = Annotation.Root({
  note: Annotation(),
  results: Annotation({ reducer: (before, added) => [...before, ...added], default: () => [] }),
});

const tool = (input) => Promise.resolve({ ok: true, of: input });

function compile(checkpointer) {
  const graph = new StateGraph(State);
  for (const step of STEPS) graph.addNode(step, async () => ({ results: [await tool({ step })] }));
  graph.addEdge(START, STEPS[0]);
  STEPS.forEach((step, index) => graph.addEdge(step, STEPS[index + 1] ?? END));
  return graph.compile({ checkpointer });
}

const folder = mkdtempSync(join(tmpdir(), "watchfloor-bench-"));
const saver = SqliteSaver.fromConnString(join(folder, "checkpoints.db"));
const app = compile(saver);
const result = await closedLoop({ ...load, stepsPerCase: TURNS_PER_CASE }, async (n) => {
  const config = { configurable: { thread_id: `b-${n}` }, durability };
  const state = await app.invoke({ note: NOTE }, config);
  if (state.results.length !== STEPS.length) throw new Error(`b-${n} did not end`);
});
const synchronous = saver.db.pragma("synchronous", { simple: true });
const journalMode = saver.db.pragma("journal_mode", { simple: true });
saver.db.close();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${JSON.stringify({ ...result, synchronous, journalMode })}\n`);
