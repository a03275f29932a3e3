/**
 * The boundary of: the runtime and Prometheus. Names start with `watchfloor_`, in base units; label
 * values come from closed sets only, so that no event can make a series.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { KINDS, kindOf } from "../machines/protocol.ts";
import { VERDICTS, type Gate } from "../machines/vocabulary.ts";
import { isSettled } from "./fates.ts";
import { createKafkaMetrics, type KafkaMetrics } from "./metrics.kafka.ts";
import type { JournalRecord } from "./record.ts";
import type { Observer, Runner } from "./runner.ts";

const GATES: readonly Gate[] = ["screened", "forwarded", "grouped", "internal"];
const CALL_SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60];

export interface Metrics extends Observer {
  readonly registry: Registry;
  readonly kafka: KafkaMetrics;
  answered(route: string, status: number): void;
  rejected(): void;
}

export function createMetrics(runner: () => Runner | null): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `watchfloor_${name}`, help, labelNames, registers });
  const events = counter("events_total", "Accepted events by what the gate decided.", ["gate"]);
  const rejected = counter("events_rejected_total", "Lines and posts that were no event.", []);
  const turns = counter("turns_total", "Committed turns by agent kind.", ["kind"]);
  const faults = counter("faults_total", "Turns that failed, by what became of them.", [
    "kind",
    "outcome",
  ]);
  const verdicts = counter("verdicts_total", "Cases by the verdict they settled with.", [
    "verdict",
  ]);
  const alarms = counter("alarms_total", "Alarms of the runtime by error code.", ["code"]);
  const http = counter("http_answers_total", "HTTP answers by route and status.", [
    "route",
    "status",
  ]);
  const tokens = counter("model_tokens_total", "Model tokens by direction.", ["direction"]);
  const calls = new Histogram({
    name: "watchfloor_call_duration_seconds",
    help: "Tool calls by agent kind, tool and outcome.",
    labelNames: ["kind", "tool", "outcome"],
    buckets: CALL_SECONDS,
    registers,
  });
  for (const gate of GATES) events.inc({ gate }, 0);
  for (const verdict of VERDICTS) verdicts.inc({ verdict }, 0);
  for (const kind of KINDS) {
    turns.inc({ kind }, 0);
    for (const outcome of ["retried", "dead_letter"]) faults.inc({ kind, outcome }, 0);
  }
  gauges(registers, runner);
  const settled = new Map<string, string>();
  return {
    registry,
    kafka: createKafkaMetrics(registers),
    answered: (route, status) => http.inc({ route, status: String(status) }),
    rejected: () => rejected.inc(),
    alarm: (error) => alarms.inc({ code: error.code }),
    called: ({ order, outcome, durationMs }) => {
      const kind = kindOf(order.actor);
      const ended = outcome.ok ? "ok" : "error";
      calls.observe({ kind, tool: order.call.src, outcome: ended }, durationMs / 1_000);
      if (kind === "analyst" && outcome.ok) countTokens(tokens, outcome.value);
    },
    committed: (_, records) => {
      for (const record of records) {
        if (record.r === "failure") faults.inc({ kind: kindOf(record.actor), outcome: "retried" });
        if (record.r === "dead") faults.inc({ kind: kindOf(record.actor), outcome: "dead_letter" });
        if (record.r !== "turn") continue;
        turns.inc({ kind: kindOf(record.actor) });
        for (const outcome of record.outcomes) events.inc({ gate: outcome.gate });
        countVerdict(verdicts, settled, record);
      }
    },
  };
}

/** Counts a case once for each verdict it settles with; remembers only cases that still move. */
function countVerdict(
  verdicts: Counter,
  settled: Map<string, string>,
  record: JournalRecord & { r: "turn" },
): void {
  const { summary } = record;
  if (!summary?.verdict || !isSettled(summary)) return;
  if (settled.get(summary.case) === summary.verdict) return;
  settled.set(summary.case, summary.verdict);
  if (settled.size > 10_000) settled.delete(settled.keys().next().value!);
  verdicts.inc({ verdict: summary.verdict });
}

function countTokens(tokens: Counter, value: unknown): void {
  const usage = (value as { usage?: { inputTokens?: number; outputTokens?: number } } | null)
    ?.usage;
  tokens.inc({ direction: "input" }, usage?.inputTokens ?? 0);
  tokens.inc({ direction: "output" }, usage?.outputTokens ?? 0);
}

function gauges(registers: Registry[], runner: () => Runner | null): void {
  const gauge = (name: string, help: string, read: (runner: Runner) => number): void => {
    new Gauge({
      name: `watchfloor_${name}`,
      help,
      registers,
      collect() {
        const current = runner();
        this.set(current ? read(current) : 0);
      },
    });
  };
  gauge("backlog", "Inputs in memory that wait for their turn.", (r) => r.gauges().backlog);
  gauge("calls_running", "Tool calls under way.", (r) => r.gauges().calls);
  gauge(
    "timers_armed",
    "Durable timers that are due within a minute or so.",
    (r) => r.gauges().timers,
  );
  gauge("actors_resident", "Actors in memory.", (r) => r.gauges().residents);
  gauge(
    "outbox_unsettled",
    "Envelopes sent and not yet applied by their receiver.",
    (r) => r.gauges().unsettled,
  );
  gauge("ready", "1 while the runner takes events.", (r) => (r.ready ? 1 : 0));
  gauge("resident_memory_bytes", "Resident memory of the process.", () =>
    process.memoryUsage.rss(),
  );
}
