/**
 * The boundary of: settings and where they come from. Flags over environment over `watchfloor.yaml`
 * over defaults; parsed once, then frozen. Every value keeps its origin.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseDocument } from "yaml";
import { WatchfloorError } from "../machines/errors.ts";
import { KINDS } from "../machines/protocol.ts";
import { readKafka, type KafkaConfig } from "./config.kafka.ts";
import { SETTINGS, SettingsSchema, type Setting, type Settings } from "./config.schema.ts";

const CONFIG_FILE = "watchfloor.yaml";

export interface ConfigSources {
  /** By setting's name; undefined is not given. Texts are read as variables are. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** `--config`; null looks in the working folder, where no file is needed. */
  readonly folder: string | null;
}

/** One setting as `watchfloor config` shows it. */
interface ShownSetting {
  readonly setting: string;
  /** Masked where it is secret. */
  readonly value: unknown;
  /** `flag --http`, `env NATS_URL`, a file, or `default`. */
  readonly origin: string;
  /** No adapter of this version uses it. */
  readonly unused: boolean;
}

/** Mutual TLS as PEM texts, read from the files that the settings name. */
interface Tls {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

type Http = Omit<Settings["http"], "tls"> & { readonly tls: Tls | null };

export interface Config extends Omit<DeepReadonly<Settings>, "http" | "kafka"> {
  readonly http: Readonly<Http>;
  readonly kafka: KafkaConfig;
  readonly shown: readonly ShownSetting[];
}

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

interface Found {
  readonly value: unknown;
  readonly origin: string;
}

const MASK = "********";

/**
 * Throws `config_unreadable` for a file that cannot be read, `config_invalid` with origin, field and
 * rule for an unknown or wrong setting, `unknown_kind` for an agent kind that does not exist.
 */
export function loadConfig(sources: ConfigSources): Config {
  const file = readFile(sources);
  refuseUnknownVariables(sources.env);
  const found = new Map<string, Found>();
  const values = new Map<string, unknown>();
  for (const setting of SETTINGS) {
    const raw = flagOf(setting, sources) ?? variableOf(setting, sources) ?? file.get(setting.name);
    const value = checked(setting, raw ?? { value: undefined, origin: "default" });
    const folder = raw?.origin === file.path ? file.folder : sources.cwd;
    values.set(setting.name, setting.meta.path ? absolute(value, folder) : value);
    found.set(setting.name, raw ?? { value, origin: "default" });
  }
  const settings = SettingsSchema.parse(nested(values));
  const http = { ...settings.http, tls: readTls(settings.http.tls, found) };
  const shown = SETTINGS.map((setting) => show(setting, values.get(setting.name), found));
  const kafka = readKafka(settings, {
    origin: (name) => found.get(name)?.origin ?? "default",
    text: (path) => readText(path, false) ?? "",
  });
  return deepFreeze({ ...settings, http, kafka, shown });
}

/** Sentences about settings that were given and that this version does not use. */
export function unusedSettings(config: Config): string[] {
  return config.shown
    .filter(({ unused, origin }) => unused && origin !== "default")
    .map(({ setting, origin }) => `${setting} (${origin}) is not used by this version.`);
}

// ---- Flags and variables -----------------------------------------------------------------------

function flagOf({ name, meta }: Setting, { flags }: ConfigSources): Found | undefined {
  const given = flags[name];
  if (given === undefined) return undefined;
  const origin = `flag ${flagName(name)}`;
  return { value: typeof given === "string" ? fromText(given, meta.text) : given, origin };
}

const FLAG_OF: Readonly<Record<string, string>> = {
  "http.host": "--http",
  "http.port": "--http",
  "inspect.enabled": "--inspect",
  "kafka.brokers": "--kafka",
  "kafka.topic": "--topic",
};

function flagName(name: string): string {
  const dashed = name.replaceAll(".", "-").replace(/([a-z])([A-Z])/g, "$1-$2");
  return FLAG_OF[name] ?? `--${dashed.toLowerCase()}`;
}

function variableOf({ variables, meta }: Setting, { env }: ConfigSources): Found | undefined {
  for (const name of variables) {
    const text = env[name];
    // Empty is how a deployment says "not set".
    if (text === undefined || text === "" || isServiceLink(name, text)) continue;
    return { value: fromText(text, meta.text), origin: `env ${name}` };
  }
  return undefined;
}

/** A text that is no number or boolean is handed on as it is: the schema then says what it must be. */
function fromText(text: string, as: "number" | "boolean" | "list" | undefined): unknown {
  const trimmed = text.trim();
  if (as === "number") return /^-?\d+(\.\d+)?(e-?\d+)?$/i.test(trimmed) ? Number(trimmed) : text;
  if (as === "list") return trimmed.split(",").map((item) => item.trim());
  if (as !== "boolean") return text;
  if (trimmed === "true" || trimmed === "1") return true;
  return trimmed === "false" || trimmed === "0" ? false : text;
}

const VARIABLES = new Set(SETTINGS.flatMap((setting) => setting.variables));
/** Named on the command line or here, not among the settings. */
const CONFIG_VARIABLE = "WATCHFLOOR_CONFIG";

function refuseUnknownVariables(env: ConfigSources["env"]): void {
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("WATCHFLOOR_") || VARIABLES.has(name) || name === CONFIG_VARIABLE)
      continue;
    if (isServiceLink(name, text ?? "")) continue;
    throw invalid("environment", name, "is not a known setting");
  }
}

