/**
 * The boundary of: an action as it was decided, and a change that a cluster can make. What does not
 * fit the grammar of its type is refused here with a reason, before anything is touched.
 */
import { isIP } from "node:net";
import { z } from "zod";
import { WatchfloorError } from "../../machines/errors.ts";
import {
  targetName,
  type Action,
  type ActionType,
  type Target,
} from "../../machines/vocabulary.ts";

/** Kubernetes' own grammar of a label key: an optional DNS prefix and a name. */
const KEY =
  /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const ANNOTATION_VALUE = /^[A-Za-z0-9 _.,:/()-]{0,256}$/;

const key = z.string().regex(KEY);
const address = z.string().refine(isAddress);

const ChangeSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("label"), key, value: z.string().regex(LABEL_VALUE) }),
  z.object({ type: z.literal("annotate"), key, value: z.string().regex(ANNOTATION_VALUE) }),
  z.object({ type: z.literal("isolate") }),
  z.object({ type: z.literal("block_egress"), address }),
  z.object({ type: z.literal("terminate") }),
  z.object({ type: z.literal("scale_to_zero") }),
  z.object({ type: z.literal("cordon") }),
  z.object({ type: z.literal("revoke_token") }),
]);
export type Change = z.output<typeof ChangeSchema>;

const TARGETS: Readonly<Record<Change["type"], readonly Target["kind"][]>> = {
  label: ["pod"],
  annotate: ["pod"],
  isolate: ["pod", "workload"],
  block_egress: ["workload"],
  terminate: ["pod"],
  scale_to_zero: ["workload"],
  cordon: ["node"],
  revoke_token: ["service_account"],
};

/** An address or a block of them in CIDR notation. */
function isAddress(text: string): boolean {
  const [host = "", bits, ...rest] = text.split("/");
  const version = isIP(host);
  if (version === 0 || rest.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
  );
}

/** The change an action means. Throws `action_impossible`. */
export function changeOf(action: Action): Change {
  const kinds = (TARGETS as Partial<Record<ActionType, readonly string[]>>)[action.type];
  if (kinds === undefined) throw impossible(action, "no change of a cluster");
  if (!kinds.includes(action.target.kind))
    throw impossible(action, `it takes a ${kinds.join(" or ")}`);
  const parsed = ChangeSchema.safeParse({ ...action.params, type: action.type });
  if (parsed.success) return parsed.data;
  throw impossible(
    action,
    `its ${parsed.error.issues[0]?.path.join(".") ?? "params"} is not valid`,
  );
}

export function impossible(action: Action, why: string): WatchfloorError {
  const target = targetName(action.target);
  return new WatchfloorError("action_impossible", { action: action.type, target, why });
}

/** What puts back what a change replaced. Kept in the receipt. */
export const InverseSchema = z.discriminatedUnion("restore", [
  z.object({
    restore: z.literal(["labels", "annotations"]),
    key,
    written: z.string(),
    previous: z.string().nullable(),
  }),
  z.object({ restore: z.literal("policies"), name: z.string() }),
  z.object({ restore: z.literal("replicas"), previous: z.int().nonnegative() }),
  z.object({ restore: z.literal("cordoned"), previous: z.boolean() }),
]);
export type Inverse = z.output<typeof InverseSchema>;
