/**
 * The boundary of: what can be set. One schema; a setting's name, default, rule, variables and
 * whether it is secret stand together, and everything else about settings is derived from here.
 */
import { z } from "zod";
import { KINDS } from "../machines/protocol.ts";
import { MODES } from "../machines/vocabulary.ts";

declare module "zod" {
  interface GlobalMeta {
    /** How a text (a variable, a flag) becomes a value; a text as it is when absent. */
    readonly text?: "number" | "boolean" | "list";
    /** A name the ecosystem already uses, beside `WATCHFLOOR_...`. */
    readonly also?: string;
    /** Never shown. `url`: only what stands before the host is hidden. */
    readonly secret?: true | "url";
    /** A file or folder: relative to the configuration's folder there, else to the working folder. */
    readonly path?: true;
    /** Read and shown, but no adapter of this version uses it. */
    readonly unused?: true;
  }
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const text = (rule: string, max = 1_000) => z.string(rule).min(1, rule).max(max, rule);
const whole = (min: number, max: number) => {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z.int(rule).min(min, rule).max(max, rule);
};
const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, `must be one of ${values.join(", ")}`);
const flag = z.boolean("must be true or false");
const url = z.url({ protocol: /^https?$/, error: "must be an http or https URL" });

const topic = z
  .string("must be a topic's name")
  .regex(/^[A-Za-z0-9._-]{1,249}$/, "must be a topic's name: at most 249 of A-Z a-z 0-9 . _ -");

