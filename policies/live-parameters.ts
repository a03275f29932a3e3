/**
 * The boundary of: parameters in force and who changes them. One set at a time, read at each decision;
 * a change is checked whole, made durable with who and why, and then replaces the one before it.
 */
import type { Json } from "../machines/protocol.ts";
import type { Person } from "../machines/vocabulary.ts";
import {
  changedParameters,
  differences,
  mergedSpec,
  type ParameterChange,
  type ParameterDifference,
} from "./parameters-change.ts";
import {
  checkedParameters,
  resourceOf,
  type ParametersSpec,
  type ReviewParameters,
} from "./parameters.ts";

/** What others see: the parameters of now. */
export interface Parameters {
  current(): ReviewParameters;
  /** Calls `changed` after every change; the result ends that. */
  subscribe(changed: (parameters: ReviewParameters) => void): () => void;
}

/** One change as it is kept. Entry 1 is the first start. */
export interface ParameterEntry {
  readonly n: number;
  /** Wall clock, ms. */
  readonly at: number;
  readonly who: Person;
  readonly why: string;
  /** `declared`: the file or a flag differs from the last start. `command`: a person set it. */
  readonly origin: "declared" | "command";
  readonly changes: readonly ParameterDifference[];
  readonly name: string;
  readonly revision: string;
  readonly spec: ParametersSpec;
  /** What file and flags said then: what the next ones are compared with. */
  readonly declared: ParametersSpec;
}

/** Where entries are kept. `append` resolves when the entry is durable and is the head. */
export interface ParameterLedger {
  head(): Promise<ParameterEntry | null>;
  append(entry: ParameterEntry): Promise<void>;
}

export interface Cause {
  readonly who: Person;
  readonly why: string;
  /** Wall clock, ms. */
  readonly at: number;
}

/** Makes everything ready that depends on the parameters; the result puts it into force. */
export type Prepare = (next: ReviewParameters) => Promise<() => void>;

const NOTHING_TO_PREPARE: Prepare = async () => () => {};

export class LiveParameters implements Parameters {
  readonly #ledger: ParameterLedger;
  readonly #listeners = new Set<(parameters: ReviewParameters) => void>();
  #entry: ParameterEntry;
  #current: ReviewParameters;
  #prepare: Prepare = NOTHING_TO_PREPARE;
  /** Changes are made one after another. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(ledger: ParameterLedger, entry: ParameterEntry, current: ReviewParameters) {
    this.#ledger = ledger;
    this.#entry = entry;
    this.#current = current;
  }

  /** Opens what is kept, laid over by what file and flags changed since. Throws `config_invalid`. */
  static async open(
    ledger: ParameterLedger,
    declared: ReviewParameters,
    cause: Cause,
  ): Promise<LiveParameters> {
    const head = await ledger.head();
    // What is kept may be of an earlier version: it is checked once the declared ones filled it up.
    const next = head === null ? declared : merged(head, declared);
    const declaredAnew = head === null ? [] : changesOf(head.declared, declared.spec);
    if (head !== null && declaredAnew.length === 0) return new LiveParameters(ledger, head, next);
    const entry: ParameterEntry = {
      ...cause,
      n: (head?.n ?? 0) + 1,
      origin: "declared",
      changes: head === null ? [] : changesOf(head.spec, next.spec),
      ...next,
      declared: declared.spec,
    };
    await ledger.append(entry);
    return new LiveParameters(ledger, entry, next);
  }

  current(): ReviewParameters {
    return this.#current;
  }

  /** The change that made the current ones. */
  entry(): ParameterEntry {
    return this.#entry;
  }

  subscribe(changed: (parameters: ReviewParameters) => void): () => void {
    this.#listeners.add(changed);
    return () => void this.#listeners.delete(changed);
  }

  /** From here on no change comes into force that `prepare` refuses. */
  preparedBy(prepare: Prepare): void {
    this.#prepare = prepare;
  }

  /** A person's change. Rejects with `config_invalid` before anything is changed. */
  set(changes: readonly ParameterChange[], cause: Cause): Promise<ParameterEntry> {
    return this.#inTurn(async () => {
      const next = changedParameters(this.#current, changes);
      return this.#enter(next, this.#entry.declared, cause, "command");
    });
  }

  /** What file and flags say now. Without a difference to the last time nothing happens. */
  declare(declared: ReviewParameters, cause: Cause): Promise<ParameterEntry> {
    return this.#inTurn(async () => {
      if (changesOf(this.#entry.declared, declared.spec).length === 0) return this.#entry;
      return this.#enter(merged(this.#entry, declared), declared.spec, cause, "declared");
    });
  }

  /** Takes over what another runner appended, if it did. */
  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const head = await this.#ledger.head();
      if (head === null || head.n <= this.#entry.n) return;
      const next = parametersOf(head);
      const commit = await this.#prepare(next);
      this.#takeOver(head, next, commit);
    });
  }

  /** Work that must not overlap a change, such as the change of what the parameters are for. */
  between<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(work);
  }

  async #enter(
    next: ReviewParameters,
    declared: ParametersSpec,
    { who, why, at }: Cause,
    origin: ParameterEntry["origin"],
  ): Promise<ParameterEntry> {
    const n = this.#entry.n + 1;
    const changes = changesOf(this.#current.spec, next.spec);
    const entry: ParameterEntry = { n, at, who, why, origin, changes, ...next, declared };
    const commit = await this.#prepare(next);
    await this.#ledger.append(entry);
    this.#takeOver(entry, next, commit);
    return entry;
  }

  #takeOver(entry: ParameterEntry, next: ReviewParameters, commit: () => void): void {
    this.#entry = entry;
    this.#current = next;
    commit();
    for (const listener of this.#listeners) listener(next);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => {});
    return done;
  }
}

/** Checked again: what is kept may be of an earlier version. Throws `config_invalid`. */
function parametersOf({ name, spec }: ParameterEntry): ReviewParameters {
  return checkedParameters(resourceOf(name, structuredClone(spec)), "the kept parameters");
}

function merged({ declared: base, spec }: ParameterEntry, declared: ReviewParameters) {
  const value = mergedSpec(asJson(base), asJson(declared.spec), asJson(spec));
  return checkedParameters(resourceOf(declared.name, value), "parameters");
}

function changesOf(from: ParametersSpec, to: ParametersSpec): ParameterDifference[] {
  return differences(asJson(from), asJson(to));
}

function asJson(spec: ParametersSpec): Json {
  return spec as unknown as Json;
}
