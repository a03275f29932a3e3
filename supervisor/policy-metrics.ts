/**
 * The boundary of: the policy and Prometheus: which one serves, since when, and what could not.
 */
import { Counter, Gauge, type Registry } from "prom-client";
import type { Policy } from "./policy.ts";

export function addPolicyMetrics(registry: Registry, policy: Policy): void {
  const registers = [registry];
  const name = (text: string): string => `watchfloor_policy_${text}`;
  new Gauge({
    name: name("info"),
    help: "1 for the policy and the parameters in force, by revision.",
    labelNames: ["revision", "bundle", "mode"],
    registers,
    collect() {
      const { revision, bundleRevision: bundle } = policy.status();
      const { mode } = policy.parameters.current().spec;
      this.reset();
      this.set({ revision, bundle, mode }, 1);
    },
  });
  new Gauge({
    name: name("loaded_timestamp_seconds"),
    help: "When the policy in force came into force.",
    registers,
    collect() {
      this.set(policy.status().loadedAt / 1_000);
    },
  });
  new Gauge({
    name: name("fault"),
    help: "1 while what is at the policy's source, or the parameters' file, does not serve.",
    registers,
    collect() {
      this.set(policy.warnings().length === 0 ? 0 : 1);
    },
  });
  for (const [counted, help, read] of [
    ["loads_total", "Times that a policy or its parameters came into force.", "loads"],
    ["load_failures_total", "Times that one could not.", "failures"],
  ] as const) {
    new Counter({
      name: name(counted),
      help,
      registers,
      collect() {
        this.reset();
        this.inc(policy.status()[read]);
      },
    });
  }
}