export const SettingsSchema = z.strictObject({
  data: text("must be a folder").default("./watchfloor-data").meta({ path: true }),
  transport: oneOf(["local", "memory", "nats"]).default("local"),
  /** Agent kinds that this runner hosts. */
  agents: z
    .array(z.enum(KINDS), "must be a list of agent kinds")
    .min(1, "must name at least one agent kind")
    .default([...KINDS])
    .meta({ text: "list" }),
  /** Null takes the parameters' own. */
  mode: oneOf(MODES).nullable().default(null),
  http: z.strictObject({
    host: text("must be a host name or address", 255).default("127.0.0.1"),
    /** 0 takes a free one. */
    port: whole(0, 65_535).default(8080).meta({ text: "number" }),
    secretPath: text("must be a path").nullable().default(null).meta({ secret: true }),
    tls: z.strictObject({
      key: text("must be a PEM file").nullable().default(null).meta({ path: true }),
      cert: text("must be a PEM file").nullable().default(null).meta({ path: true }),
      ca: text("must be a PEM file").nullable().default(null).meta({ path: true }),
    }),
  }),
  /** Share of ordinary events that may become alerts; null takes the parameters' own. */
  alertBudget: z
    .number("must be a number over 0 and up to 0.1")
    .gt(0, "must be over 0")
    .max(0.1, "must be at most 0.1")
    .nullable()
    .default(null)
    .meta({ text: "number" }),
  learningMs: whole(0, 90 * DAY_MS)
    .default(DAY_MS)
    .meta({ text: "number" }),
  approvalExpiryMs: whole(60_000, 90 * DAY_MS)
    .default(72 * HOUR_MS)
    .meta({ text: "number" }),
  /** Shards a kind; fixed at first start. */
  shards: whole(1, 64).default(4).meta({ text: "number" }),
  /** ReviewParameters; null takes the bundled ones. */
  parameters: text("must be a file").nullable().default(null).meta({ path: true }),
  model: z.strictObject({
    apiKey: text("must be a key")
      .nullable()
      .default(null)
      .meta({ secret: true, also: "ANTHROPIC_API_KEY" }),
    baseUrl: url.nullable().default(null).meta({ also: "ANTHROPIC_BASE_URL", secret: "url" }),
    /** Null takes the one that the agent's resource names. */
    id: text("must be a model id", 100).nullable().default(null),
    /** Of one attempt. */
    timeoutMs: whole(1_000, 60_000).default(60_000).meta({ text: "number" }),
  }),
  logLevel: oneOf(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  /** A file of Falco JSON, one event a line; `-` is standard input. */
  replay: text("must be a file or -").nullable().default(null).meta({ path: true }),
  exitWhenIdle: flag.default(false).meta({ text: "boolean" }),
  json: flag.default(false).meta({ text: "boolean" }),
  inspect: z.strictObject({
    enabled: flag.default(false).meta({ text: "boolean" }),
    port: whole(0, 65_535).default(8081).meta({ text: "number" }),
  }),
  /** Whether the bundled day is replayed: `auto` where no source is configured. */
  sample: oneOf(["auto", "always", "never"]).default("auto"),
  sampleSeed: whole(0, 2 ** 32 - 1)
    .default(1)
    .meta({ text: "number" }),
  nats: z.strictObject({
    /** One, or several with commas; null is the server on this machine. */
    url: text("must be a URL").nullable().default(null).meta({ also: "NATS_URL", secret: "url" }),
    /** A folder with a file for each role; null where the server asks for none. */
    credentials: text("must be a folder").nullable().default(null).meta({ path: true }),
  }),
  kafka: z.strictObject({
    /** Null reads no topic. */
    brokers: z
      .array(
        text("must be host:port", 300).regex(
          /^[^\s:/]+:\d+$|^\[[0-9a-fA-F:.]+\]:\d+$/,
          "must be host:port",
        ),
        "must be a list of host:port",
      )
      .min(1, "must name at least one host:port")
      .nullable()
      .default(null)
      .meta({ text: "list", also: "KAFKA_BROKERS" }),
    topic: topic.default("falco").meta({ also: "KAFKA_TOPIC" }),
    group: text("must be a group id", 255).default("watchfloor"),
    /** Null is the topic's name with `.dead-letters`. */
    deadLetterTopic: topic.nullable().default(null),
    sessionTimeoutMs: whole(1_000, 300_000).default(30_000).meta({ text: "number" }),
    tls: z.strictObject({
      /** On as soon as a file is named, too. */
      enabled: flag.default(false).meta({ text: "boolean" }),
      ca: text("must be a PEM file").nullable().default(null).meta({ path: true }),
      cert: text("must be a PEM file").nullable().default(null).meta({ path: true }),
      key: text("must be a PEM file").nullable().default(null).meta({ path: true }),
    }),
    sasl: z.strictObject({
      mechanism: oneOf(["plain", "scram-sha-256", "scram-sha-512"]).nullable().default(null),
      username: text("must be a user name")
        .nullable()
        .default(null)
        .meta({ also: "KAFKA_SASL_USERNAME" }),
      password: text("must be a password")
        .nullable()
        .default(null)
        .meta({ secret: true, also: "KAFKA_SASL_PASSWORD" }),
    }),
  }),
  mattermost: z.strictObject({
    url: url.nullable().default(null).meta({ also: "MATTERMOST_URL", secret: "url", unused: true }),
    token: text("must be a token")
      .nullable()
      .default(null)
      .meta({ also: "MATTERMOST_TOKEN", secret: true, unused: true }),
    channel: text("must be a channel")
      .nullable()
      .default(null)
      .meta({ also: "MATTERMOST_CHANNEL", unused: true }),
  }),
  /** An OPA server that decides; null decides in this process. */
  opa: z.strictObject({
    url: url.nullable().default(null).meta({ also: "OPA_URL", secret: "url" }),
    token: text("must be a token").nullable().default(null).meta({ secret: true }),
  }),
  /** A signed bundle instead of the policy that ships, and the PEM that it is verified by. */
  policy: z.strictObject({
    bundle: text("must be a folder").nullable().default(null).meta({ path: true }),
    verificationKey: text("must be a PEM file").nullable().default(null).meta({ path: true }),
    /** An MCP policy server that the reviewer asks; null asks in this process. */
    server: url.nullable().default(null).meta({ secret: "url" }),
    serverToken: text("must be a token").nullable().default(null).meta({ secret: true }),
  }),
  /** What `watchfloor mcp policy --http` asks every caller for. */
  mcp: z.strictObject({
    token: text("must be a token").nullable().default(null).meta({ secret: true }),
  }),
  kubeconfig: text("must be a file")
    .nullable()
    .default(null)
    .meta({ also: "KUBECONFIG", path: true, unused: true }),
});

export type Settings = z.output<typeof SettingsSchema>;

export interface Setting {
  /** `http.port` */
  readonly name: string;
  readonly schema: z.ZodType;
  readonly meta: z.GlobalMeta;
  /** Variables that set it; the first one set counts. */
  readonly variables: readonly string[];
}

/** Every setting, in the order of the schema. */
export const SETTINGS: readonly Setting[] = settingsOf(SettingsSchema, []);

function settingsOf(branch: z.ZodObject, path: readonly string[]): Setting[] {
  return Object.entries(branch.shape).flatMap(([key, schema]) => {
    const at = [...path, key];
    if (schema instanceof z.ZodObject) return settingsOf(schema, at);
    const leaf = schema as z.ZodType;
    const meta = leaf.meta() ?? {};
    const variables = [variableOf(at), ...(meta.also === undefined ? [] : [meta.also])];
    return [{ name: at.join("."), schema: leaf, meta, variables }];
  });
}

/** `http.secretPath` -> `WATCHFLOOR_HTTP_SECRET_PATH` */
function variableOf(path: readonly string[]): string {
  const words = path.map((word) => word.replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase());
  return ["WATCHFLOOR", ...words].join("_");
}