/** What Kubernetes puts into a pod beside a Service whose name begins with `watchfloor`. */
function isServiceLink(name: string, text: string): boolean {
  if (name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(text)) return true;
  return /_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(
    name,
  );
}

// ---- The file ----------------------------------------------------------------------------------

interface ConfigFile {
  readonly path: string;
  readonly folder: string;
  get(name: string): Found | undefined;
}

function readFile({ cwd, folder, env }: ConfigSources): ConfigFile {
  const named = folder ?? (env[CONFIG_VARIABLE] || null);
  const at = resolve(cwd, named ?? ".");
  const path = join(at, CONFIG_FILE);
  const text = readText(path, named === null);
  const values = new Map<string, unknown>();
  if (text !== null) flatten(path, parsedYaml(path, text), [], values);
  const get = (name: string): Found | undefined =>
    values.has(name) ? { value: values.get(name), origin: path } : undefined;
  return { path, folder: at, get };
}

function readText(path: string, mayBeMissing: boolean): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" && mayBeMissing) return null;
    const why = code === "ENOENT" ? "there is no such file" : (code ?? "it is unreadable");
    throw new WatchfloorError("config_unreadable", { path, why }, { cause });
  }
}

function parsedYaml(path: string, text: string): unknown {
  const document = parseDocument(text);
  const [fault] = document.errors;
  if (fault === undefined) return document.toJS({ maxAliasCount: 10 }) ?? {};
  const why = `line ${fault.linePos?.[0].line ?? 1} is not YAML`;
  throw new WatchfloorError("config_unreadable", { path, why });
}

const NAMES = new Set(SETTINGS.map((setting) => setting.name));

/** Leaves of the file by name; a name that no setting has is an error, wherever it stands. */
function flatten(
  path: string,
  value: unknown,
  at: readonly string[],
  values: Map<string, unknown>,
): void {
  const name = at.join(".");
  if (NAMES.has(name)) return void values.set(name, value);
  const isBranch = name === "" || SETTINGS.some((setting) => setting.name.startsWith(`${name}.`));
  if (!isBranch) throw invalid(path, name, "is not a known setting");
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(path, name === "" ? "the file" : name, "must be a mapping of settings");
  }
  for (const [key, inner] of Object.entries(value)) flatten(path, inner, [...at, key], values);
}

// ---- Checking ----------------------------------------------------------------------------------

function checked({ name, schema }: Setting, { value, origin }: Found): unknown {
  if (name === "agents" && Array.isArray(value)) refuseUnknownKinds(value);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid(origin, name, parsed.error.issues[0]?.message ?? "is not valid");
}

function refuseUnknownKinds(values: readonly unknown[]): void {
  const unknown = values.find((value) => !(KINDS as readonly unknown[]).includes(value));
  if (unknown === undefined) return;
  throw new WatchfloorError("unknown_kind", {
    kind: typeof unknown === "string" ? unknown.slice(0, 64) : typeof unknown,
    known: KINDS.join(", "),
  });
}

function absolute(value: unknown, folder: string): unknown {
  return typeof value === "string" && value !== "-" ? resolve(folder, value) : value;
}

function nested(values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [name, value] of values) {
    const path = name.split(".");
    let branch = root;
    for (const key of path.slice(0, -1)) branch = (branch[key] ??= {}) as Record<string, unknown>;
    branch[path.at(-1)!] = value;
  }
  return root;
}

function readTls(files: Settings["http"]["tls"], found: ReadonlyMap<string, Found>): Tls | null {
  const { key, cert, ca } = files;
  if (key === null && cert === null && ca === null) return null;
  if (key === null || cert === null || ca === null) {
    const missing = Object.entries(files).find(([, path]) => path === null)?.[0] ?? "key";
    const given = Object.entries(files).find(([, path]) => path !== null)?.[0] ?? "key";
    const origin = found.get(`http.tls.${given}`)?.origin ?? "http.tls";
    throw invalid(origin, `http.tls.${missing}`, "must be set too: TLS is mutual");
  }
  const read = (path: string): string => readText(path, false) ?? "";
  return { key: read(key), cert: read(cert), ca: read(ca) };
}

function invalid(origin: string, field: string, rule: string): WatchfloorError {
  return new WatchfloorError("config_invalid", { origin, field, rule });
}

// ---- Showing -----------------------------------------------------------------------------------

function show(
  { name, meta }: Setting,
  value: unknown,
  found: ReadonlyMap<string, Found>,
): ShownSetting {
  const origin = found.get(name)?.origin ?? "default";
  return { setting: name, value: masked(value, meta.secret), origin, unused: meta.unused === true };
}

function masked(value: unknown, secret: true | "url" | undefined): unknown {
  if (typeof value !== "string" || secret === undefined) return value;
  if (secret === true) return MASK;
  // Whatever stands before the last @ of the authority may be a password; so may a query.
  return value.replace(/\/\/[^/]*@/g, `//${MASK}@`).replace(/\?.*$/, `?${MASK}`);
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === "object" && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}
