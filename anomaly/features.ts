/**
 * The boundary of: an event and its row. Seventeen numbers, most of them against what was seen
 * before, in bounded memory. An event is measured first and learnt afterwards, so that it is never
 * its own precedent.
 */
import type { Entity, FalcoEvent } from "../machines/vocabulary.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { Containers } from "./containers.ts";
import { FieldGaps, type RuleGaps } from "./gaps.ts";
import { Hasher } from "./hash.ts";
import { Hours } from "./hours.ts";
import {
  commandShape,
  directoryOf,
  exeWritable,
  interactiveOf,
  pathSensitivity,
  priorityOf,
  privilegeOf,
  remoteOf,
  textOf,
} from "./measures.ts";
import { DecayClock, Sketch } from "./sketch.ts";

interface Feature {
  readonly name: string;
  /** The largest value that is still told from a larger one by the model. */
  readonly max: number;
  readonly whole: boolean;
  /** High because something is new here, not because of what it does. */
  readonly rarity: boolean;
}

/** The columns of a row, in order. */
export const FEATURES: readonly Feature[] = [
  { name: "rule_priority", max: 7, whole: true, rarity: false },
  { name: "rule_rarity", max: 16, whole: false, rarity: true },
  { name: "proc_rarity", max: 16, whole: false, rarity: true },
  { name: "pair_rarity", max: 16, whole: false, rarity: true },
  { name: "exe_writable", max: 2, whole: true, rarity: false },
  { name: "cmd_len", max: 8.4, whole: false, rarity: false },
  { name: "cmd_entropy", max: 8, whole: false, rarity: false },
  { name: "cmd_meta", max: 4, whole: false, rarity: false },
  { name: "path_sensitivity", max: 3, whole: true, rarity: false },
  { name: "path_rarity", max: 16, whole: false, rarity: true },
  { name: "remote_class", max: 4, whole: true, rarity: false },
  { name: "port_rarity", max: 16, whole: false, rarity: true },
  { name: "privilege", max: 4, whole: true, rarity: false },
  { name: "interactive", max: 1, whole: true, rarity: false },
  { name: "hour_rarity", max: 12, whole: false, rarity: true },
  { name: "rate", max: 9, whole: false, rarity: false },
  { name: "novelty", max: 6, whole: false, rarity: false },
];
export const COLUMNS = FEATURES.length;

const FORMAT = { kind: "FEAT", version: 2 };
/** Names there may be: the weight of all the unseen, each as if sighted once. */
const VOCABULARY = 64;
/**
 * Sightings that what is known of all images is worth within one: a name that is new to an image
 * and common elsewhere is a little rare, one that nobody has ever seen is very rare.
 */
const PRIOR = 8;
/** Of each name: in all images, all names, the name here, all names here. */
const KEYS = 4;
/** A container as quiet as this is simply quiet: only more of either says something. */
const RATE_MIN = 2;
const KINDS_MIN = 3;
/** What is counted; each in a sketch of its own. */
const RULE = 0;
const PROC = 1;
const PAIR = 2;
const PATH = 3;
const PORT = 4;
const COUNTED = [RULE, PROC, PAIR, PATH, PORT];
/** Kinds of hashed keys beside those. */
const TOTAL_KEY = 16;
const IMAGE_KEY = 17;
const CONTAINER_KEY = 18;
const NAMESPACE_KEY = 19;
const KIND_KEY = 20;

export class FeatureExtractor {
  private readonly hasher: Hasher;
  private readonly clock = new DecayClock();
  private readonly sketches = COUNTED.map(() => new Sketch());
  private readonly containers = new Containers();
  private readonly hours = new Hours();
  private readonly gaps = new FieldGaps();
  /** Both lanes of the measured event's keys, for each sketch. */
  private readonly lanes = new Uint32Array(COUNTED.length * KEYS * 2);
  private readonly present = new Uint8Array(COUNTED.length);
  private image = { a: 0, b: 0 };
  private container = 0;
  private namespace = 0;
  private kind = 0;
  private atMs = 0;

  /** @param seed of the hashes; a checkpoint can only be restored under the seed that made it */
  constructor(seed: number) {
    this.hasher = new Hasher(seed);
  }

  /** Fills `row` with the event's 17 features as of `atMs`; remembers what `learn` will need. */
  measure(event: FalcoEvent, entity: Entity, atMs: number, row: Float32Array): void {
    const { fields } = event;
    if (this.clock.advance(atMs)) this.rescale();
    this.atMs = atMs;
    this.gaps.count(event);
    this.identify(event, entity);
    const command = textOf(fields, "proc.cmdline") ?? "";
    const shape = commandShape(command);
    const remote = remoteOf(fields);
    this.measureRarities(event, remote.port, 0, row);
    row[0] = priorityOf(event);
    row[4] = exeWritable(fields);
    row[5] = shape.length;
    row[6] = shape.entropy;
    row[7] = shape.meta;
    row[8] = pathSensitivity(fields, command);
    row[10] = remote.class;
    row[12] = privilegeOf(fields);
    row[13] = interactiveOf(fields);
    row[15] = Math.log1p(Math.max(RATE_MIN, this.containers.rate(this.container, atMs)));
    row[16] = Math.log1p(Math.max(KINDS_MIN, this.containers.kinds(this.container, atMs)));
  }

