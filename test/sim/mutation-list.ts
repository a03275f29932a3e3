/** The boundary of: the ways in which the runtime is broken to prove that the checkers notice. */

export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly from: string;
  readonly to: string;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "the journal takes an append without its fence",
    file: "transports/memory.ts",
    from: "if (last !== expected) return { appended: false, last };",
    to: "if (last < expected) return { appended: false, last };",
  },
  {
    name: "turns leave before they are appended",
    file: "supervisor/shard.ts",
    from: "      await this.#append(pack);\n      this.#uncommitted = [];\n      if (this.ended) return;\n      this.#release(pack);",
    to: "      this.#release(pack);\n      await this.#append(pack);\n      this.#uncommitted = [];",
  },
  {
    name: "a fenced append counts as done",
    file: "supervisor/commit.ts",
    from: 'throw new WatchfloorError("fenced", { shard });',
    to: "return expected + texts.length;",
  },
  {
    name: "an append without an answer counts as done",
    file: "supervisor/commit.ts",
    from: "if (!isUnknown(error) || attempt >= RETRY.attemptsMax || committer.ended()) throw error;",
    to: "if (isUnknown(error)) return expected + texts.length;\n      if (attempt >= RETRY.attemptsMax) throw error;",
  },
  {
    name: "an append without an answer is sent with another expectation",
    file: "supervisor/commit.ts",
    from: "const result = await journal.append(shard, expected, texts);",
    to: "const at = attempt === 1 ? expected : await journal.last(shard);\n      const result = await journal.append(shard, at, texts);",
  },
  {
    name: "an outbox entry is forgotten",
    file: "supervisor/shard.ts",
    from: "for (const envelope of record.outbox) this.#host.deliver(envelope, this);",
    to: "for (const envelope of record.outbox) if ((envelope.seq ?? 0) % 7 !== 3) this.#host.deliver(envelope, this);",
  },
  {
    name: "what is unsettled is not sent again by the next owner",
    file: "supervisor/runner.ts",
    from: "    shard.begin();\n    this.#sendAgain(shard);",
    to: "    shard.begin();",
  },
  {
    name: "a checkpoint leaves out what is unsettled",
    file: "supervisor/state.ts",
    from: "unsettled: [...this.unsettled.values()],",
    to: "unsettled: [],",
  },
  {
    name: "an envelope is settled before its receiver's turn is committed",
    file: "supervisor/runner.ts",
    from: "if (shard?.takes(envelope)) shard.receive(envelope);",
    to: "if (shard?.takes(envelope)) {\n      shard.receive(envelope);\n      sender.settle(envelope);\n    }",
  },
  {
    name: "what a shard that moved had in memory is not sent to its mailbox",
    file: "supervisor/runner.ts",
    from: "if (receiverOf(envelope) === id) this.#posting.post(id, envelope, sender);",
    to: "if (receiverOf(envelope) === id) sender.settle(envelope);",
  },
  {
    name: "turns that are not appended are sent when their receiver moves",
    file: "supervisor/shard.ts",
    from: "return [...this.#state.unsettled.values()].filter(({ id }) => !early.has(id));",
    to: "return [...this.#state.unsettled.values()];",
  },
  {
    name: "a failed publish is not sent again",
    file: "supervisor/posting.ts",
    from: "queue.posts = [...batch, ...queue.posts];",
    to: "for (const { sender, envelope } of batch) sender.settle(envelope);",
  },
  {
    name: "a repeat is applied again",
    file: "supervisor/state.ts",
    from: "return source.also ? this.marks.applied(source.also.shard, source.also.seq) : false;",
    to: "return false;",
  },
  {
    name: "the marks of a checkpoint are not read",
    file: "supervisor/state.ts",
    from: "this.marks = Marks.from(checkpoint.marks);",
    to: "this.marks = Marks.from({});",
  },
  {
    name: "the sequences of a checkpoint are not read",
    file: "supervisor/state.ts",
    from: "this.sent = { ...checkpoint.sent };",
    to: "",
  },
  {
    name: "the cursor of the mailbox is forgotten at a take-over",
    file: "supervisor/inlet.ts",
    from: "this.#cursor = this.#state.mailboxMark;",
    to: "this.#cursor = this.#state.mailboxMark + 1;",
  },
  {
    name: "what is ahead of its turn is admitted",
    file: "supervisor/admission.ts",
    from: "return seq <= this.#next(sender);",
    to: "return seq > -Infinity || seq <= this.#next(sender);",
  },
  {
    name: "an envelope is handed over in memory past others on their way by mailbox",
    file: "supervisor/shard.ts",
    from: '(this.#phase === "running" || this.#phase === "stopping") &&\n      this.#line.expects(shard ?? "", seq ?? 0)',
    to: '(this.#phase === "running" || this.#phase === "stopping") && (shard ?? seq) !== undefined',
  },
  {
    name: "a call begins before its turn is appended",
    file: "supervisor/shard.ts",
    from: "      this.#uncommitted = pack;\n",
    to: "      this.#uncommitted = pack;\n      for (const { applied } of pack)\n        for (const call of applied?.started ?? []) this.#start(applied!.actor, call);\n",
  },
  {
    name: "calls of the tail are not recovered",
    file: "supervisor/recover.ts",
    from: "if (record.calls.length > 0) calling.set(actor, record);",
    to: "",
  },
  {
    name: "calls of cold actors are not looked up",
    file: "supervisor/recover.ts",
    from: "const calling = await recordsOf(definition, host, cold);",
    to: "const calling = await recordsOf(definition, host, cold.slice(0, 0));",
  },
  {
    name: "timers of cold actors are not looked up",
    file: "supervisor/load.ts",
    from: "    due.push(...found);\n",
    to: "",
  },
  {
    name: "a call that may have taken effect is begun again without a look",
    file: "supervisor/calls.ts",
    from: 'if (!order.recovered || binding.recovery === "retry") return binding.run(call.input, context);',
    to: "if (order.actor !== undefined) return binding.run(call.input, context);",
  },
  {
    name: "a result of a superseded call is applied",
    file: "supervisor/apply.ts",
    from: "return record?.calls.some((call) => call.id === input.call.id) ? input : null;",
    to: "return record ? input : null;",
  },
  {
    name: "a timer is restored late",
    file: "supervisor/look-ahead.ts",
    from: "timers.add(due);",
    to: "timers.add({ ...due, dueAt: due.dueAt + 1_000_000 });",
  },
  {
    name: "a timer fires early",
    file: "supervisor/timers.ts",
    from: "if (first === undefined || first.dueAt > now) break;",
    to: "if (first === undefined || first.dueAt > now + 400) break;",
  },
  {
    name: "a timer that fired stays armed",
    file: "supervisor/turn.ts",
    from: 'if (input.input === "timer") timers.delete(input.timer.name);',
    to: "",
  },
  {
    name: "nothing looks at the lease before an effect",
    file: "supervisor/calls.ts",
    from: "return clock.steady() < tenure.actUntil;",
    to: "return clock.steady() < tenure.actUntil + 1e9;",
  },
  {
    name: "a runner whose lease passed goes on",
    file: "supervisor/lease.ts",
    from: "    this.#until = -Infinity;\n    this.#cancelEnd();\n    this.#options.passed();",
    to: "    this.#cancelEnd();",
  },
  {
    name: "a lease runs from the answer, not from the question",
    file: "supervisor/lease.ts",
    from: "    this.#revision = revision;\n    this.#extend(began);",
    to: "    this.#revision = revision;\n    this.#extend(began > 0 ? clock.steady() : began);",
  },
  {
    name: "a zombie may write the state",
    file: "transports/memory.ts",
    from: "if (epoch < (this.#epochs.get(shard) ?? 0))",
    to: "if (epoch < 0)",
  },
  {
    name: "the journal is trimmed before the state is stored",
    file: "supervisor/flush.ts",
    from: "    await store.write(puts, owner);",
    to: "    await journal.trim(this.#state.shard, checkpoint.upTo + 1);\n    await store.write(puts, owner);",
  },
  {
    name: "a checkpoint is taken while a pack is in flight",
    file: "supervisor/shard.ts",
    from: "between: () => this.#pumping === null,",
    to: "between: () => true,",
  },
  {
    name: "what is written behind forgets a failed write",
    file: "supervisor/flush.ts",
    from: "      .catch((error: unknown) => this.#host.failed(error))",
    to: "      .catch(() => {})",
  },
  {
    name: "a ring that comes while the mailbox is read is lost",
    file: "supervisor/inlet.ts",
    from: "    if (this.#reading) {\n      this.#again = true;\n      return;\n    }",
    to: "    if (this.#reading) return;",
  },
  {
    name: "a mailbox is trimmed beyond what is checkpointed",
    file: "supervisor/flush.ts",
    from: "await mailbox.trim(this.#state.shard, trimmable);",
    to: "await mailbox.trim(this.#state.shard, trimmable + 1);",
  },
  {
    name: "a dead letter does not advance the mark",
    file: "supervisor/state.ts",
    from: 'if ("source" in record) this.markApplied(record.source);',
    to: 'if ("source" in record && record.r !== "dead") this.markApplied(record.source);',
  },
  {
    name: "a dead letter raises nothing",
    file: "supervisor/letters.ts",
    from: 'if (item.actor.startsWith("coordinator/fault-")) return [];',
    to: 'if (item.actor.startsWith("coordinator/")) return [];',
  },
  {
    name: "a claimant takes over without reading the tail",
    file: "supervisor/recover.ts",
    from: "if (position > upTo) state.absorb(record);",
    to: "if (position > upTo + 1e9) state.absorb(record);",
  },
  {
    name: "a shard is opened by two: its title is not compared",
    file: "transports/memory-leases.ts",
    from: "if ((this.#stored.get(key)?.revision ?? 0) !== expected) return null;",
    to: 'if (!key.includes("/shards/") && (this.#stored.get(key)?.revision ?? 0) !== expected) return null;',
  },
  {
    name: "a dead runner's shards are left alone",
    file: "supervisor/census.ts",
    from: "return asked - seen.at <= LIMITS.leaseMs + LIMITS.leaseGraceMs;",
    to: "return asked - seen.at <= 1e9;",
  },
  {
    name: "a shard that failed is never taken again",
    file: "supervisor/ownership.ts",
    from: "    if (to === runnerId) this.#move(this.#take(shard, revision, title));",
    to: "    if (to === runnerId && !this.#retakeAt.has(shard)) this.#move(this.#take(shard, revision, title));",
  },
  {
    name: "the history is chained to the wrong entry",
    file: "supervisor/turn.ts",
    from: "head: history ? { n: history.n, hash: history.hash } : before.head,",
    to: "head: history ? { n: history.n, hash: history.prev } : before.head,",
  },
  {
    name: "the companion is stored ahead of the journal",
    file: "supervisor/inlet.ts",
    from: "if (!this.#companion || this.#ahead || this.#outstanding > 0) return null;",
    to: "if (!this.#companion) return null;",
  },
];
