/**
 * The boundary of: names. What an event happened to, and the few names of an event that may be
 * shown: each is checked against its grammar, and what does not fit is dropped or replaced.
 */
import type { Entity, FalcoEvent } from "../machines/vocabulary.ts";
import { Memo } from "./memo.ts";

const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN =
  /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*$/;
const SUBDOMAIN_MAX = 253;
/** Kubernetes makes its suffixes of consonants and digits without 0, 1 and 3. */
const SUFFIXES = [
  /-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$/,
  /-\d{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$/,
  /-[bcdfghjklmnpqrstvwxz2456789]{5}$/,
  /-\d{1,5}$/,
];
/** The Docker runtime's form of a container's name in Kubernetes. */
const DOCKER_NAME = /^k8s_([^_]+)_/;
const TECHNIQUE = /^T\d{4}(?:\.\d{3})?$/i;
const TECHNIQUES_MAX = 8;
const RULE_CHARS_MAX = 128;
const SOURCE_CHARS_MAX = 32;

/**
 * `complete`: a container with its namespace, pod and name, or a process of the host itself.
 * `partial`: a container that is not fully named. `missing`: not even a host's name is known.
 */
export function entityOf(event: FalcoEvent): Entity {
  const { hostname, fields } = event;
  const names = [
    fields["k8s.ns.name"],
    fields["k8s.pod.name"],
    fields["container.name"],
    fields["container.id"] === "host" ? "host" : null,
  ];
  // As JSON, so that a number is not the text of it and no name can run into the next.
  const key = JSON.stringify([hostname, ...names]);
  return entities.of(key, () => Object.freeze(entityNamed(event)));
}

const entities = new Memo<Entity>();

function entityNamed(event: FalcoEvent): Entity {
  const host = hostName(event.hostname);
  const namespace = label(event.fields["k8s.ns.name"]);
  const pod = subdomain(event.fields["k8s.pod.name"]);
  const container = containerName(event.fields["container.name"]);
  if (namespace !== null && pod !== null) {
    const workload = workloadOf(pod);
    const identity = container === null ? "partial" : "complete";
    const key = `${namespace}/${workload}/${container ?? "-"}`;
    return { key, namespace, workload, pod, container, host, identity };
  }
  const onHost = event.fields["container.id"] === "host";
  const identity = host === null ? "missing" : onHost ? "complete" : "partial";
  const key = `host/${host ?? "unknown"}`;
  return {
    key,
    namespace,
    workload: null,
    pod,
    container: onHost ? null : container,
    host,
    identity,
  };
}

/** `namespace/workload`, or the host: what is new or known as a whole. */
export function workloadKey(entity: Entity): string {
  return entity.workload === null ? entity.key : `${entity.namespace}/${entity.workload}`;
}

/** The name of what made the pod: without the suffixes its controller added. */
export function workloadOf(pod: string): string {
  for (const suffix of SUFFIXES) {
    const name = pod.replace(suffix, "");
    if (name !== pod && SUBDOMAIN.test(name)) return name;
  }
  return pod;
}

const rules = new Memo<string>();
const sources = new Memo<string>();
const techniques = new Memo<readonly string[]>();

/** A rule's name with only `[A-Za-z0-9 _.,:/()-]`, at most 128 characters; others become `_`. */
export function safeRule(rule: string): string {
  return rules.of(rule, () => safe(rule, RULE_CHARS_MAX));
}

export function safeSource(source: string): string {
  return sources.of(source, () => safe(source, SOURCE_CHARS_MAX));
}

/** Tags in the form of technique ids, upper-cased, at most 8. Whether they exist is not known here. */
export function tagTechniques(tags: readonly string[]): readonly string[] {
  return techniques.of(tags.join("\n"), () => {
    const ids = tags.filter((tag) => TECHNIQUE.test(tag)).map((tag) => tag.toUpperCase());
    return Object.freeze([...new Set(ids)].slice(0, TECHNIQUES_MAX));
  });
}

function safe(text: string, charsMax: number): string {
  return text.slice(0, charsMax).replace(/[^A-Za-z0-9 _.,:/()-]/g, "_");
}

function label(value: unknown): string | null {
  return typeof value === "string" && LABEL.test(value) ? value : null;
}

function subdomain(value: unknown): string | null {
  if (typeof value !== "string" || value.length > SUBDOMAIN_MAX) return null;
  return SUBDOMAIN.test(value) ? value : null;
}

/** Host names come in any case; they compare without it. */
function hostName(value: string): string | null {
  return value.length > SUBDOMAIN_MAX ? null : subdomain(value.toLowerCase());
}

function containerName(value: unknown): string | null {
  if (typeof value !== "string" || value.length > SUBDOMAIN_MAX) return null;
  return label(DOCKER_NAME.exec(value)?.[1] ?? value);
}
