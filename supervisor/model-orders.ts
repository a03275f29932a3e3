/**
 * The boundary of: a person's word about the model and what becomes of it. Checked and carried out by
 * the runner, or by the command itself where none runs; kept with who and why.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { compareWithServing } from "../actors/trainer/binding.ts";
import type { Models, Serving } from "../actors/trainer/models.ts";
import { loadModel, type Model } from "../anomaly/index.ts";
import { WatchfloorError } from "../machines/errors.ts";
import type { Json } from "../machines/protocol.ts";
import type { Person } from "../machines/vocabulary.ts";
import type { Mailbox } from "../transports/ports.ts";
import { trainerEnvelope, TRAINER } from "./gate.ts";
import { shardOf } from "./placement.ts";

export const ModelOrderSchema = z.discriminatedUnion("order", [
  z.strictObject({ order: z.literal("promote"), version: z.int().min(1).max(999_999) }),
  z.strictObject({ order: z.literal("rollback") }),
  z.strictObject({ order: z.literal("train") }),
  z.strictObject({ order: z.literal("forget"), user: z.string().min(1).max(64) }),
  /** A model that the command fitted, in the folder of offers under its digest. */
  z.strictObject({ order: z.literal("offer"), digest: z.string().regex(/^[0-9a-f]{64}$/) }),
]);

export type ModelOrder = z.output<typeof ModelOrderSchema>;

export interface OrderPorts {
  readonly models: Models;
  readonly mailbox: Mailbox;
  readonly shardCount: number;
  readonly dataDir: string;
  readonly alertBudget: number;
  recentRows(): Float32Array;
}

export interface OrderCause {
  readonly who: Person;
  readonly why: string;
  /** Wall clock, ms. */
  readonly at: number;
  /** Unique. */
  readonly id: string;
}

/** What was done at once, or that the trainer was told. */
export type OrderResult =
  | { readonly done: "promoted"; readonly serving: Serving }
  | { readonly done: "refused"; readonly version: number; readonly figures: Json }
  | { readonly done: "told" };

/** Where `offer` finds what it names. */
export function offerPath(dataDir: string, digest: string): string {
  return join(dataDir, "offers", `${digest}.model`);
}

/** @throws `model_unknown`, `model_unreadable`, `no_earlier_model` before anything is changed */
export async function carryOut(
  ports: OrderPorts,
  order: ModelOrder,
  cause: OrderCause,
): Promise<OrderResult> {
  if (order.order === "promote") return promote(ports, order.version, cause);
  if (order.order === "rollback") return rollback(ports, cause);
  if (order.order === "offer") return takeOffer(ports, order.digest, cause);
  const asked = `asked for by ${cause.who.user}: ${cause.why}`;
  const [type, data] =
    order.order === "train" ? ["train", { why: asked }] : ["forget", { user: order.user }];
  const envelope = trainerEnvelope(cause.id, type as string, data as Json);
  await ports.mailbox.publish(shardOf(TRAINER, ports.shardCount), [envelope]);
  return { done: "told" };
}

async function promote(
  { models }: OrderPorts,
  version: number,
  cause: OrderCause,
): Promise<OrderResult> {
  const serving = await models.promote(await models.version(version), cause);
  return { done: "promoted", serving };
}

async function rollback(ports: OrderPorts, cause: OrderCause): Promise<OrderResult> {
  const before = (await ports.models.serving())?.before ?? null;
  if (before === null) throw new WatchfloorError("no_earlier_model", {});
  return promote(ports, before, cause);
}

/** Compared like any candidate: who offers a model does not decide whether it is any good. */
async function takeOffer(
  ports: OrderPorts,
  digest: string,
  cause: OrderCause,
): Promise<OrderResult> {
  const { models, alertBudget } = ports;
  const model = offered(offerPath(ports.dataDir, digest));
  const made = { at: cause.at, source: "file", why: cause.why, labels: 0 } as const;
  const version = await models.keep(model, made);
  const { worse, figures } = await compareWithServing(
    models,
    model,
    ports.recentRows(),
    alertBudget,
  );
  await models.judged(version.digest, worse, figures);
  if (worse) return { done: "refused", version: version.n, figures };
  return promote(ports, version.n, cause);
}

function offered(path: string): Model {
  try {
    return loadModel(readFileSync(path));
  } catch (error) {
    if (error instanceof WatchfloorError) throw error;
    throw new WatchfloorError(
      "model_unreadable",
      { what: "offer", why: "there is no such file" },
      { cause: error },
    );
  }
}