  /**
   * Measures the rarities of an event that was learnt at this age again, as if everything else
   * were known and only itself were not. `ageHours` is what `learn` answered.
   */
  recall(event: FalcoEvent, entity: Entity, ageHours: number | null, row: Float32Array): void {
    this.atMs = atMsOf(event);
    this.identify(event, entity);
    const own = ageHours === null ? 0 : this.clock.remaining(ageHours);
    this.measureRarities(event, remoteOf(event.fields).port, own, row);
  }

  /** Takes the event that was measured last into memory. Its age, or null if it was one too many. */
  learn(): number | null {
    const weight = this.clock.weight();
    if (!this.containers.learn(this.container, this.atMs, this.kind)) return null;
    this.hours.learn(this.namespace, this.atMs, weight);
    for (const table of COUNTED) {
      if (this.present[table] === 0) continue;
      for (let key = table * KEYS; key < (table + 1) * KEYS; key += 1) {
        this.sketches[table]!.add(this.lanes[key * 2]!, this.lanes[key * 2 + 1]!, weight);
      }
    }
    return this.clock.age();
  }

  /** Missing fields by rule since start. */
  fieldGaps(): Readonly<Record<string, RuleGaps>> {
    return this.gaps.snapshot();
  }

  save(): Uint8Array {
    const writer = new ByteWriter();
    this.clock.save(writer);
    for (const sketch of this.sketches) sketch.save(writer);
    this.containers.save(writer);
    this.hours.save(writer);
    return writer.seal(FORMAT);
  }

  /** @throws `model_unreadable`; this extractor is then of no use */
  load(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes, FORMAT);
    this.clock.load(reader);
    for (const sketch of this.sketches) sketch.load(reader);
    this.containers.load(reader);
    this.hours.load(reader);
    reader.end();
  }

  private identify({ fields, hostname }: FalcoEvent, entity: Entity): void {
    const { hasher } = this;
    const onHost = fields["container.id"] === "host";
    const image = textOf(fields, "container.image.repository") ?? (onHost ? "host" : "");
    hasher.start(IMAGE_KEY).text(image).end();
    this.image = { a: hasher.a, b: hasher.b };
    const container = textOf(fields, "container.id") ?? entity.pod ?? "";
    this.container = hasher.start(CONTAINER_KEY).text(hostname).text(container).end().key();
    const place = entity.namespace ?? entity.key;
    this.namespace = hasher.start(NAMESPACE_KEY).text(place).end().key();
  }

  private measureRarities(
    event: FalcoEvent,
    port: number | null,
    own: number,
    row: Float32Array,
  ): void {
    const { fields } = event;
    const name = textOf(fields, "proc.name");
    const parent = textOf(fields, "proc.pname");
    const directory = directoryOf(fields);
    const service = port === null ? null : String(port);
    row[1] = this.rarity(RULE, event.rule, null, own);
    row[2] = this.rarity(PROC, name, null, own);
    row[3] = this.rarity(PAIR, parent === null ? null : name, parent, own);
    row[9] = this.rarity(PATH, directory, null, own);
    row[11] = this.rarity(PORT, service, null, own);
    row[14] = this.hours.rarity(this.namespace, this.atMs, this.clock.weight(), own);
    this.hasher
      .start(KIND_KEY)
      .text(event.rule)
      .text(name ?? "")
      .text(directory ?? "");
    this.kind = this.hasher.end().a;
  }

  /** -ln of the expected share of this name within the image; 0 where the event has no name. */
  private rarity(table: number, text: string | null, second: string | null, own: number): number {
    this.present[table] = text === null ? 0 : 1;
    if (text === null) return 0;
    const { hasher, image } = this;
    hasher.start(table).text(text);
    if (second !== null) hasher.text(second);
    const { a, b } = hasher;
    const anywhere = this.count(table, 0, own);
    hasher.start(TOTAL_KEY);
    const all = this.count(table, 1, own);
    hasher.from(a ^ image.a, b ^ image.b, IMAGE_KEY);
    const here = this.count(table, 2, own);
    hasher.from(image.a, image.b, TOTAL_KEY);
    const total = this.count(table, 3, own);
    const expected = (anywhere + 1) / (all + VOCABULARY);
    return -Math.log((here + PRIOR * expected) / (total + PRIOR));
  }

  /** The count of the key in the hasher, which is kept for `learn`. */
  private count(table: number, key: number, own: number): number {
    const { a, b } = this.hasher.end();
    this.lanes[(table * KEYS + key) * 2] = a;
    this.lanes[(table * KEYS + key) * 2 + 1] = b;
    return Math.max(0, this.sketches[table]!.count(a, b, this.clock.weight()) - own);
  }

  private rescale(): void {
    const by = this.clock.rescale();
    for (const sketch of this.sketches) sketch.divide(by);
    this.hours.divide(by);
  }
}

/** Milliseconds of an event's time, which is nanoseconds in decimal. */
export function atMsOf(event: FalcoEvent): number {
  return Number(event.timeNs.slice(0, -6) || "0");
}
