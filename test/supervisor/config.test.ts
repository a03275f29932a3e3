/** Where settings come from, which one counts, and what each mistake says. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import {
  loadConfig,
  unusedSettings,
  type Config,
  type ConfigSources,
} from "../../supervisor/config.ts";
import { SETTINGS } from "../../supervisor/config.schema.ts";

describe("supervisor: settings", () => {
  let cwd = "";
  beforeEach(() => (cwd = mkdtempSync(join(tmpdir(), "wf-config-"))));
  afterEach(() => rmSync(cwd, { recursive: true, force: true }));

  const load = (sources: Partial<ConfigSources> = {}): Config =>
    loadConfig({ flags: {}, env: {}, cwd, folder: null, ...sources });
  const yaml = (text: string): void => writeFileSync(join(cwd, "watchfloor.yaml"), text);
  const origin = (config: Config, setting: string): string | undefined =>
    config.shown.find((shown) => shown.setting === setting)?.origin;
  const refused = (sources: Partial<ConfigSources>, code: string, text: RegExp): void => {
    assert.throws(
      () => load(sources),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, code, error.message);
        assert.match(error.message, text);
        return true;
      },
    );
  };

  it("has defaults that observe, on loopback, and are frozen", () => {
    const config = load();
    assert.equal(config.mode, null);
    assert.deepEqual(config.http, { host: "127.0.0.1", port: 8080, secretPath: null, tls: null });
    assert.equal(config.data, join(cwd, "watchfloor-data"));
    assert.ok(
      Object.isFrozen(config) && Object.isFrozen(config.http) && Object.isFrozen(config.agents),
    );
    assert.ok(config.shown.every((shown) => shown.origin === "default"));
  });

  for (const [given, port, from] of [
    [["default"], 8080, "default"],
    [["file"], 1001, "watchfloor.yaml"],
    [["file", "env"], 1002, "env WATCHFLOOR_HTTP_PORT"],
    [["file", "env", "flag"], 1003, "flag --http"],
    [["env"], 1002, "env WATCHFLOOR_HTTP_PORT"],
    [["file", "flag"], 1003, "flag --http"],
  ] as const) {
    it(`takes the port from the ${from} where ${given.join(" and ")} say one`, () => {
      const has = (name: string): boolean => (given as readonly string[]).includes(name);
      if (has("file")) yaml("http:\n  port: 1001\n");
      const env = has("env") ? { WATCHFLOOR_HTTP_PORT: "1002" } : {};
      const flags = has("flag") ? { "http.port": "1003" } : {};
      const config = load({ env, flags });
      assert.equal(config.http.port, port);
      assert.ok(origin(config, "http.port")?.endsWith(from));
    });
  }

  it("reads every setting from its own variable", () => {
    for (const { variables } of SETTINGS) assert.match(variables[0] ?? "", /^WATCHFLOOR_[A-Z_]+$/);
    const names = SETTINGS.flatMap((setting) => setting.variables);
    assert.equal(new Set(names).size, names.length);
    const config = load({
      env: {
        WATCHFLOOR_EXIT_WHEN_IDLE: "true",
        WATCHFLOOR_AGENTS: "ingest, coordinator",
        WATCHFLOOR_ALERT_BUDGET: "1e-2",
      },
    });
    assert.equal(config.exitWhenIdle, true);
    assert.deepEqual(config.agents, ["ingest", "coordinator"]);
    assert.equal(config.alertBudget, 0.01);
  });

  it("honours the ecosystem's names, after its own", () => {
    const config = load({
      env: {
        ANTHROPIC_API_KEY: "theirs",
        ANTHROPIC_BASE_URL: "http://localhost:1",
        KAFKA_BROKERS: "a:1,b:2",
      },
    });
    assert.equal(config.model.apiKey, "theirs");
    assert.equal(origin(config, "model.apiKey"), "env ANTHROPIC_API_KEY");
    assert.deepEqual(config.kafka.brokers, ["a:1", "b:2"]);
    assert.equal(
      load({ env: { ANTHROPIC_API_KEY: "theirs", WATCHFLOOR_MODEL_API_KEY: "ours" } }).model.apiKey,
      "ours",
    );
  });

  it("says which given settings this version does not use", () => {
    assert.deepEqual(unusedSettings(load()), []);
    assert.deepEqual(unusedSettings(load({ env: { MATTERMOST_CHANNEL: "soc" } })), [
      "mattermost.channel (env MATTERMOST_CHANNEL) is not used by this version.",
    ]);
  });

  it("masks secrets wherever settings are shown", () => {
    const env = {
      ANTHROPIC_API_KEY: "sk-secret",
      NATS_URL: "nats://user:hunter2@n:4222",
      MATTERMOST_TOKEN: "tok-en",
      OPA_URL: "http://o/x?token=abc",
      WATCHFLOOR_HTTP_SECRET_PATH: "/0123456789abcdef",
    };
    const text = JSON.stringify(load({ env }).shown);
    for (const secret of ["sk-secret", "hunter2", "tok-en", "abc", "0123456789abcdef"])
      assert.ok(!text.includes(secret), secret);
  });

  it("takes paths of the file from the file's folder, others from the working folder", () => {
    yaml("data: ./here\n");
    assert.equal(load({ cwd: tmpdir(), folder: cwd }).data, join(cwd, "here"));
    assert.equal(load({ env: { WATCHFLOOR_DATA: "there" } }).data, join(cwd, "there"));
    assert.equal(load({ flags: { replay: "-" } }).replay, "-");
  });

  it("reads mutual TLS whole, and refuses a part of it", () => {
    for (const name of ["k", "c", "a"]) writeFileSync(join(cwd, `${name}.pem`), name);
    yaml("http: { tls: { key: k.pem, cert: c.pem, ca: a.pem } }\n");
    assert.deepEqual(load().http.tls, { key: "k", cert: "c", ca: "a" });
    yaml("http: { tls: { key: k.pem, cert: c.pem } }\n");
    refused({}, "config_invalid", /http\.tls\.ca must be set too/);
    yaml("http: { tls: { key: k.pem, cert: c.pem, ca: gone.pem } }\n");
    refused({}, "config_unreadable", /gone\.pem/);
  });

  it("ignores empty variables, and what Kubernetes adds beside a service of our name", () => {
    const config = load({
      env: {
        WATCHFLOOR_MODE: "",
        WATCHFLOOR_PORT: "tcp://10.0.0.1:80",
        WATCHFLOOR_HTTP_PORT: "tcp://10.0.0.1:8080",
        WATCHFLOOR_SERVICE_HOST: "10.0.0.1",
        WATCHFLOOR_SERVICE_PORT_HTTP: "80",
        WATCHFLOOR_PORT_80_TCP_ADDR: "10.0.0.1",
      },
    });
    assert.equal(config.mode, null);
    assert.equal(config.http.port, 8080);
  });

  it("names key and origin of a setting it does not know", () => {
    refused(
      { env: { WATCHFLOOR_MOED: "observe" } },
      "config_invalid",
      /environment: WATCHFLOOR_MOED is not a known setting/,
    );
    yaml("http:\n  prot: 1\n");
    refused({}, "config_invalid", /watchfloor\.yaml: http\.prot is not a known setting/);
    yaml("nats: hello\n");
    refused({}, "config_invalid", /watchfloor\.yaml: nats must be a mapping/);
    yaml("- a\n");
    refused({}, "config_invalid", /watchfloor\.yaml: the file must be a mapping/);
  });

  for (const [name, value, rule] of [
    ["WATCHFLOOR_MODE", "enforced", /mode must be one of observe, recommend, enforce/],
    ["WATCHFLOOR_TRANSPORT", "redis", /transport must be one of local, memory, nats/],
    ["WATCHFLOOR_HTTP_PORT", "80a", /http\.port must be a whole number from 0 to 65535/],
    ["WATCHFLOOR_HTTP_PORT", "70000", /http\.port must be a whole number/],
    ["WATCHFLOOR_ALERT_BUDGET", "0", /alertBudget must be over 0/],
    ["WATCHFLOOR_SHARDS", "0", /shards must be a whole number from 1/],
    ["WATCHFLOOR_EXIT_WHEN_IDLE", "yes", /exitWhenIdle must be true or false/],
    ["ANTHROPIC_BASE_URL", "api.example", /model\.baseUrl must be an http or https URL/],
    ["WATCHFLOOR_LEARNING_MS", "24h", /learningMs must be a whole number/],
  ] as const) {
    it(`refuses ${name}=${value} with the field and its rule`, () => {
      refused(
        { env: { [name]: value } },
        "config_invalid",
        new RegExp(`env ${name}: ${rule.source}`),
      );
    });
  }

  it("refuses an agent kind that does not exist, and names those that do", () => {
    refused(
      { flags: { agents: "ingest,janitor" } },
      "unknown_kind",
      /janitor; known: ingest, coordinator/,
    );
  });

  it("refuses a folder without a file only where one was asked for", () => {
    refused(
      { folder: join(cwd, "nowhere") },
      "config_unreadable",
      /nowhere\/watchfloor\.yaml: there is no such file/,
    );
    refused(
      { env: { WATCHFLOOR_CONFIG: "nowhere" } },
      "config_unreadable",
      /there is no such file/,
    );
    yaml("a: [\n");
    refused({}, "config_unreadable", /is not YAML/);
  });

  it("gives Kafka's client what belongs together, with files read and the password masked", () => {
    writeFileSync(join(cwd, "ca.pem"), "ca");
    yaml("kafka: { tls: { ca: ca.pem }, sasl: { mechanism: scram-sha-256, username: u } }\n");
    const config = load({
      env: { KAFKA_BROKERS: "a:9092, [::1]:9092", KAFKA_SASL_PASSWORD: "secret-word" },
      flags: { "kafka.topic": "events" },
    });
    assert.deepEqual(config.kafka, {
      brokers: ["a:9092", "[::1]:9092"],
      topic: "events",
      group: "watchfloor",
      deadLetterTopic: "events.dead-letters",
      sessionTimeoutMs: 30_000,
      tls: { ca: "ca", cert: null, key: null },
      sasl: { mechanism: "scram-sha-256", username: "u", password: "secret-word" },
    });
    assert.equal(origin(config, "kafka.topic"), "flag --topic");
    assert.ok(!JSON.stringify(config.shown).includes("secret-word"));
  });

  for (const [what, env, text] of [
    ["a broker without a port", { KAFKA_BROKERS: "a" }, /kafka\.brokers must be host:port/],
    [
      "a topic that Kafka would refuse",
      { KAFKA_TOPIC: "a/b" },
      /kafka\.topic must be a topic's name/,
    ],
    [
      "dead letters in the topic itself",
      { WATCHFLOOR_KAFKA_DEAD_LETTER_TOPIC: "falco" },
      /must not be kafka\.topic/,
    ],
    ["a user without a mechanism", { KAFKA_SASL_USERNAME: "u" }, /needs kafka\.sasl\.mechanism/],
    [
      "a mechanism without a user",
      { WATCHFLOOR_KAFKA_SASL_MECHANISM: "plain" },
      /needs kafka\.sasl\.username and kafka\.sasl\.password/,
    ],
    [
      "a password that would be sent readably",
      {
        KAFKA_BROKERS: "kafka:9092",
        KAFKA_SASL_USERNAME: "u",
        KAFKA_SASL_PASSWORD: "p",
        WATCHFLOOR_KAFKA_SASL_MECHANISM: "plain",
      },
      /it needs kafka\.tls/,
    ],
    [
      "an end of what has none",
      { KAFKA_BROKERS: "a:1", WATCHFLOOR_EXIT_WHEN_IDLE: "true" },
      /exitWhenIdle does not go with kafka\.brokers/,
    ],
  ] as const) {
    it(`refuses, of Kafka, ${what}`, () => refused({ env }, "config_invalid", text));
  }
});
